"""Distortions must suit the task: colour that is the label, and mirror images that are two classes.

Windows of photographs, small. Task "colour": the class is a turn of the hue, as of fruit that
ripens; `natural` against `produce`. Task "mirror": the class is whether a window is mirrored;
`natural` against `natural` without its flip. Each pair of runs of the whole pipeline has the same
pictures, seed, first weights and order; pictures differ from seed to seed. What is compared is the
accuracy on the test split, where nothing is distorted.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageOps

from benchmarks.common import interval, run
from benchmarks.photos import cut, sources
from benchmarks.results import Result
from components.image_transform.policies import POLICIES

CONFIG = "configs/digits.yaml"
SEEDS = 3
PICTURES = 1_200
SIZE = (128, 96)
TURN = 0.06
"""Of the hue, between two neighbouring classes; 1 is all around."""
TURNS = 3
SETTINGS = (
    "data.split={train: 0.6, eval: 0.1, test: 0.3}",
    "transform.image_size=[64, 64]",
    "train.phases=[{train: head, epochs: 1, learning_rate: 3.0e-3},"
    " {train: all, epochs: 6, learning_rate: 1.0e-3}]",
    "evaluate.thresholds={accuracy: {at_least: 0.0}}",
    "push.registry=none",
)
WITHOUT_FLIP = [op for op in POLICIES["natural"] if op["op"] != "flip_left_right"]


def measure(folder: Path) -> Iterator[Result]:
    """The accuracies, paired by seed."""
    yield _compare(folder, "colour", turned, "produce", "natural")
    yield _compare(folder, "mirror", mirrored, WITHOUT_FLIP, "natural")


Change = Callable[[Image.Image, int], Image.Image]
"""A window and its class -> the window as the class has it."""


def turned(window: Image.Image, number: int) -> Image.Image:
    """Turns the hue by the class's number."""
    hue, saturation, value = window.convert("HSV").split()
    shifted = hue.point(lambda h: int(h + number * TURN * 256) % 256)
    return Image.merge("HSV", (shifted, saturation, value)).convert("RGB")


def mirrored(window: Image.Image, number: int) -> Image.Image:
    """Mirrors those of class 1."""
    return ImageOps.mirror(window) if number else window


def make_task(folder: Path, change: Change, classes: int, seed: int) -> Path:
    """Writes PICTURES windows of photographs in class folders; keeps what is there."""
    done = folder / ".whole"
    if done.exists():
        return folder
    draw = random.Random(seed)
    photographs = sources()
    for i in range(PICTURES):
        photo = photographs[draw.randrange(len(photographs))]
        window = cut(photo, draw, photo.width * 2 // 3).resize(SIZE)
        path = folder / f"class_{i % classes}" / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        change(window, i % classes).save(path, quality=95)
    done.touch()
    return folder


def _compare(folder: Path, task: str, change: Change, ours: object, theirs: object) -> Result:
    found: tuple[list[float], list[float]] = [], []
    for seed in range(SEEDS):
        classes = TURNS if task == "colour" else 2
        source = make_task(folder / f"{task}_{seed}", change, classes, seed)
        for policy, accuracies in zip((ours, theirs), found, strict=True):
            pair = f"data.source={source}", f"seed={seed}", f"transform.augment={policy}"
            summary, _ = run(CONFIG, folder / f"runs_{task}_{seed}", *SETTINGS, *pair)
            accuracies.append(summary["metrics"]["accuracy"])
        print(f"  {task}, seed {seed}: {found[0][-1]:.4f} against {found[1][-1]:.4f}", flush=True)
    points = [100 * (a - b) for a, b in zip(*found, strict=True)]
    mine, others = (sum(accuracies) / SEEDS for accuracies in found)
    note = f"difference in points {interval(points, '+.1f')}"
    return Result(f"distortions/{task}", mine, others, "accuracy", 1.0, "higher", note)
