"""Draws test pictures, damages them, and asks the exported model about them."""

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from components.content import MODEL_FACTS
from components.evaluator import robustness
from components.evaluator.evaluation import Rows, Scores
from components.files import read_json
from components.image_transform.decoding import decode
from components.records import read_records

_BATCH = 32
_SMALLEST_SIDE = 512  # of the pictures that are damaged, where they have as much


def measure(
    files: Sequence[str], model: str, rows: Rows, seed: int, asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Measures a model on some of the test pictures, see `robustness.measure`.

    Args:
      files: gzipped TFRecords of raw Examples.
      model: folder of the SavedModel.
      rows: the same Examples, in their order.
      seed: of the choice of pictures.
      asked: `max_images`, how many pictures at most, and `corruptions`.
    """
    count = min(asked["max_images"], len(rows.ids))
    chosen = sorted(random.Random(seed).sample(range(len(rows.ids)), count))
    pictures = _pictures(files, set(chosen), _side(model))
    labels = [rows.labels[i] for i in chosen]
    loaded = tf.saved_model.load(model)  # kept: a signature does not keep its variables alive
    serve = loaded.signatures["serving_examples"]

    def answer(encoded: Sequence[bytes]) -> tuple[np.ndarray, list[str]]:
        said = serve(examples=tf.constant([_example(image) for image in encoded]))
        classes = [
            name.decode(errors="backslashreplace") for name in said["all_classes"].numpy()[0]
        ]
        return said["probabilities"].numpy(), classes

    classes = answer([robustness.encoded(pictures[0])])[1]
    names = sorted({*labels, *classes})

    def ask(encoded: Sequence[bytes]) -> np.ndarray:
        batches = (encoded[start : start + _BATCH] for start in range(0, len(encoded), _BATCH))
        return Scores(classes, np.concatenate([answer(batch)[0] for batch in batches])).over(names)

    indices = np.array([names.index(label) for label in labels])
    return robustness.measure(pictures, indices, ask, asked["corruptions"])


def _side(model: str) -> int:
    """The shorter side that a model's input can be cut from, and somewhat more."""
    try:
        height, width = read_json(os.path.join(model, MODEL_FACTS))["image_size"]
    except (OSError, KeyError):
        return _SMALLEST_SIDE
    return max(_SMALLEST_SIDE, round(max(height, width) * 8 / 7))


def _pictures(files: Sequence[str], chosen: set[int], side: int) -> list[Image.Image]:
    """The chosen pictures, by their position, as serving decodes them and no larger than needed."""
    found = []
    for i, record in enumerate(read_records(files).as_numpy_iterator()):
        if i in chosen:
            features = tf.train.Example.FromString(record).features.feature
            image = decode(tf.constant(features["image"].bytes_list.value[0]))
            found.append(robustness.reduced(Image.fromarray(image.numpy()), side))
    return found


def _example(image: bytes) -> bytes:
    example = tf.train.Example()
    example.features.feature["image"].bytes_list.value.append(image)
    return example.SerializeToString()
