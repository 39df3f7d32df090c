"""The contact sheet: what augmentation makes of a few training pictures, to be looked at."""

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TILE, _GAP, _LINE = 176, 12, 22
_BACKGROUND, _INK, _FAINT = "white", "#1f2328", "#6e7781"


class Row(NamedTuple):
    """One training picture with its views, all uint8 [H, W, 3]."""

    label: str
    original: np.ndarray
    views: Sequence[np.ndarray]


def draw_contact_sheet(path: str, title: str, rows: Sequence[Row]) -> None:
    """Writes a PNG: a row a picture, the original first, then its views, the label below.

    Args:
      path: where to.
      title: one line at the top.
      rows: one at least, each with as many views as the first; a single one is what is served.
    """
    columns = 1 + len(rows[0].views)
    width = _GAP + columns * (_TILE + _GAP)
    top = _GAP + 2 * _LINE
    height = top + len(rows) * (_TILE + _LINE + _GAP)
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), _fitting(title, width - 2 * _GAP, 16), _INK, _font(16))
    names = ["as stored", *(f"view {number}" for number in range(1, columns))]
    if columns == 2:
        names[1] = "as served"
    for column, name in enumerate(names):
        draw.text((_left(column), _GAP + _LINE), name, _FAINT, _font(13))
    for number, row in enumerate(rows):
        y = top + number * (_TILE + _LINE + _GAP)
        for column, picture in enumerate([row.original, *row.views]):
            tile = _tile(picture)
            x = _left(column) + (_TILE - tile.width) // 2
            sheet.paste(tile, (x, y + (_TILE - tile.height) // 2))
        draw.text((_GAP, y + _TILE + 3), _fitting(row.label, width - 2 * _GAP, 14), _INK, _font(14))
    _write(path, sheet)


def _left(column: int) -> int:
    return _GAP + column * (_TILE + _GAP)


def _tile(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    scale = _TILE / max(image.size)
    size = [max(1, round(side * scale)) for side in image.size]
    # Small pictures keep their pixels visible: that is how small they are.
    way = Image.Resampling.NEAREST if scale >= 4 else Image.Resampling.LANCZOS
    return image.resize((size[0], size[1]), way)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    try:
        return ImageFont.truetype("DejaVuSans.ttf", size)  # knows more scripts than Pillow's own
    except OSError:
        return ImageFont.load_default(size)


def _fitting(text: str, width: int, size: int) -> str:
    """The text in one line, its end replaced by "…" where it is too wide."""
    text = " ".join(text.split()) or "(empty)"
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _write(path: str, sheet: Image.Image) -> None:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    partial = os.path.join(os.path.dirname(path), ".contact_sheet.partial")
    with open(partial, "wb") as file:
        file.write(buffer.getvalue())
    os.replace(partial, path)
