"""Whether bytes are a picture that can be used: what its header says, before any decoding."""

import io
from typing import NamedTuple

import PIL.BmpImagePlugin
import PIL.GifImagePlugin
import PIL.JpegImagePlugin
import PIL.PngImagePlugin

# The plugins, not PIL.Image.open: its bound on pixels is a global, ours is an argument.
_FORMATS = {
    "JPEG": (b"\xff\xd8\xff", PIL.JpegImagePlugin.JpegImageFile),
    "PNG": (b"\x89PNG\r\n\x1a\n", PIL.PngImagePlugin.PngImageFile),
    "GIF": (b"GIF8", PIL.GifImagePlugin.GifImageFile),
    "BMP": (b"BM", PIL.BmpImagePlugin.BmpImageFile),
}

_FOREIGN = (
    (0, b"RIFF", 8, b"WEBP", "WebP"),
    (0, b"II*\0", 0, b"", "TIFF or a camera's raw format"),
    (0, b"MM\0*", 0, b"", "TIFF or a camera's raw format"),
    (4, b"ftypavi", 0, b"", "AVIF"),
    (4, b"ftyphe", 0, b"", "HEIC"),
    (4, b"ftypmi", 0, b"", "HEIC"),
    (4, b"ftypms", 0, b"", "HEIC"),
    (4, b"ftypcrx", 0, b"", "a camera's raw format"),
    (0, b"\0\0\0\x0cjP  ", 0, b"", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", 0, b"", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", 0, b"", "JPEG XL"),
    (0, b"\xff\x0a", 0, b"", "JPEG XL"),
    (0, b"8BPS", 0, b"", "a Photoshop file"),
    (0, b"\0\0\1\0", 0, b"", "an icon (ICO)"),
    (0, b"%PDF", 0, b"", "PDF"),
)
"""(place, bytes there, second place, bytes there, name) of formats that people keep pictures in."""


class Unusable(Exception):
    """Bytes that are no usable picture; the message completes "<path>: ..."."""


class Header(NamedTuple):
    """What the first bytes say of a picture.

    Attributes:
      format: "JPEG", "PNG", "GIF" or "BMP".
      pixels: width times height; of an animated GIF, of all its frames.
      channels: 1 grey, 2 grey with alpha, 3 colour (or a palette), 4 colour with alpha, or CMYK.
    """

    format: str
    pixels: int
    channels: int


def read_header(data: bytes, max_pixels: int) -> Header:
    """Reads a picture's header; costs microseconds, whatever size it claims.

    Args:
      data: the whole file.
      max_pixels: largest allowed `pixels`.

    Raises:
      Unusable: it is empty, no picture, of a format that cannot be used, or too large.
    """
    kind = next((k for k, (magic, _) in _FORMATS.items() if data.startswith(magic)), None)
    if kind is None:
        raise Unusable(_what_else(data))
    try:
        with _FORMATS[kind][1](io.BytesIO(data)) as image:
            width, height = image.size
            # The bands of a palette are one; its colours are three.
            channels = 3 if image.mode == "P" or kind == "GIF" else len(image.getbands())
        pixels = max(width * height, _gif_pixels(data) if kind == "GIF" else 0)
    except Exception as e:  # a hostile header may raise anything
        ill = "cut off" if is_cut_off(data, kind) else "damaged"
        reason = _is_text(data) or f"is {ill}: its {kind} header cannot be read ({e})"
        raise Unusable(reason) from None
    if pixels > max_pixels:
        frames = ", but many frames" if pixels > width * height else ""
        raise Unusable(
            f"has {pixels} pixels ({width} x {height}{frames}), more than data.max_pixels "
            f"({max_pixels})"
        )
    return Header(kind, pixels, channels)


def is_cut_off(data: bytes, kind: str) -> bool:
    """Whether the end mark of the format is missing; a hint for a message, no proof."""
    if kind == "JPEG":
        return b"\xff\xd9" not in data[-4096:]
    if kind == "PNG":
        return b"IEND" not in data[-4096:]
    if kind == "GIF":
        return not data.rstrip(b"\0").endswith(b";")
    return int.from_bytes(data[2:6], "little") > len(data)


def _what_else(data: bytes) -> str:
    if not data:
        return "is empty"
    for place, magic, second, also, name in _FOREIGN:
        if data.startswith(magic, place) and data.startswith(also, second):
            return f"is {name}; convert it to JPEG or PNG"
    return _is_text(data) or "is no picture of a known format (JPEG, PNG, GIF, BMP)"


def _is_text(data: bytes) -> str:
    """What kind of text it is, or "" if it is none."""
    start = data[:1024]
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        if e.start < len(start) - 3:  # not merely cut inside a character
            return ""
        text = start.decode("utf-8-sig", "ignore")
    if any(character < " " and character not in "\t\n\r\f" for character in text):
        return ""
    text = text.lstrip().lower()
    if text.startswith(("<!doctype html", "<html")):
        return "is a web page, no picture; download it again"
    if "<svg" in text:
        return "is SVG; convert it to PNG"
    return "is a text, no picture"


def _gif_pixels(data: bytes) -> int:
    """Pixels of all frames together: TensorFlow's decoder unpacks every frame to give the first."""
    flags = data[10]
    position = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    pixels = 0
    while position < len(data) and data[position] != 0x3B:  # the trailer
        if data[position] == 0x2C:  # an image: left, top, width, height, flags
            if position + 10 > len(data):
                break
            width = int.from_bytes(data[position + 5 : position + 7], "little")
            height = int.from_bytes(data[position + 7 : position + 9], "little")
            pixels += width * height
            flags = data[position + 9]
            position += 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0) + 1
        elif data[position] == 0x21:  # an extension
            position += 2
        else:
            break  # damaged: what follows is not decoded either
        while position < len(data) and data[position]:  # blocks, each after its length
            position += data[position] + 1
        position += 1
    return pixels
