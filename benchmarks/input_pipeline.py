"""The Trainer's input pipeline against bare tf.data with the same ops: `natural` at 224.

Both read the pictures that ImageTransform stored, keep their bytes in memory, and shuffle, decode,
distort, batch and prefetch. The peer is what one writes by hand, after slim: stateful random ops,
float32 throughout, tf.data's own choice of parallelism. It need not draw a picture again from its
id and epoch; ours does. The two take turns, and the medians are compared.
"""

import json
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.nodes import run_nodes
from benchmarks.photos import make_photos
from benchmarks.results import Result

PHOTOS = 4_000
SIDE = 224
BATCH = 32
ROUNDS = 5
POLICY = "natural"


def measure(folder: Path) -> Iterator[Result]:
    """Images a second of whole epochs; the first, which traces the graphs, is left out."""
    from components.trainer.input_pipeline import Pictures
    from components.trainer.records import load_preprocessing, record_files

    root = folder / "input_pipeline"
    run_nodes(_nodes(make_photos(folder / f"photos_{PHOTOS}", PHOTOS)), root)
    (stored,) = root.glob("artifacts/ImageTransform/transformed_examples/*")
    (preprocessing,) = root.glob("artifacts/ImageTransform/preprocessing/*")
    files = record_files(str(stored), "train")
    pictures = Pictures(files, load_preprocessing(str(preprocessing)), seed=0)
    peer = by_hand(files)
    rates: dict[str, list[float]] = {"ours": [], "theirs": []}
    for epoch in range(ROUNDS + 1):
        rates["ours"].append(_rate(pictures.batches(BATCH, epoch, 1)))
        rates["theirs"].append(_rate(peer))
    ours, theirs = (statistics.median(of[1:]) for of in rates.values())
    yield Result("input_pipeline", ours, theirs, "images/s", 0.9, "higher")


def _nodes(photos: Path) -> list[Any]:
    from components.image_example_gen.component import ImageExampleGen
    from components.image_transform.component import ImageTransform
    from components.image_transform.policies import default_stored_side

    split = json.dumps({"train": 0.98, "eval": 0.01, "test": 0.01})
    images = ImageExampleGen(source=str(photos), split=split)
    transformed = ImageTransform(
        examples=images.outputs["examples"],
        frame=json.dumps({"image_size": [SIDE, SIDE], "crop_fraction": 0.875, "resize": "crop"}),
        augment=json.dumps(POLICY),
        stored_side=default_stored_side((SIDE, SIDE), POLICY),
        seed=0,
    )
    return [images, transformed]


def by_hand(files: Iterable[str]) -> Any:
    """One epoch: batches of (images float32 [N, 224, 224, 3], labels string [N])."""
    import tensorflow as tf

    features = {name: tf.io.FixedLenFeature([], tf.string) for name in ("image", "label")}

    def distort(example: dict[str, Any]) -> Any:
        image = tf.io.decode_jpeg(example["image"], channels=3)
        image = tf.image.convert_image_dtype(image, tf.float32)
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(image),
            bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
            min_object_covered=0.1,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.1, 1.0),
            max_attempts=100,
        )
        image = tf.image.resize(tf.slice(image, begin, size), [SIDE, SIDE])
        image = tf.image.random_flip_left_right(image)
        image = tf.image.random_brightness(image, 32 / 255)
        image = tf.image.random_saturation(image, 0.5, 1.5)
        image = tf.image.random_hue(image, 0.2)
        image = tf.image.random_contrast(image, 0.5, 1.5)
        return tf.clip_by_value(image, 0.0, 1.0), example["label"]

    records = tf.data.TFRecordDataset(list(files), "GZIP")
    examples = records.map(lambda record: tf.io.parse_single_example(record, features)).cache()
    return (
        examples.shuffle(PHOTOS)
        .map(distort, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(BATCH, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def _rate(batches: Iterable[tuple[Any, Any]]) -> float:
    began, count = time.monotonic(), 0
    for images, _ in batches:
        count += int(images.shape[0])
        ended = time.monotonic()  # not after the loop, where tf.data's autotuner is waited for
    return count / (ended - began)
