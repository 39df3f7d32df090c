import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from image_transform_pictures import encode, exif, pixels, with_segment
from PIL import Image
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import Preprocessing
from components.errors import ConfigError, DataError
from components.image_transform.component import ImageTransform
from components.image_transform.decoding import decode
from components.image_transform.executor import Executor
from components.progress import read_progress

SETUP = Path(__file__).parents[3] / "setup.py"  # without it TFX packs itself, which takes seconds
SETTINGS = {
    "frame": '{"image_size": [48, 48], "crop_fraction": 0.875, "resize": "crop"}',
    "augment": '"natural"',
    "stored_side": 55,
    "seed": 3,
    "own_code": "",
    "code_version": "1",
}


def example(**features):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for key, value in features.items()
            }
        )
    ).SerializeToString()


def picture(number, label, data=None):
    data = data or encode(pixels(80, 120, number), "JPEG", quality=95)
    id = f"{number * 7919 % 65536:016x}".encode()
    return {"image": data, "label": label.encode(), "id": id, "path": f"a/{number}.jpg".encode()}


def write_examples(folder, splits, shards=2):
    """An Examples artifact with `shards` files in each split."""
    artifact = standard_artifacts.Examples()
    artifact.uri = str(folder)
    artifact.split_names = artifact_utils.encode_split_names(list(splits))
    for split, examples in splits.items():
        os.makedirs(folder / f"Split-{split}")
        for shard in range(shards):
            path = folder / f"Split-{split}" / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for one in examples[shard::shards]:
                    writer.write(example(**one, group=b"g"))
    return artifact


def splits(labels=("ripe", "unripe", "spoilt")):
    of = lambda start, count: [picture(start + i, labels[i % len(labels)]) for i in range(count)]
    return {"train": of(0, 24), "eval": of(100, 6), "test": of(200, 6)}


def run(root, examples, **settings):
    outputs = {
        "transformed_examples": standard_artifacts.Examples(),
        "preprocessing": Preprocessing(),
    }
    for key, artifact in outputs.items():
        artifact.uri = str(root / key)
    context = Executor.Context(
        beam_pipeline_args=["--runner=FnApiRunner", f"--setup_file={SETUP}"],
        tmp_dir=str(root / "tmp"),
        unique_id="1",
    )
    executor = Executor(context)
    executor.Do(
        {"examples": list(examples)},
        {key: [artifact] for key, artifact in outputs.items()},
        {**SETTINGS, **settings},
    )
    return outputs


def stored(outputs):
    folder = os.path.join(outputs["transformed_examples"].uri, "Split-train")
    files = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    found = []
    for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        found.append({key: value.bytes_list.value[0] for key, value in features.items()})
    return found


def load(outputs, name):
    with open(os.path.join(outputs["preprocessing"].uri, name), encoding="utf-8") as file:
        return json.load(file)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    given = splits()
    given["train"][3] = picture(3, "ripe", with_segment(given["train"][3]["image"], exif(6)))
    given["train"][4] = picture(4, "unripe", encode(pixels(50, 300), "PNG"))
    return given, run(root, [write_examples(root / "examples", given)]), root


def test_every_training_picture_is_stored_bounded_and_nothing_of_the_other_splits(done):
    given, outputs, root = done
    found = stored(outputs)
    assert sorted(one["id"] for one in found) == sorted(one["id"] for one in given["train"])
    by_id = {one["id"]: one for one in given["train"]}
    for one in found:
        assert set(one) == {"image", "label", "id", "path"}
        assert one["label"] == by_id[one["id"]]["label"] and one["path"] == by_id[one["id"]]["path"]
        assert min(decode(tf.constant(one["image"])).shape[:2]) in (55, 50)
    assert os.listdir(outputs["transformed_examples"].uri) == ["Split-train"]
    assert len(os.listdir(os.path.join(outputs["transformed_examples"].uri, "Split-train"))) == 2


def test_a_turned_picture_is_stored_upright_and_a_small_one_untouched(done):
    given, outputs, _ = done
    found = {one["path"]: one["image"] for one in stored(outputs)}
    assert decode(tf.constant(found[b"a/3.jpg"])).shape[0] == 82
    assert found[b"a/4.jpg"] == given["train"][4]["image"]


def test_vocabulary_and_settings_are_written(done):
    _, outputs, _ = done
    assert load(outputs, "labels.json") == ["ripe", "spoilt", "unripe"]
    assert load(outputs, "preprocessing.json") == {
        "image_size": [48, 48],
        "crop_fraction": 0.875,
        "resize": "crop",
        "augment": "natural",
        "seed": 3,
        "stored_side": 55,
    }


def test_properties_say_how_many_and_which_splits(done):
    artifact = done[1]["transformed_examples"]
    assert artifact.get_int_custom_property("images") == 24
    assert artifact_utils.decode_split_names(artifact.split_names) == ["train"]
    assert artifact.get_string_custom_property("file_format") == "tfrecords_gzip"


