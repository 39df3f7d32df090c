"""Which labels a model will know, decided by the train split alone."""

from collections.abc import Mapping

from components.errors import DataError


def vocabulary(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Makes the vocabulary; a class's number is its place in it.

    Args:
      counts: pictures by split ("train", "eval", "test") and label.

    Returns:
      The train split's labels, sorted by code point.

    Raises:
      DataError: train has fewer than two labels, or another split has one that train lacks.
    """
    train = counts.get("train", {})
    unknown = {
        label: split
        for split in sorted(counts)
        for label in counts[split]
        if split != "train" and label not in train
    }
    if unknown:
        label, split = sorted(unknown.items())[0]
        others = f" (and {len(unknown) - 1} more such labels)" if len(unknown) > 1 else ""
        raise DataError(
            f"label {label!r} occurs {counts[split][label]} times in the split {split!r} and never "
            f"in 'train'{others}; give the label more pictures or groups, give data.split.train a "
            "larger share, or say the split of each picture in a manifest"
        )
    if len(train) < 2:
        held = f"only the label {next(iter(train))!r}" if train else "no pictures"
        raise DataError(
            f"the train split has {held}; a classifier needs pictures of two labels or more: give "
            "more pictures, or give data.split.train a larger share"
        )
    return sorted(train)
