"""Photographs to measure with: windows of those that scikit-learn and scikit-image bring."""

import importlib.util
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

SIZE = (500, 375)
LABELS = 10
_PER_JOB = 250
_FROM_SKIMAGE = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)


def make_photos(folder: Path, count: int) -> Path:
    """Writes JPEG photos of about 500x375, quality 90, in class folders; keeps what is there.

    Photo `i` is the same whatever the count: a window of a photograph, somewhere, of some size,
    perhaps mirrored.
    """
    done = folder / f".{count}"
    if not done.exists():
        jobs = range(0, count, _PER_JOB)
        for label in range(LABELS):
            (folder / f"class_{label}").mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            list(pool.map(_write, [folder] * len(jobs), jobs, [count] * len(jobs)))
        done.touch()
    return folder


def _write(folder: Path, start: int, count: int) -> None:
    photographs = sources()
    for i in range(start, min(start + _PER_JOB, count)):
        path = folder / f"class_{i % LABELS}" / f"{i:06}.jpg"
        if path.exists():
            continue
        draw = random.Random(i)
        photo = photographs[draw.randrange(len(photographs))]
        window = cut(photo, draw, photo.width)
        if draw.random() < 0.5:
            window = ImageOps.mirror(window)
        window = window.resize(SIZE, Image.Resampling.BICUBIC)
        ImageOps.autocontrast(window, draw.uniform(0, 4)).save(path, quality=90)


def cut(photo: Image.Image, draw: random.Random, widest: int) -> Image.Image:
    """A window somewhere in a photograph, a third of its width to `widest` wide, of 4:3."""
    width = draw.randint(photo.width // 3, widest)
    height = min(photo.height, width * 3 // 4)
    left, top = draw.randint(0, photo.width - width), draw.randint(0, photo.height - height)
    return photo.crop((left, top, left + width, top + height))


def sources() -> list[Image.Image]:
    """The whole photographs, RGB."""
    from sklearn.datasets import load_sample_image

    # Its photographs alone are used: it is installed without what it needs, and never imported.
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise SystemExit("scikit-image's photographs are missing; `make bench` installs them")
    data = Path(spec.origin).parent / "data"
    found = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    return found + [Image.open(data / name).convert("RGB") for name in _FROM_SKIMAGE]
