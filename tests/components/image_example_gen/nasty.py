"""A folder of class folders such as people have them: good pictures, odd ones, and unusable files.

As a program: python nasty.py FOLDER
"""

import io
import os
import random
import struct
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL.Image

LABELS = ("cat", "dog", "horse")


class Nasty(NamedTuple):
    """What `make_nasty` made; paths as the component reports them.

    good: all that must be used; bad: all that must be rejected, with a part of the reason.
    upright: of EXIF-rotated pictures their (height, width) as a viewer shows them.
    """

    good: set[str]
    bad: dict[str, str]
    upright: dict[str, tuple[int, int]]


def make_nasty(folder: Path, plain: int = 270) -> Nasty:
    """Fills a folder: `plain` ordinary pictures, 15 odd ones that are usable, 30 that are not."""
    random.seed(0)
    rng = np.random.default_rng(0)
    good: set[str] = set()
    bad: dict[str, str] = {}

    def put(name: str | bytes, data: bytes, reason: str | None = None) -> None:
        path = os.path.join(os.fsencode(folder), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        if reason is None:
            good.add(shown)
        else:
            bad[shown] = reason

    for number in range(plain):
        kind = ("JPEG", "JPEG", "JPEG", "PNG", "GIF", "BMP")[number % 6]
        name = f"{LABELS[number % 3]}/{number:04d}.{'jpg' if kind == 'JPEG' else kind.lower()}"
        put(name, encoded(picture(rng), kind))

    _put_odd(put, rng)
    _put_bad(put, rng)
    (folder / "cat" / "more").symlink_to(folder / "cat")
    bad["cat/more"] = "link to a folder that it lies in"
    (folder / "dog" / "round.jpg").symlink_to(folder / "dog" / "round.jpg")
    bad["dog/round.jpg"] = "leads back to itself"
    (folder / "dog" / "gone.jpg").symlink_to("/nowhere/gone.jpg")
    bad["dog/gone.jpg"] = "broken link to /nowhere/gone.jpg"
    os.mkfifo(folder / "horse" / "pipe.jpg")
    bad["horse/pipe.jpg"] = "no regular file"

    # None of these is anyone's picture.
    for litter in ("cat/Thumbs.db", "cat/.DS_Store", "dog/._0001.jpg", "README.txt", "horse/a.txt"):
        (folder / litter).write_bytes(b"litter")
    upright = {"horse/turned.jpg": (80, 60), "horse/mirrored.jpg": (60, 80)}
    return Nasty(good, bad, upright)


def _put_odd(put, rng) -> None:
    put("cat/cmyk.jpg", encoded(picture(rng).convert("CMYK"), "JPEG"))
    put("cat/grey.jpg", encoded(picture(rng).convert("L"), "JPEG"))
    put("cat/progressive.jpeg", encoded(picture(rng), "JPEG", progressive=True))
    deep = rng.integers(0, 2**16, (60, 80), dtype=np.uint16)
    put("dog/sixteen.png", encoded(PIL.Image.fromarray(deep), "PNG"))
    put("dog/palette.png", encoded(picture(rng).convert("P"), "PNG"))
    put("dog/alpha.PNG", encoded(picture(rng).convert("RGBA"), "PNG"))
    frames = [picture(rng) for _ in range(4)]
    put("dog/moving.gif", encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    put("horse/turned.jpg", encoded(picture(rng), "JPEG", exif=_orientation(6)))
    put("horse/mirrored.jpg", encoded(picture(rng), "JPEG", exif=_orientation(2)))
    put("horse/png_named.jpg", encoded(picture(rng), "PNG"))
    put("horse/my best shot (1).jpg", encoded(picture(rng), "JPEG"))
    put("horse/🐴 ümläut.jpg", encoded(picture(rng), "JPEG"))
    put('cat/it\'s "quoted", twice.jpg', encoded(picture(rng), "JPEG"))
    put(b"cat/caf\xe9.jpg", encoded(picture(rng), "JPEG"))
    put("dog/photo.webp", encoded(picture(rng), "WEBP"))
    put("dog/scan.tif", encoded(picture(rng), "TIFF"))
    put("dog/deep/er/still.jpg", encoded(picture(rng), "JPEG"))


def _put_bad(put, rng) -> None:
    for number in range(3):
        put(f"{LABELS[number]}/empty{number}.jpg", b"", "is empty")
    for number, kind in enumerate(("JPEG", "PNG", "GIF", "BMP", "JPEG", "JPEG")):
        data = encoded(picture(rng), kind)
        data = data[: len(data) * (number + 3) // 10]
        put(f"{LABELS[number % 3]}/cut{number}.jpg", data, "is cut off")
    for number in range(5):
        put(f"cat/text{number}.jpg", b"see the other folder\n" * (number + 1), "is a text")
    put("cat/page.jpg", b"<!DOCTYPE html><html>404</html>", "is a web page")
    put("cat/zeros.png", bytes(5000), "no picture of a known format")
    put("dog/bomb.png", png_bomb(40_000), "1600000000 pixels (40000 x 40000)")
    put("dog/bomb.gif", gif_bomb(60_000, 3), "10800000100 pixels (10 x 10, but many frames)")
    put("dog/cut.webp", encoded(picture(rng), "WEBP")[:300], "is cut off")
    put("dog/sensor.tif", encoded(picture(rng), "TIFF", tiffinfo={254: 1}), "camera's raw format")
    put("dog/phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "is HEIC; convert")
    put("dog/web.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + bytes(99), "is AVIF; convert")
    put("horse/vector.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is SVG; convert")
    put("horse/head.png", encoded(picture(rng), "PNG")[:20], "is cut off")
    put("horse/flipped.png", _flipped(encoded(picture(rng), "PNG")), "is damaged")
    put("stray.jpg", encoded(picture(rng), "JPEG"), "outside every class folder")


def picture(rng: np.random.Generator, height: int = 60, width: int = 80) -> PIL.Image.Image:
    """A picture that compresses like a photograph: soft patches with some noise."""
    patches = PIL.Image.fromarray(rng.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    soft = np.asarray(patches.resize((width, height), PIL.Image.Resampling.BICUBIC), np.int16)
    noisy = soft + rng.integers(-8, 9, soft.shape, dtype=np.int16)
    return PIL.Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def encoded(image: PIL.Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_bomb(side: int) -> bytes:
    """A valid 1-bit PNG of side x side black pixels, about a thousandth of its size unpacked."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (side + 7) // 8)
    body = b"".join(packer.compress(row * 100) for _ in range(side // 100)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def gif_bomb(side: int, frames: int) -> bytes:
    """A small GIF whose screen is 10 x 10, whose later frames claim side x side."""
    start = b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0x80, 0, 0) + bytes(6)
    pixels = b"\x02\x02\x4c\x01\x00"  # the least that looks like packed pixels

    def frame(size: int) -> bytes:
        return b"," + struct.pack("<HHHHB", 0, 0, size, size, 0) + pixels

    return start + frame(10) + frame(side) * frames + b";"


def _orientation(value: int) -> PIL.Image.Exif:
    exif = PIL.Image.Exif()
    exif[0x0112] = value
    return exif


def _flipped(data: bytes) -> bytes:
    """One bit changed in the middle, as a bad disk does."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


if __name__ == "__main__":
    made = make_nasty(Path(sys.argv[1]))
    print(f"{len(made.good)} good, {len(made.bad)} bad")
