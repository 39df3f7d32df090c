"""The data path against stock TFX and against tf.data, on the same photographs in one run.

Ours reads the photographs from class folders, stock TFX the same in TFRecords, which it needs. Node
times are those of the metadata store. Both sides run by TFX's LocalDagRunner with Beam's in-process
runner, the fastest that stock TFX has on one machine. Each runs WARM_UP photos first, twice: what
the second time takes is start-up, told apart and taken off. Stock Transform is so slow that it
gets fewer photos.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.nodes import run_nodes
from benchmarks.photos import make_photos
from benchmarks.results import Result

PHOTOS = 20_000
WARM_UP = 200
FOR_STOCK_TRANSFORM = 1_000
SIDE = 299
CORES = os.cpu_count() or 1
GOALS = (
    (
        "ImageExampleGen against ImportExampleGen",
        "ours ImageExampleGen",
        "stock ImportExampleGen",
        1.5,
    ),
    ("ImageExampleGen against decoding", "ours ImageExampleGen", "decode", 0.5),
    ("ImageTransform against stock", "ours ImageTransform", "stock Transform", 25),
    ("ImageTransform against the limit", "ours ImageTransform", "decode_resize_encode", 0.6),
    ("StatisticsGen on facts against pictures", "ours StatisticsGen", "stock StatisticsGen", 10),
)
"""What is compared with what, and the least ratio."""


def measure(folder: Path) -> Iterator[Result]:
    """Images a second of each side; and the bytes that ImageTransform wrote."""
    photos = {
        n: make_photos(folder / f"photos_{n}", n) for n in (WARM_UP, FOR_STOCK_TRANSFORM, PHOTOS)
    }
    rates: dict[str, float] = {}
    started: dict[str, float] = {}
    for side in (ours, stock):
        name, root = side.__name__, folder / side.__name__
        run_nodes(side(photos[WARM_UP], folder), root)
        warm = run_nodes(side(photos[WARM_UP], folder), root)
        whole = run_nodes(side(photos[PHOTOS], folder, side is ours), root)
        for node in whole.keys() - {"SchemaGen"}:  # whose work does not grow with the photos
            rates[f"{name} {node}"] = (PHOTOS - WARM_UP) / (whole[node] - warm[node])
        started |= {f"{name} {node}": seconds for node, seconds in warm.items()}
        if side is ours:
            yield _stored(root)
    slow = run_nodes(stock(photos[FOR_STOCK_TRANSFORM], folder), folder / "stock")["Transform"]
    rates["stock Transform"] = (FOR_STOCK_TRANSFORM - WARM_UP) / (slow - warm["Transform"])
    for limit in (decode, decode_resize_encode):
        limit(folder / f"records_{WARM_UP}")
        rates[limit.__name__] = PHOTOS / limit(folder / f"records_{PHOTOS}")
    for what, mine, theirs, goal in GOALS:
        note = ", ".join(
            f"{side} {started[side]:.1f} s for {WARM_UP} photos"
            for side in (mine, theirs)
            if side in started
        )
        yield Result(
            f"data_path/{what}", rates[mine], rates[theirs], "images/s", goal, "higher", note
        )


def _stored(root: Path) -> Result:
    """The train split's bytes as ImageTransform stored them against those it was given."""
    given, stored = (
        sum(file.stat().st_size for file in root.glob(f"artifacts/{place}/*/Split-train/*.gz"))
        / 2**20
        for place in ("ImageExampleGen/examples", "ImageTransform/transformed_examples")
    )
    return Result("data_path/ImageTransform bytes", stored, given, "MiB", 1.0, "lower")