def test_the_exported_graph_draws_views_of_what_is_stored(done):
    _, outputs, _ = done
    graph = tf.saved_model.load(os.path.join(outputs["preprocessing"].uri, "augmentation"))
    one = stored(outputs)[0]
    views = [
        graph.augment(
            decode(tf.constant(one["image"])), one["id"], tf.constant(v, tf.int64)
        ).numpy()
        for v in (0, 0, 1)
    ]
    assert views[0].shape == (48, 48, 3) and views[0].dtype == np.uint8
    np.testing.assert_array_equal(views[0], views[1])
    assert (views[0] != views[2]).any()


def test_the_contact_sheet_shows_each_label_and_says_what_it_shows(done):
    given, outputs, _ = done
    rows = load(outputs, "contact_sheet.json")
    assert [row["label"] for row in rows] == ["ripe", "spoilt", "unripe"]
    by_path = {one["path"].decode(): one for one in given["train"]}
    for row in rows:
        assert by_path[row["path"]]["label"].decode() == row["label"]
        assert by_path[row["path"]]["id"].decode() == row["id"]
        same_label = [
            one["id"].decode() for one in given["train"] if one["label"] == row["label"].encode()
        ]
        assert row["id"] == min(same_label)
        assert row["views"] == [0, 1, 2, 3, 4]
        assert len(row["drawn"]) == 5 and all(row["drawn"])
    with Image.open(os.path.join(outputs["preprocessing"].uri, "contact_sheet.png")) as sheet:
        assert sheet.width > 6 * 150 and sheet.height > 3 * 150


def test_progress_counts_to_the_end(done):
    root = done[2]
    progress = read_progress(str(root / "tmp" / "**"))
    assert progress["unit"] == "images" and progress["done"] > 0


def test_the_same_input_gives_the_same_bytes_and_leftovers_do_not_stay(tmp_path):
    examples = write_examples(tmp_path / "examples", splits())
    first = run(tmp_path / "first", [examples])
    leftover = (
        tmp_path
        / "second"
        / "transformed_examples"
        / "Split-train"
        / "data_tfrecord-00007-of-00009.gz"
    )
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"of a killed run")
    second = run(tmp_path / "second", [examples])
    assert stored(first) == stored(second)
    for name in ("labels.json", "preprocessing.json", "contact_sheet.json", "contact_sheet.png"):
        pair = [
            open(os.path.join(o["preprocessing"].uri, name), "rb").read() for o in (first, second)
        ]
        assert pair[0] == pair[1], name


def test_more_labels_than_rows_are_spread_over_the_vocabulary(tmp_path):
    labels = [f"label {n:02d}" for n in range(20)]
    given = {"train": [picture(n, labels[n]) for n in range(20)], "eval": [], "test": []}
    outputs = run(tmp_path, [write_examples(tmp_path / "examples", given)], augment='"none"')
    rows = load(outputs, "contact_sheet.json")
    assert [row["label"] for row in rows] == [labels[n] for n in (0, 3, 6, 10, 13, 16)]
    assert all(row["views"] == [0] for row in rows)


def test_several_artifacts_are_read_as_one(tmp_path):
    one, two = splits(), splits()
    two["train"] = [picture(500, "green"), picture(501, "ripe")]
    artifacts = [
        write_examples(tmp_path / "1", one),
        write_examples(tmp_path / "2", two),
    ]
    outputs = run(tmp_path, artifacts, augment='[{"op": "hue"}]')
    assert len(stored(outputs)) == 26
    assert load(outputs, "labels.json") == ["green", "ripe", "spoilt", "unripe"]
    assert load(outputs, "preprocessing.json")["augment"] == [{"op": "hue"}]


def test_a_label_that_train_lacks_is_an_error(tmp_path):
    given = splits()
    given["test"].append(picture(900, "unseen"))
    with pytest.raises(DataError, match="'unseen' occurs 1 times in the split 'test'"):
        run(tmp_path, [write_examples(tmp_path / "examples", given)])


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    given = splits()
    given["train"][5] = picture(5, "ripe", b"\xff\xd8\xff\xe0 not a picture")
    with pytest.raises(DataError, match="^a/5.jpg: cannot be decoded"):
        run(tmp_path, [write_examples(tmp_path / "examples", given)])


def test_an_unsound_policy_is_refused_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'natural'"):
        run(tmp_path, [write_examples(tmp_path / "examples", splits())], augment='"natura"')
    assert not (tmp_path / "transformed_examples").exists()


def test_the_component_compiles(tmp_path):
    examples = tfx.dsl.Importer(source_uri="x", artifact_type=standard_artifacts.Examples).with_id(
        "e"
    )
    arguments = {key: value for key, value in SETTINGS.items() if key != "code_version"}
    node = ImageTransform(examples=examples.outputs["result"], **arguments)
    assert node.id == "ImageTransform"
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="p", pipeline_root=str(tmp_path), components=[examples, node]
    )
    assert len(compiler.Compiler().compile(pipeline).nodes) == 2
