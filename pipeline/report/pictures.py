"""The pictures of a report, all inside the one file: thumbnails and the contact sheet."""

import base64
import io
import warnings
from collections.abc import Iterable
from typing import Any

from PIL import Image, ImageOps

from components.files import exists, reading
from pipeline.records import read_examples

Resampling = Image.Resampling
MOST_BYTES_READ = 2 << 30
"""Of pictures, on the way to a few: some ten seconds. The others are then shown without."""


def find_images(
    folder: str, ids: Iterable[str], most_bytes: int = MOST_BYTES_READ
) -> dict[str, bytes]:
    """Looks for pictures in one split's folder.

    Args:
      folder: of the split's Examples.
      ids: whose pictures are wanted.
      most_bytes: of pictures that are read on the way; the search then ends.

    Returns:
      Encoded images by id; those that were not found are left out.
    """
    wanted = set(ids)
    found: dict[str, bytes] = {}
    examples = read_examples(folder, ("id", "image")) if wanted else iter(())
    read = 0
    for example in examples:
        name, image = example.get("id", b"").decode(errors="replace"), example.get("image", b"")
        if name in wanted:
            found[name] = image
        read += len(image)
        if len(found) == len(wanted) or read > most_bytes:
            break
    return found


def thumbnail(encoded: bytes, side: int = 160) -> dict[str, Any] | None:
    """Draws a picture small, upright, as the model sees its colours (without alpha).

    Args:
      encoded: the bytes of an image file of any kind that Pillow knows.
      side: longest side in pixels; smaller pictures keep their size.

    Returns:
      {"uri", "width", "height"}, or None where Pillow cannot read it.
    """
    try:
        with warnings.catch_warnings():  # large or odd pictures passed the import already
            warnings.simplefilter("ignore")
            file = Image.open(io.BytesIO(encoded))
            file.draft("RGB", (2 * side, 2 * side))  # JPEG: decodes no more than it must
            image: Image.Image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16 bits; convert() would clip instead of scaling
                image = image.convert("I").point(lambda value: value / 256).convert("L")
            image = image.convert("RGB")
            image.thumbnail((side, side), Resampling.LANCZOS)
        tiny = max(image.size) <= 64  # JPEG would smear the few pixels there are
        uri = _encode(image, "PNG") if tiny else _encode(image, "JPEG", quality=82)
    except Exception:  # Pillow's plug-ins raise whatever they please on broken files
        return None
    return {"uri": uri, "width": image.width, "height": image.height}


def embed(path: str, most_bytes: int = 1_500_000) -> dict[str, Any] | None:
    """Returns an image file as {"uri", "width", "height"}; None where there is none.

    One larger than `most_bytes` is drawn again as JPEG, and smaller until it fits.

    Raises:
      OSError: the file is no image.
    """
    if not exists(path):
        return None
    with reading(path) as file:
        content = file.read()
    image: Image.Image = Image.open(io.BytesIO(content))
    if len(content) <= most_bytes:
        kind = (image.format or "PNG").lower()
        return {"uri": _uri(content, kind), "width": image.width, "height": image.height}
    image = image.convert("RGB")
    image.thumbnail((1600, 1600 * 4), Resampling.LANCZOS)
    while len(uri := _encode(image, "JPEG", quality=82)) > most_bytes:
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)))
    return {"uri": uri, "width": image.width, "height": image.height}


def _encode(image: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return _uri(buffer.getvalue(), kind.lower())


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
