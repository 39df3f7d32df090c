"""What looks wrong in the facts: TFDV's anomalies, and what a schema cannot say of labels."""

import dataclasses
from collections.abc import Mapping

# Above this ratio a classifier that ignores the small class hardly notices in its accuracy.
LARGEST_RATIO = 20
_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that looks wrong: in which split and feature, and why, as a sentence."""

    split: str
    feature: str
    reason: str


def label_findings(counts: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Returns what looks wrong in {split: {label: number of pictures}}.

    A class of the train split that evaluation or test lack, and a class that is more than
    LARGEST_RATIO times smaller than the largest. A split without any picture lacks none: it is one
    that nobody asked for.
    """
    train = counts.get("train", {})
    found = []
    for split, held in counts.items():
        missing = sorted(set(train) - set(held))
        if held and missing:
            more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            named = ", ".join(missing[:_SHOWN])
            found.append(Finding(split, "label", f"no picture of {named}{more}"))
    if train:
        largest = max(train, key=lambda label: train[label])
        for label, count in sorted(train.items()):
            if count * LARGEST_RATIO < train[largest]:
                found.append(
                    Finding(
                        "train",
                        "label",
                        f"{label} has {count} pictures, {largest} has {train[largest]}: "
                        f"more than {LARGEST_RATIO} times as many",
                    )
                )
    return found
