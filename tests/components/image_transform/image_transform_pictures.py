"""Small real pictures, Exif blocks, and draws of ops, for the tests of this folder."""

import io
import struct

import numpy as np
import tensorflow as tf
from PIL import Image


def pixels(height, width, seed=0):
    """A smooth coloured picture with a bright upper left corner: no symmetry, kind to JPEG."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / max(height - 1, 1), x / max(width - 1, 1)
    phase = np.random.default_rng(seed).uniform(0, 1, 3)
    planes = [127 + 60 * np.sin(3 * y + 2 * x + 6 * p) + 60 * (1 - y) * (1 - x) for p in phase]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


def encode(image, kind, **options):
    """Encodes a Pillow image or an array."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation, order="<", kind=3, count=1, entries_before=2):
    """An Exif payload with that orientation, written by hand so that both byte orders are real."""
    entries = [struct.pack(order + "HHII", 0x0100 + i, 4, 1, 640) for i in range(entries_before)]
    value = (
        struct.pack(order + "HH", orientation, 0)
        if kind == 3
        else struct.pack(order + "I", orientation)
    )
    entries.append(struct.pack(order + "HHI", 0x0112, kind, count) + value)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    directory = (
        struct.pack(order + "H", len(entries)) + b"".join(entries) + struct.pack(order + "I", 0)
    )
    return b"Exif\0\0" + header + directory


def with_segment(jpeg, payload, marker=0xE1, after_jfif=False):
    """The JPEG with one more segment, directly after its start or after the JFIF segment."""
    segment = bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload
    at = 2
    if after_jfif and jpeg[3] == 0xE0:
        at = 4 + struct.unpack(">H", jpeg[4:6])[0]
    return jpeg[:at] + segment + jpeg[at:]


def picture(height=24, width=30):
    """`pixels` as ops take them."""
    return tf.constant(pixels(height, width) / 255, tf.float32)


def draws(op, image, count=60):
    """What the op makes of the image for several seeds, through one graph."""
    graph = tf.function(
        op, input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([2], tf.int32)]
    )
    return [graph(image, tf.constant([7, n])).numpy() for n in range(count)]
