"""The pictures of a report, all inside the one file: thumbnails, the contact sheet, curves."""

import base64
import io
import math
import warnings
from collections.abc import Iterable
from typing import Any

from PIL import Image, ImageOps

from components.files import exists, reading
from pipeline.records import read_examples

Resampling = Image.Resampling


def find_images(folder: str, ids: Iterable[str]) -> dict[str, bytes]:
    """Returns encoded images by id from one split's folder; ids not found are left out."""
    wanted = set(ids)
    found: dict[str, bytes] = {}
    examples = read_examples(folder, ("id", "image")) if wanted else iter(())
    for example in examples:
        name = example.get("id", b"").decode(errors="replace")
        if name in wanted:
            found[name] = example.get("image", b"")
            if len(found) == len(wanted):
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


WIDTH, HEIGHT = 400, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 390, 22, 180


def chart(
    history: list[dict[str, Any]], title: str, series: dict[str, str]
) -> dict[str, Any] | None:
    """Places curves over the epochs on a canvas of WIDTH by HEIGHT.

    Args:
      history: one entry an epoch, of all phases, in order.
      title: what the y axis shows.
      series: curve names by key of the entries; values that are no finite numbers leave a gap.

    Returns:
      {"title", "curves": [{"name", "runs": [[(x, y)]], "last"}], "ticks": [(y, text)],
      "epochs": [(x, text)], "phases": [(x, name)]}, or None where there is nothing to draw.
    """
    curves = {name: [_finite(e.get(key)) for e in history] for key, name in series.items()}
    values = [v for curve in curves.values() for v in curve if v is not None]
    if not values:
        return None
    ticks = _ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    step = (_RIGHT - _LEFT) / len(history)

    def x(epoch: float) -> float:
        return round(_LEFT + (epoch + 0.5) * step, 1)

    def y(value: float) -> float:
        return round(_BOTTOM - (value - low) / (high - low) * (_BOTTOM - _TOP), 1)

    drawn = []
    for name, curve in curves.items():
        runs: list[list[tuple[float, float]]] = [[]]
        for epoch, value in enumerate(curve):
            if value is not None:
                runs[-1].append((x(epoch), y(value)))
            elif runs[-1]:
                runs.append([])
        known = [v for v in curve if v is not None]
        if known:
            drawn.append({"name": name, "runs": [r for r in runs if r], "last": known[-1]})
    starts = [
        e
        for e in range(len(history))
        if e == 0 or history[e].get("phase") != history[e - 1].get("phase")
    ]
    every = math.ceil(len(history) / 8)
    return {
        "title": title,
        "curves": drawn,
        "ticks": [(y(t), f"{t:.4g}") for t in ticks],
        "epochs": [(x(e), str(e + 1)) for e in range(0, len(history), every)],
        "phases": [(x(e - 0.5), str(history[e].get("train", ""))[:12]) for e in starts],
    }


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that enclose low and high."""
    spread = high - low
    if spread <= abs(high) * 1e-6:  # one epoch, or no movement
        spread = abs(high) * 0.1 or 1.0
    power = 10.0 ** math.floor(math.log10(spread))
    step = next(power * m for m in (0.5, 1, 2, 5) if spread / (power * m) <= 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, max(last, first + 1) + 1)]
