"""Records of our own files, as tf.data reads them."""

from collections.abc import Sequence

import tensorflow as tf

_BUFFER_BYTES = 1 << 20


def read_records(files: Sequence[str]) -> tf.data.Dataset:
    """The serialized Examples of TFRecord files (gzip), one file after the other.

    Args:
      files: in the order to read; may be empty.

    Returns:
      Scalar strings.
    """
    return untuned(tf.data.TFRecordDataset(list(files), "GZIP", _BUFFER_BYTES))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Without tf.data's search for the best parallelism: it finds no better than the cores, and
    whoever has read to the end waits for its thread to stop, which takes as long again as it last
    slept, up to a minute.

    What is made of the dataset afterwards inherits that.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
