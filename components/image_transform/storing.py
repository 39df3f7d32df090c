"""From a file of raw Examples to a file of transformed ones: bounded pictures, label, id, path."""

import collections
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import tensorflow as tf

from components.ahead import CORES, ahead
from components.errors import DataError
from components.image_transform.bounding import get_bound
from components.image_transform.decoding import decode
from components.records import read_records

_KEPT = ("image", "label", "id", "path")

# Pictures in a batch, batches and pictures of each at the same time: enough to keep all cores busy,
# few enough for the memory, as a decoded picture may have 90 million pixels.
_BATCH, _BATCH_BYTES = 64, 32 << 20
_AT_ONCE = 2


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
    with tf.io.TFRecordWriter(partial, options) as writer:
        bound = functools.partial(_bound_all, stored_side=stored_side)
        for batch, images in ahead(bound, _batches(_read(source)), CORES):
            for one, image in zip(batch, images, strict=True):
                writer.write(_example({**one, "image": image}))
                label, id = one["label"].decode(), one["id"].decode()
                labels[label] += 1
                first[label] = min(id, first.get(label, id))
            progress(len(batch))
    tf.io.gfile.rename(partial, target, overwrite=True)
    return Stored(dict(labels), first)


def count_labels(source: str) -> dict[str, int]:
    """Pictures by label in a file of raw Examples."""
    return dict(collections.Counter(one["label"].decode() for one in _read(source)))


def read_stored(source: str, ids: Iterable[str]) -> dict[str, dict[str, bytes]]:
    """The stored Examples with these ids, each as {feature: bytes}, by id."""
    found: dict[str, dict[str, bytes]] = {}
    missing = {id.encode() for id in ids}
    for one in _read(source):
        if one["id"] in missing:
            found[one["id"].decode()] = one
            missing.remove(one["id"])
        if not missing:
            break
    return found


def _bound_all(batch: list[dict[str, bytes]], stored_side: int) -> list[bytes]:
    graph = _bound_graph(stored_side)
    try:
        return graph(tf.constant([one["image"] for one in batch])).numpy().tolist()
    except tf.errors.InvalidArgumentError:
        for one in batch:
            try:
                decode(tf.constant(one["image"]))
            except tf.errors.InvalidArgumentError:
                raise DataError(
                    f"{one['path'].decode(errors='replace')}: cannot be decoded, though it was "
                    "taken in; remove the picture or save it anew"
                ) from None
        raise


@functools.cache
def _bound_graph(stored_side: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Bounds a batch, [N] string -> [N] string, on all cores; traced once a process."""
    bound = get_bound(stored_side)
    return tf.function(
        lambda images: tf.map_fn(bound, images, parallel_iterations=_AT_ONCE),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )


def _batches(examples: Iterable[dict[str, bytes]]) -> Iterator[list[dict[str, bytes]]]:
    batch: list[dict[str, bytes]] = []
    size = 0
    for one in examples:
        if batch and (len(batch) == _BATCH or size + len(one["image"]) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one["image"])
    if batch:
        yield batch


def _read(source: str) -> Iterator[dict[str, bytes]]:
    for record in read_records([source]).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        yield {name: feature[name].bytes_list.value[0] for name in _KEPT}


def _example(values: dict[str, bytes]) -> bytes:
    feature = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in values.items()
    }
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    return message.SerializeToString(deterministic=True)
