"""Pictures to feature vectors, file to file."""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.backbone.backbone import load_backbone
from components.trainer.input_pipeline import get_view, picture_batches
from components.trainer.records import Preprocessing

BATCH = 64
"""Pictures that the backbone sees at once."""


class Extractor:
    """The backbone, and the graphs that make its pictures: loaded and traced once a process."""

    def __init__(self, handle: str, preprocessing: Preprocessing):
        """Args:
        handle: of the backbone, which runs in inference mode.
        preprocessing: image size and crop, and the augmentation that draws views.

        Raises:
          BackboneError: the handle leads to no module of images.
        """
        backbone = load_backbone(handle, batch_norm="inference")
        self._run = tf.function(
            lambda images: backbone.endpoints(images, training=False)["default"],
            input_signature=[tf.TensorSpec([None, *preprocessing.image_size, 3], tf.float32)],
            autograph=False,
        )
        self._draw = get_view(preprocessing)
        self._serve = get_view(preprocessing._replace(augment="none"))

    def extract(
        self,
        source: str,
        target: str,
        view: int | None = None,
        report: Callable[[int], None] = lambda count: None,
    ) -> int:
        """Writes the feature vectors of one view of the pictures in one file, in their order.

        Args:
          source: TFRecords (gzip) of Examples, raw or transformed; maybe none.
          target: gets as many Examples `feature`, `label`, `id`, `view`; its folder must exist. It
            is there only when it is whole.
          view: which view is drawn; None for the pictures as they would be served, written as 0.
          report: told how many more pictures are done.

        Returns:
          How many pictures there were.
        """
        get = self._serve if view is None else self._draw
        partial = os.path.join(os.path.dirname(target), f".{os.path.basename(target)}.partial")
        done = 0
        # The lowest level: floats hardly compress, and the usual one may outlast a small backbone.
        options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
        with tf.io.TFRecordWriter(partial, options) as writer:
            for batch in picture_batches([source], get, view or 0, BATCH):
                vectors = self._run(batch["image"]).numpy()
                labels, ids = batch["label"].numpy(), batch["id"].numpy()
                for vector, label, id in zip(vectors, labels, ids, strict=True):
                    writer.write(_example(vector, label, id, view or 0))
                done += len(vectors)
                report(len(vectors))
        tf.io.gfile.rename(partial, target, overwrite=True)
        return done


def _example(vector: np.ndarray, label: bytes, id: bytes, view: int) -> bytes:
    feature = {
        "feature": tf.train.Feature(float_list=tf.train.FloatList(value=vector)),
        "label": tf.train.Feature(bytes_list=tf.train.BytesList(value=[label])),
        "id": tf.train.Feature(bytes_list=tf.train.BytesList(value=[id])),
        "view": tf.train.Feature(int64_list=tf.train.Int64List(value=[view])),
    }
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    return message.SerializeToString(deterministic=True)
