"""A SavedModel of this pipeline, loaded to be asked by people and by programs."""

import base64
import io
import os
import sys
from typing import Any

import numpy as np
import PIL.Image
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from components.content import MODEL_FACTS
from components.errors import ServingError
from components.files import read_json, reading
from components.image_example_gen.normalising import to_png
from components.image_example_gen.pictures import (
    FOREIGN,
    MAX_PIXELS,
    Unusable,
    is_cut_off,
    read_header,
)
from components.image_transform.preprocessing import Frame, get_preprocess
from components.serving_check.messages import SIGNATURE
from pipeline.try_it.chosen import Chosen

SAME = 1e-3
"""Largest difference of probabilities at which two preparations of a picture count as one."""


class Model:
    """A loaded model; its methods may be called by several threads at once.

    Attributes:
      name, version: as in Chosen.
      labels: of its classes, in the order of its probabilities.
      frame: how it brings a picture to its size.
      signatures: by name, as TensorFlow loaded them.
      signature_defs: by name, as the file has them: what a server tells of a model.
    """

    def __init__(self, chosen: Chosen):
        """Loads it.

        Raises:
          ServingError: it cannot be loaded, or another program wrote it.
        """
        self.name, self.version = chosen.name, chosen.version
        try:
            facts = read_json(os.path.join(chosen.folder, MODEL_FACTS))
            self.labels: list[str] = facts["labels"]
            height, width = facts["image_size"]
            self.frame = Frame((height, width), facts["crop_fraction"], facts["resize"])
            self.signature_defs = _signature_defs(chosen.folder)
            self._loaded = tf.saved_model.load(chosen.folder)
        except (OSError, ValueError, KeyError, DecodeError, tf.errors.OpError) as e:
            raise ServingError(
                f"{chosen.folder}: is no whole model of this pipeline ({e}); run the pipeline "
                "again, or choose a registered version with --version"
            ) from None
        self.signatures = self._loaded.signatures
        encoded = tf.TensorSpec([], tf.string)
        self._prepare = tf.function(get_preprocess(self.frame), [encoded], autograph=False)

    def classify(self, file: bytes, top: int) -> dict[str, Any]:
        """What the model says of one picture, and what it sees of it.

        Args:
          file: of any format that can be trained on, also those that TensorFlow does not read.
          top: how many classes to give.

        Returns:
          `top` [{label, score}], the likeliest first, and `seen`: the picture as the network gets
          it, a PNG as a data: address; None where this code prepares it otherwise than the model.

        Raises:
          Unusable: it is no picture that can be read; the message completes "The file ...".
        """
        picture = usable(file)
        said = self.signatures[SIGNATURE](image_bytes=tf.constant([picture]))
        if said["error"][0].numpy():
            ill = "cut off" if is_cut_off(picture, read_header(picture, sys.maxsize).format) else ""
            raise Unusable(f"is {ill or 'damaged'}: its pixels cannot be read")
        scores = said["probabilities"][0].numpy()
        best = scores.argsort()[::-1][:top]
        return {
            "top": [{"label": self.labels[i], "score": float(scores[i])} for i in best],
            "seen": self._seen(picture, scores),
        }

    def _seen(self, picture: bytes, scores: np.ndarray) -> str | None:
        """The picture as the network gets it, if it then says the same: the model may be older
        than this code."""
        images = self._prepare(tf.constant(picture))[tf.newaxis]
        again = self.signatures["serving_images"](images=images)["probabilities"][0].numpy()
        if not np.allclose(again, scores, rtol=0, atol=SAME):
            return None
        pixels = np.rint(images[0].numpy() * 255).astype(np.uint8)
        png = io.BytesIO()
        PIL.Image.fromarray(pixels).save(png, "PNG")
        return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def usable(file: bytes) -> bytes:
    """A picture as the model reads it: WebP and TIFF as PNG, every other as it is.

    Raises:
      Unusable: it is no picture, or has too many pixels; the message completes "The file ...".
    """
    header = read_header(file, sys.maxsize)
    if header.pixels > MAX_PIXELS:
        raise Unusable(f"has {header.pixels:,} pixels; up to {MAX_PIXELS:,} are taken")
    return to_png(file, header.format) if header.format in FOREIGN else file


def _signature_defs(folder: str) -> dict[str, Any]:
    model = saved_model_pb2.SavedModel()
    with reading(os.path.join(folder, "saved_model.pb")) as file:
        model.ParseFromString(file.read())
    return dict(model.meta_graphs[0].signature_def)
