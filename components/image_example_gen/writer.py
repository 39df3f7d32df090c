"""Writes Examples in TFX's layout: a folder a split, gzipped TFRecords in each."""

import os
from collections.abc import Mapping

import tensorflow as tf

from components.image_example_gen.listing import SPLITS

Value = bytes | int


def example(features: Mapping[str, Value]) -> bytes:
    """Returns a serialized tf.train.Example of single values; equal features give equal bytes."""
    message = tf.train.Example()
    feature = message.features.feature
    for name, value in features.items():
        held = feature[name].bytes_list if isinstance(value, bytes) else feature[name].int64_list
        held.value.append(value)
    return message.SerializeToString(deterministic=True)


class SplitWriter:
    """One shard of every split of an Examples artifact; used as a context manager.

    The shards bear hidden names until all are whole. A split without records gets an empty one.
    """

    def __init__(self, uri: str, shard: int, shards: int):
        """Args:
        uri: the artifact's folder.
        shard: which of `shards` shards this is, from 0.
        shards: how many there are.
        """
        name = f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        self._paths = {}
        self._writers = {}
        # Pictures are compressed already: gzip is what readers expect, so stored blocks it is.
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=0)
        for split in SPLITS:
            folder = os.path.join(uri, f"Split-{split}")
            tf.io.gfile.makedirs(folder)
            hidden = os.path.join(folder, f".{name}.partial")
            self._paths[hidden] = os.path.join(folder, name)
            self._writers[split] = tf.io.TFRecordWriter(hidden, options)

    def write(self, split: str, record: bytes) -> None:
        """Appends a record to the shard of a split."""
        self._writers[split].write(record)

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(self, kind, value, traceback) -> None:
        for writer in self._writers.values():
            writer.close()
        for hidden, path in self._paths.items():
            if kind is None:
                tf.io.gfile.rename(hidden, path, overwrite=True)
            else:
                tf.io.gfile.remove(hidden)