def ours(photos: Path, folder: Path, transform: bool = True) -> list[Any]:
    """ImageExampleGen, StatisticsGen on its facts, ImageTransform."""
    import json

    import tensorflow_data_validation as tfdv

    from components.image_example_gen.component import ImageExampleGen
    from components.image_transform.component import ImageTransform
    from components.statistics_gen.component import StatisticsGen

    # Of all splits the statistics are made; ImageTransform works on the train split: so all of it.
    split = json.dumps({"train": 0.98, "eval": 0.01, "test": 0.01})
    images = ImageExampleGen(source=str(photos), split=split)
    statistics = StatisticsGen(
        examples=images.outputs["facts"], stats_options=tfdv.StatsOptions(num_top_values=1000)
    )
    transformed = ImageTransform(
        examples=images.outputs["examples"],
        frame=json.dumps({"image_size": [SIDE, SIDE], "crop_fraction": 1.0, "resize": "crop"}),
        augment='"natural_light"',
        stored_side=SIDE,
        seed=0,
    )
    return [images, statistics, transformed]


def stock(photos: Path, folder: Path, transform: bool = True) -> list[Any]:
    """ImportExampleGen, StatisticsGen on its pictures, SchemaGen, Transform."""
    from tfx import v1 as tfx
    from tfx.proto import example_gen_pb2

    pattern = example_gen_pb2.Input.Split(name="train", pattern="*.gz")
    examples = tfx.components.ImportExampleGen(
        input_base=str(records_of(photos, folder)),
        input_config=example_gen_pb2.Input(splits=[pattern]),
        output_config=example_gen_pb2.Output(),
    )
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    nodes = [examples, statistics, schema]
    if transform:
        nodes.append(
            tfx.components.Transform(
                examples=examples.outputs["examples"],
                schema=schema.outputs["schema"],
                preprocessing_fn="benchmarks.data_path.preprocessing_fn",
            )
        )
    return nodes


def preprocessing_fn(inputs: dict[str, Any]) -> dict[str, Any]:
    """What TFX's users write for pictures: decoded, resized, float32."""
    import tensorflow as tf

    def one(image: Any) -> Any:
        decoded = tf.io.decode_jpeg(image, channels=3)
        return tf.image.resize(tf.image.convert_image_dtype(decoded, tf.float32), [SIDE, SIDE])

    images = tf.reshape(inputs["image"], [-1])
    return {
        "image": tf.map_fn(one, images, fn_output_signature=tf.float32),
        "label": inputs["label"],
    }


def records_of(photos: Path, folder: Path) -> Path:
    """The photos as TFRecords (gzip), eight files; made where they are missing."""
    import tensorflow as tf

    target = folder / f"records_{photos.name.rpartition('_')[2]}"
    if (target / ".whole").exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    paths = sorted(photos.glob("*/*.jpg"), key=lambda path: path.name)
    options = tf.io.TFRecordOptions(compression_type="GZIP", compression_level=1)
    for shard in range(8):
        name = target / f"data_tfrecord-{shard:05}-of-00008.gz"
        with tf.io.TFRecordWriter(str(name), options) as writer:
            for path in paths[shard::8]:
                values = {"image": path.read_bytes(), "label": path.parent.name.encode()}
                feature = {
                    key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                    for key, value in values.items()
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString())
    (target / ".whole").touch()
    return target


def decode(records: Path) -> float:
    """Seconds that tf.data takes to decode every photo."""
    return _through(records, lambda image: image)


def decode_resize_encode(records: Path) -> float:
    """Seconds that tf.data takes to decode, resize to SIDE and encode as JPEG."""
    import tensorflow as tf

    def change(image: Any) -> Any:
        resized = tf.image.resize(image, [SIDE, SIDE])
        return tf.io.encode_jpeg(tf.cast(resized, tf.uint8), quality=95)

    return _through(records, change)


def _through(records: Path, change: Any) -> float:
    import tensorflow as tf

    features = {"image": tf.io.FixedLenFeature([], tf.string)}

    def one(record: Any) -> Any:
        image = tf.io.parse_single_example(record, features)["image"]
        # A sum of all would cost; the size of a string alone would not need its bytes.
        changed = change(tf.io.decode_jpeg(image, channels=3))
        return tf.strings.length(changed) if changed.dtype == tf.string else tf.size(changed)

    files = sorted(str(path) for path in records.glob("*.gz"))
    data = tf.data.TFRecordDataset(files, "GZIP").map(one, num_parallel_calls=CORES)
    began = ended = time.monotonic()
    for _ in data:
        ended = time.monotonic()  # not after the loop, where tf.data's autotuner is waited for
    return ended - began
