"""Whether bytes are a picture that can be used: what its header says, before any decoding."""

import io
from typing import Any, NamedTuple

import PIL.BmpImagePlugin
import PIL.GifImagePlugin
import PIL.ImageFile
import PIL.JpegImagePlugin
import PIL.PngImagePlugin
import PIL.TiffImagePlugin
import PIL.WebPImagePlugin

# The plugins, not PIL.Image.open: its bound on pixels is a global, ours is an argument.
_FORMATS = {
    "JPEG": PIL.JpegImagePlugin.JpegImageFile,
    "PNG": PIL.PngImagePlugin.PngImageFile,
    "GIF": PIL.GifImagePlugin.GifImageFile,
    "BMP": PIL.BmpImagePlugin.BmpImageFile,
    "WebP": PIL.WebPImagePlugin.WebPImageFile,
    "TIFF": PIL.TiffImagePlugin.TiffImageFile,
}

_MAGIC = (
    (b"\xff\xd8\xff", 0, "JPEG"),
    (b"\x89PNG\r\n\x1a\n", 0, "PNG"),
    (b"GIF8", 0, "GIF"),
    (b"BM", 0, "BMP"),
    (b"WEBP", 8, "WebP"),
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
)
"""(bytes, where they stand, format)."""

MAX_PIXELS = 89_478_485
"""Pixels that a picture may have where nothing else is said; Pillow's own bound."""

FOREIGN = ("WebP", "TIFF")
"""Formats that are read here and that TensorFlow does not know."""

_OTHERS = (
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyphe", "HEIC"),
    (4, b"ftypmi", "HEIC"),
    (4, b"ftypms", "HEIC"),
    (4, b"ftypcrx", "a camera's raw format"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"%PDF", "PDF"),
)
"""(place, bytes there, name) of formats that people keep pictures in, and that are not read."""

# By these tags a camera's raw file is known, in which Pillow would find a thumbnail: NewSubfileType
# (1 is a reduced picture), SubIFDs (the others), DNGVersion.
_SUBFILE_TYPE, _SUB_DIRECTORIES, _DNG_VERSION = 254, 330, 50706


class Unusable(Exception):
    """Bytes that are no usable picture; the message completes "<path>: ..."."""


class Header(NamedTuple):
    """What the first bytes say of a picture.

    Attributes:
      format: "JPEG", "PNG", "GIF", "BMP", "WebP" or "TIFF".
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
    kind = _kind(data)
    if kind is None:
        raise Unusable(_what_else(data))
    trouble = ""
    try:
        if kind == "WebP":  # Pillow makes room for the whole picture as it opens one
            (width, height), channels = _webp_size(data), 3
        else:
            with open_picture(data, kind) as image:
                width, height = image.size
                # The bands of a palette are one; its colours are three.
                channels = 3 if image.mode == "P" or kind == "GIF" else len(image.getbands())
                trouble = _tiff_trouble(image) if kind == "TIFF" else ""
        pixels = max(width * height, _gif_pixels(data) if kind == "GIF" else 0)
    except Exception as e:  # a hostile header may raise anything
        ill = "cut off" if is_cut_off(data, kind) else "damaged"
        reason = _is_text(data) or f"is {ill}: its {kind} header cannot be read ({e})"
        raise Unusable(reason) from None
    if trouble:
        raise Unusable(trouble)
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
    if kind == "WebP":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    return kind == "BMP" and int.from_bytes(data[2:6], "little") > len(data)


def open_picture(data: bytes, kind: str) -> PIL.ImageFile.ImageFile:
    """Opens a picture of a known format, and reads its header; its size is not bounded here."""
    return _FORMATS[kind](io.BytesIO(data))


def _kind(data: bytes) -> str | None:
    for magic, place, kind in _MAGIC:
        if data.startswith(magic, place):
            return kind
    return None


def _tiff_trouble(image: Any) -> str:
    """Why a TIFF cannot be used, or ""."""
    tags = image.tag_v2
    if _DNG_VERSION in tags or _SUB_DIRECTORIES in tags or tags.get(_SUBFILE_TYPE, 0) & 1:
        return "is a camera's raw format; convert it to JPEG or PNG"
    if image.mode in ("I", "F"):
        return "is a TIFF of 32 bits a pixel, which say no shade; save it with 8 or 16"
    return ""


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height, by the layout of the first chunk (RFC 9649, 2.5 to 2.7)."""
    chunk, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise ValueError("it ends too early")
    if chunk == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        sides = (int.from_bytes(body[place : place + 2], "little") for place in (6, 8))
        width, height = (side & 0x3FFF for side in sides)
        return width, height
    raise ValueError("its first chunk is unknown")


def _what_else(data: bytes) -> str:
    if not data:
        return "is empty"
    for place, magic, name in _OTHERS:
        if data.startswith(magic, place):
            return f"is {name}; convert it to JPEG or PNG"
    return _is_text(data) or "is no picture of a known format (JPEG, PNG, GIF, BMP, WebP, TIFF)"


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
