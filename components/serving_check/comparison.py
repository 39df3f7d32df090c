"""Holds what the served model said against the evaluation. Pure: arrays in, reasons out."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass
class Expected:
    """What the evaluation has of N pictures.

    Attributes:
      paths: N, as a user knows the pictures.
      classes: C label names, in the order of the probabilities.
      probabilities: [N, C] floats.
    """

    paths: Sequence[str]
    classes: Sequence[str]
    probabilities: np.ndarray


_KINDS = {"label": "U", "score": "f", "probabilities": "f", "error": "U"}  # as numpy names them


def compare(
    expected: Expected,
    served: Mapping[str, np.ndarray],
    tolerance: float,
    how: str,
    reference: str = "in the evaluation",
) -> tuple[list[str], float | None]:
    """Finds where the served outputs are not what they should be.

    Args:
      expected: from the evaluation, or from another way to send the same pictures.
      served: `serving_default`'s outputs for the same pictures.
      tolerance: largest difference of a probability that is allowed.
      how: how the pictures were sent, for the reasons, such as "one by one".
      reference: where `expected` is from, for the reasons.

    Returns:
      (reasons, difference): one sentence for each thing that is wrong, so none when all is well,
      and the largest difference of a probability; None where it cannot be said.
    """
    shapes = {
        "label": (len(expected.paths),),
        "score": (len(expected.paths),),
        "probabilities": expected.probabilities.shape,
    }
    wrong = [
        f"sent {how}, {len(expected.paths)} pictures of {len(expected.classes)} classes give "
        + (f"{name} of shape {list(served[name].shape)}" if name in served else f"no {name}")
        for name, shape in shapes.items()
        if name not in served or served[name].shape != shape
    ]
    # Without `error` a picture cannot be marked, which is said where a bad one is sent.
    if "error" in served and served["error"].shape != shapes["label"]:
        wrong.append(f"sent {how}, error has the shape {list(served['error'].shape)}")
    wrong += [
        f"sent {how}, {name} is {served[name].dtype}, where a client decodes "
        + ("text" if kind == "U" else "floats")
        for name, kind in _KINDS.items()
        if name in served and served[name].dtype.kind != kind
    ]
    if wrong:
        return wrong, None
    if "error" in served and (marked := served["error"] != "").any():
        first = int(marked.argmax())
        return [
            f"sent {how}, {marked.sum()} good pictures come back marked, {expected.paths[first]} "
            f"with {str(served['error'][first])!r}"
        ], None
    if not len(expected.paths):
        return [], 0.0
    probabilities, reasons = served["probabilities"], []
    differences = np.abs(probabilities.astype(np.float64) - expected.probabilities).max(axis=1)
    if not np.isfinite(probabilities).all():
        reasons.append(f"sent {how}, some probabilities are not finite numbers")
    elif (worse := differences > tolerance).any():
        worst = int(differences.argmax())
        reasons.append(
            f"sent {how}, {worse.sum()} of {len(worse)} test pictures are scored otherwise than "
            f"{reference}, {expected.paths[worst]} by {differences[worst]:.2g}; "
            f"at most {tolerance:g} is allowed"
        )
    reasons += _label_reasons(expected, served, tolerance, how)
    largest = float(differences.max())
    return reasons, largest if np.isfinite(largest) else None


def _label_reasons(
    expected: Expected, served: Mapping[str, np.ndarray], tolerance: float, how: str
) -> list[str]:
    """Whether each label and score belong to the largest of the probabilities beside them."""
    position = {name: i for i, name in enumerate(expected.classes)}
    for path, label, score, row in zip(
        expected.paths, served["label"], served["score"], served["probabilities"], strict=True
    ):
        if str(label) not in position:
            return [f"sent {how}, {path} gets the label {label!s}, which is none of the classes"]
        best = expected.classes[int(row.argmax())]
        # Of two that are as good as equal, either will do.
        if not row[position[str(label)]] >= row.max() - tolerance:
            return [f"sent {how}, {path} gets the label {label!s}, yet {best} is most probable"]
        if not abs(score - row.max()) <= tolerance:
            return [
                f"sent {how}, {path} gets the score {score:.6f} where its largest probability is "
                f"{row.max():.6f}"
            ]
    return []
