"""From a file of raw Examples to a file of transformed ones: bounded pictures, label, id, path."""

import collections
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from components.errors import DataError
from components.image_transform.bounding import get_bound
from components.image_transform.decoding import decode

_STRING = tf.io.FixedLenFeature([], tf.string)
_KEPT = {"image": _STRING, "label": _STRING, "id": _STRING, "path": _STRING}

_REPORT_EVERY = 32


class Stored(NamedTuple):
    """What was stored in one file."""

    labels: dict[str, int]
    """Pictures by label."""
    first: dict[str, str]
    """The smallest id of each label: a choice that does not depend on the order of the files."""


def store(
    source: str, target: str, stored_side: int, progress: Callable[[int], None] = lambda done: None
) -> Stored:
    """Bounds the pictures of one file into another, in the same order, on all cores.

    Args:
      source: TFRecords (gzip) of raw Examples.
      target: where to; its folder must exist. It is there only when it is whole.
      stored_side: see `get_bound`.
      progress: told how many more pictures are done, now and then.

    Raises:
      DataError: a picture cannot be decoded; names it.
    """
    labels: collections.Counter[str] = collections.Counter()
    first: dict[str, str] = {}
    partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.partial")
    # Pictures are compressed already; gzip is what readers expect, so stored blocks it is.
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
    try:
        with tf.io.TFRecordWriter(partial, options) as writer:
            for done, one in enumerate(_bounded(source, stored_side), 1):
                writer.write(_example(one))
                label, id = one["label"].decode(), one["id"].decode()
                labels[label] += 1
                first[label] = min(id, first.get(label, id))
                if done % _REPORT_EVERY == 0:
                    progress(_REPORT_EVERY)
    except tf.errors.InvalidArgumentError as error:
        raise _naming_the_picture(source, error) from None
    progress(sum(labels.values()) % _REPORT_EVERY)
    tf.io.gfile.rename(partial, target, overwrite=True)
    return Stored(dict(labels), first)


def count_labels(source: str) -> dict[str, int]:
    """Pictures by label in a file of raw Examples."""
    records = tf.data.TFRecordDataset(source, "GZIP").batch(64)
    parsed = records.map(lambda batch: tf.io.parse_example(batch, {"label": _STRING})["label"])
    labels = (label for batch in parsed.as_numpy_iterator() for label in batch)
    return dict(collections.Counter(label.decode() for label in labels))


def read_stored(source: str, ids: set[str]) -> Iterator[dict[str, bytes]]:
    """The stored Examples with these ids, as {feature: bytes}."""
    for one in _parsed(source).as_numpy_iterator():
        if one["id"].decode() in ids:
            yield one


def _bounded(source: str, stored_side: int) -> Iterator[dict[str, bytes]]:
    bound = _bound(stored_side)
    # In order, so that the same input gives the same bytes.
    dataset = _parsed(source).map(
        lambda one: {**one, "image": bound(one["image"])},
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return dataset.prefetch(_REPORT_EVERY).as_numpy_iterator()


@functools.cache
def _bound(stored_side: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Traced once a process, not once a file."""
    return tf.function(
        get_bound(stored_side), input_signature=[tf.TensorSpec([], tf.string)]
    ).get_concrete_function()


def _parsed(source: str) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset(source, "GZIP", buffer_size=1 << 20)
    return records.map(lambda record: tf.io.parse_single_example(record, _KEPT))


def _example(values: dict[str, Any]) -> bytes:
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    return message.SerializeToString(deterministic=True)


def _naming_the_picture(source: str, error: Exception) -> Exception:
    for one in _parsed(source).as_numpy_iterator():
        try:
            decode(tf.constant(one["image"]))
        except tf.errors.InvalidArgumentError:
            return DataError(
                f"{one['path'].decode(errors='replace')}: cannot be decoded, though it was taken "
                "in; remove the picture or save it anew"
            )
    return error
