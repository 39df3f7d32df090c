"""Pictures to feature vectors, file to file."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from components.backbone.backbone import Backbone
from components.trainer.input_pipeline import served_batches
from components.trainer.records import Preprocessing

BATCH = 64
"""Pictures that the backbone sees at once."""
FILE = "features-00000-of-00001.gz"


def extract(
    files: Sequence[str],
    preprocessing: Preprocessing,
    backbone: Backbone,
    folder: str,
    report: Callable[[int], None] = lambda count: None,
) -> int:
    """Writes the feature vectors of one split.

    Args:
      files: TFRecords of raw Examples; may be empty.
      preprocessing: image size and crop.
      backbone: runs in inference mode.
      folder: gets one TFRecord file (gzip) of Examples `feature`, `label`, `id`.
      report: told how many more pictures are done.

    Returns:
      How many pictures there were.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, *preprocessing.image_size, 3], tf.float32)])
    def run(images: tf.Tensor) -> tf.Tensor:
        return backbone.endpoints(images, training=False)["default"]

    os.makedirs(folder, exist_ok=True)
    done = 0
    # The lowest level: floats hardly compress, and the usual one may outlast a small backbone.
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    with tf.io.TFRecordWriter(os.path.join(folder, FILE), options) as writer:
        for batch in served_batches(files, preprocessing, BATCH):
            vectors = run(batch["image"]).numpy()
            for vector, label, id in zip(
                vectors, batch["label"].numpy(), batch["id"].numpy(), strict=True
            ):
                writer.write(_example(vector, label, id))
            done += len(vectors)
            report(len(vectors))
    return done


def _example(vector: np.ndarray, label: bytes, id: bytes) -> bytes:
    feature = {
        "feature": tf.train.Feature(float_list=tf.train.FloatList(value=vector)),
        "label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[label])),
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[id])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()
