"""Pictures that TensorFlow does not read, as PNG: the same pixels, in a file that serving reads."""

import io

import numpy as np
import PIL.Image
import PIL.ImageOps

from components.image_example_gen.pictures import FOREIGN, Unusable, open_picture, read_header


def normalised(data: bytes, max_pixels: int) -> bytes:
    """Turns WebP and TIFF into PNG; hands on every other picture as it is.

    The first picture of a file counts. It is turned upright, loses its alpha channel (the colours
    below stay) and keeps the upper 8 of 16 bits, as `decoding.decode` does with a PNG.

    Args:
      data: the whole file.
      max_pixels: see `read_header`.

    Raises:
      Unusable: it is no picture that can be used.
    """
    kind = read_header(data, max_pixels).format
    return to_png(data, kind) if kind in FOREIGN else data


def to_png(data: bytes, kind: str) -> bytes:
    """Decodes a picture whose header was found sound, and encodes it without loss.

    Raises:
      Unusable: it cannot be decoded; says what the decoder said.
    """
    buffer = io.BytesIO()
    try:
        with open_picture(data, kind) as opened:
            image = PIL.ImageOps.exif_transpose(opened)
            if image.mode.startswith("I;16"):
                image = PIL.Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            grey = image.mode in ("1", "L", "LA")
            image.convert("L" if grey else "RGB").save(buffer, "PNG", compress_level=1)
    except Exception as e:  # a damaged file may raise anything
        raise Unusable(str(e)) from None
    return buffer.getvalue()
