"""The records that training reads: which files, what is in them, and what their labels mean."""

import math
import mmap
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.errors import DataError
from components.files import read_json, split_files
from components.image_transform.policies import changes_pictures
from components.image_transform.preprocessing import Frame, get_preprocess
from components.records import read_records

_STRING = tf.io.FixedLenFeature([], tf.string)
PICTURE = {"image": _STRING, "label": _STRING, "id": _STRING}
"""A picture's Example, raw or transformed, as tf.io.parse_example takes it."""
FEATURE = {
    "feature": tf.io.FixedLenSequenceFeature([], tf.float32, allow_missing=True),
    "label": _STRING,
    "id": _STRING,
    "view": tf.io.FixedLenFeature([], tf.int64),
}
"""A feature vector's Example, as FeatureExtractor writes it."""


class Preprocessing(NamedTuple):
    """What ImageTransform decided about pictures and labels."""

    labels: list[str]
    """Sorted; a class's number is its place here."""
    frame: Frame
    """How evaluation and serving bring a picture to the image size."""
    augment: Any
    """The policy, as configured: a name or a list of ops."""
    folder: str
    """Where this was read from; the augmentation graph lies in it."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of the backbone's input in pixels."""
        return self.frame.image_size

    @property
    def augmented(self) -> bool:
        """Whether a picture looks different in every epoch."""
        return changes_pictures(self.augment)

    def serving(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Encoded bytes -> float32 [h, w, 3] in [0, 1], as served."""
        return get_preprocess(self.frame)


def load_preprocessing(folder: str) -> Preprocessing:
    """Reads what ImageTransform wrote beside its augmentation graph."""
    labels = read_json(os.path.join(folder, "labels.json"))
    facts = read_json(os.path.join(folder, "preprocessing.json"))
    height, width = facts["image_size"]
    frame = Frame((height, width), facts["crop_fraction"], facts["resize"])
    return Preprocessing(labels, frame, facts["augment"], folder)


def record_files(folder: str, split: str) -> tuple[str, ...]:
    """The TFRecord files of one split of an artifact's folder, sorted; hidden files left out."""
    return tuple(split_files(os.path.join(folder, f"Split-{split}")))


def parsed_records(files: Sequence[str], features: dict[str, Any]) -> tf.data.Dataset:
    """Parsed Examples of TFRecord (gzip) files, one file after the other.

    Args:
      files: in the order to read; may be empty.
      features: PICTURE, FEATURE or a part of one.

    Returns:
      Dictionaries of tensors with up to 256 Examples each, keyed as `features`.
    """
    return (
        read_records(files).batch(256).map(lambda x: tf.io.parse_example(x, features)).prefetch(2)
    )


def load_records(files: Sequence[str], features: dict[str, Any]) -> dict[str, np.ndarray] | None:
    """All Examples of the files in memory, ordered by id: how they lay in files does not matter.

    Returns:
      Arrays keyed as `features`, or None where there is no Example.
    """
    ids = [part["id"] for part in parsed_records(files, {"id": _STRING}).as_numpy_iterator()]
    if not ids:
        return None
    # Read again and filled in place, so that memory never holds the values twice.
    order = np.argsort(np.concatenate(ids), kind="stable")
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    whole: dict[str, np.ndarray] = {}
    start = 0
    for part in parsed_records(files, features).as_numpy_iterator():
        rows = places[start : start + len(part["id"])]
        for key, values in part.items():
            if key not in whole:
                whole[key] = room((len(places), *values.shape[1:]), values.dtype)
            whole[key][rows] = values
        start += len(rows)
    return whole


def room(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """An array to be filled; of numbers, one that `take_over` can have."""
    if dtype.hasobject:
        return np.empty(shape, dtype)
    count = math.prod(shape)
    # It begins at a page of memory, and TensorFlow wants multiples of 64 bytes.
    return np.frombuffer(mmap.mmap(-1, count * dtype.itemsize), dtype, count).reshape(shape)


def take_over(array: np.ndarray) -> tf.Tensor:
    """A tensor in the memory of an array from `room`, which nobody may change any more.
    (tf.constant would hold three copies for a moment, and two from then on.)"""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def files_by_view(files: Sequence[str]) -> list[list[str]]:
    """FeatureExtractor's files of one split, those of each view; files without Examples left out.

    Each file holds one view, and the views count from 0 without a gap.
    """
    views: dict[int, list[str]] = {}
    for file in files:
        for first in parsed_records([file], {"view": FEATURE["view"]}).take(1):
            views.setdefault(int(first["view"][0]), []).append(file)
    return [views[view] for view in sorted(views)]


class Vocabulary:
    """Labels to class numbers."""

    def __init__(self, labels: Sequence[str]):
        """`labels`: sorted; a class's number is its place."""
        self._labels = list(labels)
        numbers = tf.range(len(self._labels), dtype=tf.int32)
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant(self._labels), numbers), -1
        )

    def lookup(self, labels: tf.Tensor) -> tf.Tensor:
        """In a graph: strings -> int32, -1 for what is unknown."""
        return self._table.lookup(labels)

    def numbers(self, labels: np.ndarray) -> np.ndarray:
        """Bytes [N] -> class numbers int32 [N].

        Raises:
          DataError: a label that is unknown.
        """
        numbers = self._table.lookup(tf.constant(labels)).numpy()
        if (numbers < 0).any():
            unknown = sorted({x.decode(errors="replace") for x in labels[numbers < 0]})
            known = ", ".join(self._labels[:20]) + (", ..." if len(self._labels) > 20 else "")
            raise DataError(
                f"label {unknown[0]!r} is not among the {len(self._labels)} labels of the train "
                f"split ({known}); move some of its pictures into the train split, or leave it out"
            )
        return numbers

    def counts(self, files: Sequence[str]) -> np.ndarray:
        """How many Examples of each class the files hold, int [classes]; labels as in `numbers`."""
        counts = np.zeros([len(self._labels)], np.int64)
        labels = {"label": PICTURE["label"]}
        for part in parsed_records(files, labels).as_numpy_iterator():
            counts += np.bincount(self.numbers(part["label"]), minlength=len(counts))
        return counts

    def count(self, files: Sequence[str]) -> int:
        """How many Examples the files hold, each label checked as in `numbers`."""
        return int(self.counts(files).sum())
