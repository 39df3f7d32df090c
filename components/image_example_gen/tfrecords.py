"""A folder of TFRecords of Examples: which pictures they hold, and what else they say of them."""

import os
import re
from collections.abc import Iterable, Iterator

from components.errors import DataError
from components.image_example_gen.listing import (
    SPLIT_NAMES,
    Entry,
    FileState,
    Ids,
    Listing,
    display,
    file_state,
    fingerprint,
)
from components.image_example_gen.records import parse_example, read_records

_NAME = re.compile(r"tf_?rec|\.records?($|[-.])", re.IGNORECASE)

_IMAGE = ("image", "image/encoded", "image_raw")
_LABEL = ("label", "image/class/text", "image/class/label")
_PATH = ("path", "image/filename")
"""Names of features: this project's first, then those of TensorFlow's own data set tools."""


def record_files(folder: str) -> list[tuple[str, str | None]]:
    """Returns the TFRecord files in a folder or its Split-* folders: (relative path, split)."""
    files: list[tuple[str, str | None]] = []
    for item in sorted(os.listdir(folder)):
        inner = os.path.join(folder, item)
        if item.startswith("Split-") and os.path.isdir(inner):
            split = SPLIT_NAMES.get(item.removeprefix("Split-").lower())
            files += [
                (os.path.join(item, name), split)
                for name in sorted(os.listdir(inner))
                if _NAME.search(name)
            ]
        elif _NAME.search(item) and os.path.isfile(inner):
            files.append((item, None))
    return [(name, split) for name, split in files if not os.path.basename(name).startswith(".")]


def records_fingerprint(folder: str) -> str:
    """Returns the fingerprint of a folder of TFRecords, without reading them."""
    states = []
    for name, _ in record_files(folder):
        status = os.stat(os.path.join(folder, name))
        states.append(FileState(display(name), file_state(status)))
    return fingerprint(states)


def list_records(folder: str) -> Listing:
    """Lists the Examples of a folder of TFRecords, plain or gzipped.

    Each has `image` (or `image/encoded`), `label` (or `image/class/text`, `image/class/label`;
    text or number), and may have `path` and `split`; other single values are kept as columns.
    Split-<name> folders, as TFX writes them, say the split of what is in them.

    Raises:
      DataError: a file is no TFRecord of Examples, or is cut off; named with the record.
    """
    entries = []
    ids = Ids()
    for name, split in record_files(folder):
        location = os.path.join(folder, name)
        for index, record in enumerate(read_records(location)):
            features = _features(record, location, index)
            label = _take(features, _LABEL)
            image = next((features.pop(key) for key in _IMAGE if key in features), None)
            if not label or not image:
                raise DataError(
                    f"{display(location)}: record {index} has no {'image' if label else 'label'}; "
                    f"name the features {' or '.join(_LABEL if image else _IMAGE)}"
                )
            path = _take(features, _PATH) or f"{name}#{index}"
            own_split = _take(features, ("split",)).lower()
            if own_split and own_split not in SPLIT_NAMES:
                raise DataError(
                    f"{display(location)}: record {index}: there is no split "
                    f"{display(own_split)!r}; write train, eval or test"
                )
            for derived in ("id", "group"):
                features.pop(derived, None)
            columns = {
                key.removeprefix("column/"): _text(values[0])
                for key, values in features.items()
                if len(values) == 1
            }
            entries.append(
                Entry(
                    path=display(path),
                    label=display(label),
                    location=location,
                    record=index,
                    split=SPLIT_NAMES.get(own_split) or split,
                    columns=columns,
                    size=len(image[0]),
                    id=ids(display(path)),
                )
            )
    return Listing(
        source=display(folder),
        entries=tuple(entries),
        rejects=(),
        notes=(),
        columns=tuple(sorted({name for entry in entries for name in entry.columns})),
        classes=tuple(sorted({entry.label for entry in entries})),
        fingerprint=records_fingerprint(folder),
    )


def read_images(location: str, wanted: Iterable[int]) -> Iterator[bytes]:
    """Yields the encoded images of the wanted records, whose indices must grow."""
    index = -1
    records = read_records(location)
    for target in wanted:
        record = b""
        while index < target:
            record = next(records)
            index += 1
        features = _features(record, location, index)
        yield bytes(next(features[key] for key in _IMAGE if key in features)[0])


def _features(record: bytes, location: str, index: int) -> dict[str, list]:
    try:
        return parse_example(record)
    except ValueError:
        raise DataError(
            f"{display(location)}: record {index} is no Example; write the records "
            "with tf.train.Example(...).SerializeToString()"
        ) from None


def _take(features: dict[str, list], names: tuple[str, ...]) -> str:
    """The first of these features that is there, as text; all of them are removed."""
    found = [features.pop(name, None) for name in names]
    return next((_text(values[0]) for values in found if values), "")


def _text(value: bytes | memoryview | float | int) -> str:
    if isinstance(value, (int, float)):
        return str(value)
    return bytes(value).decode("utf-8", "surrogateescape")
