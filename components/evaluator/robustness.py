"""What is left of a model on pictures that are a little worse than those it was tested on.

Four kinds of damage that cameras, networks and weather do, in five severities each, milder than
those of the benchmark whose idea this is (ImageNet-C, Hendrycks and Dietterich 2019, arXiv
1903.12261): what a served model meets on a bad day.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from components.evaluator.checks import Check, Found, Threshold, absolute, figures
from components.evaluator.metrics import LOWER_IS_BETTER, Judged, classification_metrics

SEVERITIES = (1, 2, 3, 4, 5)
CORRUPTIONS = ("jpeg", "blur", "brightness", "noise")
_JPEG_QUALITY = (75, 50, 35, 25, 15)
_BLUR_SIGMA = (0.5, 1.0, 1.5, 2.0, 3.0)  # pixels, of a picture whose shorter side has 224
_BRIGHTNESS = (1.1, 1.2, 1.35, 1.5, 1.75)
_NOISE_SIGMA = (0.02, 0.04, 0.06, 0.09, 0.12)  # of 1
_ROUNDING = 1e-9


def corrupt(picture: Image.Image, corruption: str, severity: int, seed: int) -> bytes:
    """Damages one picture.

    Args:
      picture: RGB.
      corruption: one of CORRUPTIONS.
      severity: 1, hardly visible, to 5.
      seed: of the noise; where it is odd, brightness falls instead of rising.

    Returns:
      An encoded picture: a JPEG where that is the damage, else a PNG.
    """
    at = severity - 1
    if corruption == "jpeg":
        return encoded(picture, "JPEG", quality=_JPEG_QUALITY[at])
    if corruption == "blur":
        radius = _BLUR_SIGMA[at] * min(picture.size) / 224
        return encoded(picture.filter(ImageFilter.GaussianBlur(radius)))
    if corruption == "brightness":
        factor = _BRIGHTNESS[at] ** (-1 if seed % 2 else 1)
        return encoded(ImageEnhance.Brightness(picture).enhance(factor))
    noise = np.random.default_rng(seed).normal(0, 255 * _NOISE_SIGMA[at], (*picture.size[::-1], 3))
    noisy = np.clip(np.asarray(picture) + noise, 0, 255).round().astype(np.uint8)
    return encoded(Image.fromarray(noisy))


def encoded(picture: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    """The picture's bytes; a PNG loses nothing."""
    held = io.BytesIO()
    picture.save(held, form, **(how or {"compress_level": 1}))
    return held.getvalue()


def reduced(picture: Image.Image, side: int) -> Image.Image:
    """The picture, its shorter side at most so many pixels: what follows is cheaper by far.

    The damage is relative to the side, or, as noise and JPEG, finer where the picture is larger.
    """
    scale = side / min(picture.size)
    if scale >= 1:
        return picture
    width, height = (max(round(side * scale), 1) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def measure(
    pictures: Sequence[Image.Image],
    labels: np.ndarray,
    ask: Callable[[Sequence[bytes]], np.ndarray],
    corruptions: Sequence[str] = CORRUPTIONS,
) -> dict[str, Any]:
    """Asks a model about pictures, clean and damaged.

    Args:
      pictures: N, RGB, at least one.
      labels: [N] integers, columns of what `ask` gives.
      ask: encoded pictures -> [N, C] probabilities.
      corruptions: which of CORRUPTIONS.

    Returns:
      {images, clean: {metric: value}, corruptions: {name: [{metric: value} of severity 1, … 5]}}.
    """

    def metrics(images: list[bytes]) -> dict[str, float | None]:
        return classification_metrics(Judged.of(labels, ask(images)))

    return {
        "images": len(pictures),
        "clean": metrics([encoded(picture) for picture in pictures]),
        "corruptions": {
            name: [
                metrics([corrupt(p, name, severity, i) for i, p in enumerate(pictures)])
                for severity in SEVERITIES
            ]
            for name in corruptions
        },
    }


def judge(
    found: Mapping[str, Any], thresholds: Mapping[str, Threshold], severity: int
) -> list[Check]:
    """Holds the metrics of damaged pictures against thresholds of their own.

    Args:
      found: from `measure`.
      thresholds: by metric, `at_least` or `at_most`, and `no_worse_than_clean_by`, how much worse
        than on the same pictures undamaged; each may be None or left out.
      severity: the highest that is judged; the others are only measured.

    Returns:
      One check a corruption and bound, each of the severity that does worst.
    """
    checks = []
    for name, of_severity in found["corruptions"].items():
        for metric, threshold in sorted(thresholds.items()):
            where = f"{name} up to severity {severity}: "
            clean = found["clean"][metric]
            values = [said[metric] for said in of_severity[:severity]]
            if clean is None or None in values:
                checks.append(Check("withheld", f"{where}{metric} says nothing of these images"))
                continue
            worst = max(values) if metric in LOWER_IS_BETTER else min(values)
            for word in ("at_least", "at_most"):
                if (bound := threshold.get(word)) is not None:
                    checks.append(absolute(where, metric, Found({metric: worst}), word, bound))
            if (allowed := threshold.get("no_worse_than_clean_by")) is not None:
                checks.append(_relative(where, metric, worst, clean, allowed))
    return checks


def _relative(where: str, metric: str, worst: float, clean: float, allowed: float) -> Check:
    worse = worst - clean if metric in LOWER_IS_BETTER else clean - worst
    shown, undamaged, by, bound = figures([worst, clean, max(worse, 0.0), allowed])
    return Check(
        "passed" if worse <= allowed + _ROUNDING else "failed",
        f"{where}{metric} {shown} is {by} worse than {undamaged}, that of the same pictures "
        f"undamaged; at most {bound} is allowed",
    )
