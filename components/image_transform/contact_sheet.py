"""The contact sheet: what augmentation makes of a few training pictures, to be looked at."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components.harmless import harmless

_TILE, _GAP, _LINE = 176, 12, 22
_SMALL, _SMALL_LINE = 11, 14
_BACKGROUND, _INK, _FAINT = "white", "#1f2328", "#6e7781"


class Row(NamedTuple):
    """One training picture with its views, all uint8 [H, W, 3]."""

    label: str
    original: np.ndarray
    views: Sequence[np.ndarray]
    lines: Sequence[Sequence[str]] = ()
    """What made each view, a line an op; nothing where that is not to be shown."""


def draw_contact_sheet(title: str, rows: Sequence[Row]) -> bytes:
    """Draws a PNG: a row a picture, the original first, then its views, the label below.

    Args:
      title: one line at the top.
      rows: one at least, each with as many views as the first; a single one is what is served.
    """
    columns = 1 + len(rows[0].views)
    width = _GAP + columns * (_TILE + _GAP)
    top = _GAP + 2 * _LINE
    texts = [[_wrapped(lines) for lines in row.lines] for row in rows]
    below = [_SMALL_LINE * max(map(len, columns), default=0) for columns in texts]
    height = top + len(rows) * (_TILE + _LINE + _GAP) + sum(below)
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), _fitting(title, width - 2 * _GAP, 16), _INK, _font(16))
    names = ["as stored", *(f"view {number}" for number in range(columns - 1))]
    if columns == 2:
        names[1] = "as served"
    for column, name in enumerate(names):
        draw.text((_left(column), _GAP + _LINE), name, _FAINT, _font(13))
    y = top
    for row, columns_of_text, text_height in zip(rows, texts, below, strict=True):
        for column, picture in enumerate([row.original, *row.views]):
            tile = _tile(picture)
            x = _left(column) + (_TILE - tile.width) // 2
            sheet.paste(tile, (x, y + (_TILE - tile.height) // 2))
        room = _TILE if row.lines else width - 2 * _GAP
        draw.text((_GAP, y + _TILE + 3), _fitting(row.label, room, 14), _INK, _font(14))
        for column, lines in enumerate(columns_of_text, 1):
            for number, line in enumerate(lines):
                place = (_left(column), y + _TILE + 4 + number * _SMALL_LINE)
                draw.text(place, line, _FAINT, _font(_SMALL))
        y += _TILE + _LINE + _GAP + text_height
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


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
    text = harmless(" ".join(text.split())) or "(empty)"
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _wrapped(lines: Sequence[str]) -> list[str]:
    """The lines cut at spaces to the width of a tile."""
    font, found = _font(_SMALL), []
    for line in lines:
        begun = ""
        for word in line.split():
            longer = f"{begun} {word}".strip()
            if begun and font.getlength(longer) > _TILE:
                found.append(begun)
                longer = f"  {word}"
            begun = longer
        found.append(_fitting(begun, _TILE, _SMALL) if begun else "")
    return found
