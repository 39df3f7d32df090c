"""Photographs to measure with: crops of scikit-learn's two, and of scikit-image's where it is."""

import importlib.util
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from PIL import Image, ImageOps

SIZE = (500, 375)
LABELS = 10
_PER_JOB = 250
_FROM_SKIMAGE = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "ihc.png")


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
    sources = _sources()
    for i in range(start, min(start + _PER_JOB, count)):
        path = folder / f"class_{i % LABELS}" / f"{i:06}.jpg"
        if path.exists():
            continue
        draw = random.Random(i)
        photo = sources[draw.randrange(len(sources))]
        width = draw.randint(photo.width // 3, photo.width)
        height = min(photo.height, width * 3 // 4)
        left, top = draw.randint(0, photo.width - width), draw.randint(0, photo.height - height)
        window = photo.crop((left, top, left + width, top + height))
        if draw.random() < 0.5:
            window = ImageOps.mirror(window)
        window = window.resize(SIZE, Image.Resampling.BICUBIC)
        ImageOps.autocontrast(window, draw.uniform(0, 4)).save(path, quality=90)


def _sources() -> list[Image.Image]:
    from sklearn.datasets import load_sample_image

    found = [Image.fromarray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    spec = importlib.util.find_spec("skimage")
    for place in (spec.submodule_search_locations if spec else None) or ():
        for name in _FROM_SKIMAGE:
            path = Path(place) / "data" / name
            if path.exists():
                found.append(Image.open(path).convert("RGB"))
    return found
