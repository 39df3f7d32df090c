"""Artifacts off the disk: TensorFlow's file system in memory stands for a bucket."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
import yaml
from apache_beam.io.filesystem import CompressedFile, CompressionTypes, FileMetadata, FileSystem
from PIL import Image

from pipeline import lineage
from pipeline.augment import replay
from pipeline.clean import free, plan
from pipeline.config_file import load_config
from pipeline.finish import finish
from pipeline.node import run_node
from pipeline.places import Places
from pipeline.predict import predict, pushed_model
from pipeline.records import read_examples
from pipeline.start import compiled, edges, record
from pipeline.stores import open_store

ROOT = "ram://root"


class RamFileSystem(FileSystem):
    """Beam's way to ram://, as the Google Cloud extra of Beam is its way to gs://."""

    @classmethod
    def scheme(cls):
        return "ram"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def has_dirs(self):
        return True

    def mkdirs(self, path):
        tf.io.gfile.makedirs(path)

    def _list(self, dir_or_prefix):
        folder = dir_or_prefix if tf.io.gfile.isdir(dir_or_prefix) else self.split(dir_or_prefix)[0]
        for place, _, files in tf.io.gfile.walk(folder):
            for name in files:
                path = self.join(place, name)
                if path.startswith(dir_or_prefix):
                    yield FileMetadata(path, tf.io.gfile.stat(path).length)

    def create(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        return self._opened(path, "wb", compression_type)

    def open(self, path, mime_type="", compression_type=CompressionTypes.AUTO):
        return self._opened(path, "rb", compression_type)

    def _opened(self, path, mode, compression_type):
        file = tf.io.gfile.GFile(path, mode)
        if compression_type == CompressionTypes.AUTO:
            compression_type = CompressionTypes.detect_compression_type(path)
        if compression_type == CompressionTypes.UNCOMPRESSED:
            return file
        return CompressedFile(file, compression_type)

    def copy(self, source_file_names, destination_file_names):
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            tf.io.gfile.copy(source, target, overwrite=True)

    def rename(self, source_file_names, destination_file_names):
        for source, target in zip(source_file_names, destination_file_names, strict=True):
            tf.io.gfile.rename(source, target, overwrite=True)

    def exists(self, path):
        return tf.io.gfile.exists(path)

    def size(self, path):
        return tf.io.gfile.stat(path).length

    def last_updated(self, path):
        return tf.io.gfile.stat(path).mtime_nsec / 1e9

    def metadata(self, path):
        return FileMetadata(path, self.size(path), self.last_updated(path))

    def checksum(self, path):
        return str(self.size(path))

    def delete(self, paths):
        for path in paths:
            if tf.io.gfile.isdir(path):
                tf.io.gfile.rmtree(path)
            elif tf.io.gfile.exists(path):
                tf.io.gfile.remove(path)


def write_pictures(folder):
    rng = np.random.default_rng(0)
    for label, level in (("dark", 60), ("light", 190)):
        (folder / label).mkdir(parents=True)
        for i in range(20):
            pixels = rng.normal(level, 30, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{i}.png")


class Task:
    """A small task whose artifacts lie in a bucket, and all else on the disk."""

    def __init__(self, folder):
        write_pictures(folder / "pictures")
        values = {
            "name": "shades",
            "data": {
                "source": str(folder / "pictures"),
                "min_per_class": 2,
                "split": {"train": 0.5, "eval": 0.2, "test": 0.3},
            },
            "transform": {"image_size": [32, 32], "augment": "natural_light", "views": 2},
            "train": {
                "phases": [
                    {"train": "head", "epochs": 2, "learning_rate": 1e-3},
                    {"train": "all", "epochs": 1, "learning_rate": 1e-4},
                ]
            },
            "evaluate": {"thresholds": {"accuracy": {"at_least": 0.0}}},
        }
        (folder / "shades.yaml").write_text(yaml.safe_dump(values))
        self.config = load_config(folder / "shades.yaml")
        self.places = Places(folder / "runs", "shades", bucket=ROOT)
        self.places.home.mkdir(parents=True)
        self.store = open_store(self.places.metadata)

    def run(self, run_id):
        """Runs every node in this process, then what must stand after every run."""
        ir = compiled(self.config, self.places)
        record(self.store, self.config, run_id, ir)
        for node_id in edges(ir):
            run_node(ir, node_id, run_id)
        summary = finish(self.store, run_id, self.places, self.config, 1.0)
        return summary, lineage.read_run(self.store, run_id)


@pytest.fixture(scope="module", autouse=True)
def truncating():
    """In ram:// a copy over a file is appended to it (seen with TensorFlow 2.16); no bucket does
    so."""
    copy = tf.io.gfile.copy

    def copy_anew(source, target, overwrite=False):
        if overwrite and tf.io.gfile.exists(target):
            tf.io.gfile.remove(target)
        copy(source, target, overwrite)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.io.gfile, "copy", copy_anew)
        yield


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    task = Task(tmp_path_factory.mktemp("task"))
    task.first = task.run("run-1")
    return task


pytestmark = pytest.mark.slow


def test_a_run_in_a_bucket_is_blessed_pushed_registered_and_reported(task):
    summary, run = task.first
    assert summary["status"] == "succeeded" and summary["blessed"]
    assert {node.state for node in run.nodes} == {"ran"}
    assert summary["registered"]["version"] == "1"
    assert summary["pushed"] == str(task.places.home / "serving" / "1")
    assert tf.saved_model.contains_saved_model(summary["pushed"])
    page = (task.places.report("run-1") / "index.html").read_text()
    assert "Not shown" not in page and page.count("data:image/") > 2


def test_nothing_of_an_artifact_lies_on_the_disk(task):
    _, run = task.first
    artifacts = [a for node in run.nodes for found in node.outputs.values() for a in found]
    assert artifacts and all(a.uri.startswith(f"{ROOT}/shades/") for a in artifacts)
    assert not (task.places.home / "artifacts").exists()


def test_what_was_deleted_on_the_disk_comes_back_out_of_the_bucket(task):
    shutil.rmtree(task.places.home / "serving")
    summary, run = task.run("run-2")
    assert {node.state for node in run.nodes} == {"cached"} and summary["unchanged"]
    assert tf.saved_model.contains_saved_model(summary["pushed"])
    assert summary["registered"]["version"] == "1"


def test_views_of_a_run_in_a_bucket_are_drawn_again(task):
    _, run = task.first
    folder = run.output("ImageTransform", "transformed_examples").path("Split-train")
    example = next(read_examples(folder, ("id",)))["id"].decode()
    view = replay(run, example, 1)
    assert view.png.startswith(b"\x89PNG") and view.lines


def test_clean_frees_a_run_in_a_bucket(task):
    train = task.config.train.model_copy(update={"batch_size": 4})
    task.config = task.config.model_copy(update={"train": train})
    task.run("run-3")
    first = task.first[1].output("Trainer", "model_run").uri
    old = plan(task.store, task.places, keep=1)
    assert first in {artifact.uri for artifact in old.artifacts} and old.bytes > 0
    free(task.store, task.places, old)
    assert not tf.io.gfile.exists(first)


def test_a_model_pushed_to_a_bucket_comes_back_there_and_is_asked_there(task, tmp_path):
    # A configuration as read takes gs:// alone.
    push = task.config.push.model_copy(update={"destination": "ram://served/shades"})
    task.config = task.config.model_copy(update={"push": push})
    summary, run = task.run("run-served")
    assert summary["pushed"] == "ram://served/shades/1" and summary["registered"]["version"] == "2"
    assert {n.id for n in run.nodes if n.state == "ran"} == {"Pusher", "RegistryPusher"}
    tf.io.gfile.rmtree(summary["pushed"])
    summary, _ = task.run("run-served-again")
    assert summary["unchanged"] and summary["pushed"] == "ram://served/shades/2"
    write_pictures(tmp_path)
    (answer,) = predict(pushed_model(task.places), [tmp_path / "dark" / "0.png"])
    assert answer["label"] in ("dark", "light")
