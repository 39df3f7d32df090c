"""The real backbone, in both formats, on real digits."""

import json
import math
import os

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from trainer_samples import example, model_section, train_section, write_preprocessing

from components.backbone import lite0
from components.trainer import checkpoints
from components.trainer.records import record_files
from components.trainer.run_fn import run_fn


class Killed(Exception):
    pass


class KillAt:
    def __init__(self, images):
        self.left = images

    def add(self, count, note=""):
        self.left -= count
        if self.left <= 0:
            raise Killed


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """500 digits to train on, 200 to look at."""
    folder = tmp_path_factory.mktemp("digits")
    data = load_digits()
    for split, rows in (("train", range(500)), ("eval", range(500, 700))):
        where = folder / f"Split-{split}"
        where.mkdir()
        with tf.io.TFRecordWriter(str(where / "data_tfrecord-00000-of-00001.gz"), "GZIP") as w:
            for row in rows:
                pixels = (data.images[row] * 255 / 16).round().astype(np.uint8)[..., None]
                image = tf.io.encode_png(pixels).numpy()
                w.write(example(image, str(data.target[row]), f"{row:016x}"))
    labels = [str(i) for i in range(10)]
    write_preprocessing(folder / "preprocessing", "digits", labels, (96, 96))
    return folder


@pytest.fixture(scope="module", params=["tf2", "tf1"])
def lite0_module(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("modules") / request.param
    lite0.build(folder, {"tf2": lite0.write_tf2, "tf1": lite0.write_tf1}[request.param])
    return str(folder)


@pytest.mark.slow
def test_lite0_learns_digits_and_goes_on_after_a_kill(
    make_fn_args, digits, lite0_module, monkeypatch
):
    section = model_section(
        lite0_module, auxiliary_head={"endpoint": "EfficientNetLite0/block_10", "weight": 0.4}
    )
    section["backbone"]["batch_norm_momentum"] = 0.9
    settings = {
        "train_files": record_files(digits, "train"),
        "eval_files": record_files(digits, "eval"),
        "preprocessing": str(digits / "preprocessing"),
        "model": section,
        "train": train_section(("head", 1, 3e-3), ("all", 4, 1e-3), batch_size=32),
    }
    whole = make_fn_args("whole", **settings)
    run_fn(whole)
    with open(os.path.join(whole.model_run, "history.json")) as f:
        history = json.load(f)
    assert history[-1]["eval_accuracy"] > 0.7  # after 75 steps
    assert history[-1]["auxiliary_loss"] < history[1]["auxiliary_loss"]

    monkeypatch.setattr(checkpoints, "SHARE", math.inf)
    killed = make_fn_args("killed", **settings)
    for images in (200, 1_100):  # in the head's phase, and in the backbone's
        with pytest.raises(Killed):
            interrupted = {"progress": lambda total, images=images: KillAt(images)}
            run_fn(make_fn_args("killed", **settings, **interrupted))
    run_fn(killed)
    ours, theirs = (tf.saved_model.load(x.serving_model) for x in (killed, whole))
    np.testing.assert_array_equal(ours.head.kernel.numpy(), theirs.head.kernel.numpy())
    for mine, yours in zip(ours.backbone._weights, theirs.backbone._weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), yours.numpy(), err_msg=mine.name)
