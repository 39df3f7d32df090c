import dataclasses
import glob
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from trainer_samples import (
    LABELS,
    model_section,
    picture,
    train_section,
    write_preprocessing,
    write_split,
)

from components.backbone.backbone import load_backbone
from components.errors import BackboneError, ConfigError, DataError, TrainingError
from components.progress import Progress
from components.trainer import checkpoints
from components.trainer.records import record_files
from components.trainer.run_fn import run_fn


class Killed(Exception):
    pass


class KillAfter(Progress):
    """Ends the training once it has counted so many pictures, as a kill would."""

    def __init__(self, images):
        super().__init__(None)
        self.images, self.notes = images, []

    def add(self, count, note=""):
        super().add(count, note)
        self.notes.append(note)
        if self._done >= self.images:
            raise Killed


def history_of(fn_args):
    with open(os.path.join(fn_args.model_run, "history.json")) as f:
        return json.load(f)


def weights_of(fn_args):
    model = tf.saved_model.load(fn_args.serving_model)
    found = {"kernel": model.head.kernel, "bias": model.head.bias}
    found |= {v.name: v for v in model.backbone._weights}
    return {name: v.numpy() for name, v in found.items()}


def original_weights(module):
    return {v.name: v.numpy() for v in load_backbone(module, batch_norm="inference").variables}


def without_time(history):
    return [{k: v for k, v in entry.items() if "seconds" not in k} for entry in history]


def assert_equal(killed, whole):
    """The same training: every figure, and every weight to the last bit."""
    assert without_time(history_of(killed)) == without_time(history_of(whole))
    ours, theirs = weights_of(killed), weights_of(whole)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def scalars(fn_args):
    found = {}
    for path in sorted(glob.glob(os.path.join(fn_args.logs, "*"))):
        for event in tf.compat.v1.train.summary_iterator(path):
            for value in event.summary.value:
                found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_a_training_learns_and_leaves_a_history(make_fn_args):
    fn_args = make_fn_args(train=train_section(("head", 2, 3e-2), ("all", 8, 3e-2)))
    run_fn(fn_args)

    history = history_of(fn_args)
    numbers = [(e["train"], e["phase"], e["epoch"]) for e in history]
    assert numbers == [("head", 0, i) for i in range(2)] + [("all", 1, i) for i in range(8)]
    assert {(e["steps"], e["images"]) for e in history} == {(6, 48)}
    assert history[-1]["eval_accuracy"] > 0.9
    assert history[-1]["loss"] < history[0]["loss"] / 2

    served = tf.saved_model.load(fn_args.serving_model).signatures["serving_default"]
    labels = served(tf.constant([picture(label, 77) for label in LABELS]))["label"]
    assert [x.decode() for x in labels.numpy()] == LABELS

    points = scalars(fn_args)
    assert points["train/loss", 6] == pytest.approx(history[0]["loss"])
    assert points["eval/accuracy", 60] == pytest.approx(history[-1]["eval_accuracy"])


def test_a_head_only_training_leaves_the_backbone_as_it_was(make_fn_args, module):
    fn_args = make_fn_args(train=train_section(("head", 2, 1e-2)))
    run_fn(fn_args)
    after = weights_of(fn_args)
    for name, before in original_weights(module).items():
        if name in after:
            np.testing.assert_array_equal(before, after[name], err_msg=name)


def test_a_training_of_all_moves_weights_and_moving_averages(make_fn_args, module):
    fn_args = make_fn_args(train=train_section(("all", 1, 1e-2)))
    run_fn(fn_args)
    after = weights_of(fn_args)
    before = original_weights(module)
    moved = {n for n in before if n in after and not np.array_equal(before[n], after[n])}
    assert moved >= {"convolution:0", "gamma:0", "beta:0", "mean:0", "variance:0", "mix:0"}


def _resumed(make_fn_args, images, settings):
    killed = make_fn_args(f"killed-{images}", **settings)
    with pytest.raises(Killed):
        run_fn(dataclasses.replace(killed, progress=lambda total: KillAfter(images)))
    run_fn(killed)
    return killed


# 48 pictures an epoch, two epochs a phase: inside an epoch of the second phase, then of the first.
@pytest.mark.parametrize("images", [pytest.param(168, marks=pytest.mark.slow), 40])
def test_a_killed_training_goes_on_as_if_it_had_not_been(
    make_fn_args, augmenting, images, monkeypatch
):
    monkeypatch.setattr(checkpoints, "SHARE", math.inf)
    settings = {"preprocessing": augmenting}
    whole = make_fn_args("whole", **settings)
    run_fn(whole)
    assert_equal(_resumed(make_fn_args, images, settings), whole)


# Inside the second epoch of the features, in their other view; then of the pictures after them.
@pytest.mark.parametrize("images", [72, pytest.param(168, marks=pytest.mark.slow)])
def test_a_killed_training_that_begins_on_features_goes_on_too(
    make_fn_args, features, images, monkeypatch
):
    monkeypatch.setattr(checkpoints, "SHARE", math.inf)
    whole = make_fn_args("whole", **features)
    run_fn(whole)
    assert [entry["train"] for entry in history_of(whole)] == ["head"] * 2 + ["all"] * 2
    assert_equal(_resumed(make_fn_args, images, features), whole)


def test_what_is_exported_after_features_alone_is_whole(make_fn_args, features):
    fn_args = make_fn_args(**features, train=train_section(("head", 30, 3e-2)))
    run_fn(fn_args)
    served = tf.saved_model.load(fn_args.serving_model).signatures["serving_default"]
    labels = served(tf.constant([picture(label, 77) for label in LABELS]))["label"]
    assert [x.decode() for x in labels.numpy()] == LABELS


@pytest.mark.slow
def test_a_killed_training_goes_on_wherever_it_was_and_whatever_it_trains(
    make_fn_args, augmenting, module, monkeypatch
):
    monkeypatch.setattr(checkpoints, "SHARE", math.inf)
    head = {"endpoint": "tiny/map", "weight": 0.4}
    settings = {
        "model": model_section(module, auxiliary_head=head, label_smoothing=0.1),
        "preprocessing": augmenting,
    }
    whole = make_fn_args("whole", **settings)
    run_fn(whole)
    for images in (48, 96, 112, 144, 184, 192):
        assert_equal(_resumed(make_fn_args, images, settings), whole)


def test_a_resumed_training_does_not_start_over(make_fn_args, monkeypatch):
    monkeypatch.setattr(checkpoints, "SHARE", math.inf)
    fn_args = make_fn_args()
    with pytest.raises(Killed):
        run_fn(dataclasses.replace(fn_args, progress=lambda total: KillAfter(3 * 48 + 8)))
    resumed = KillAfter(10**9)
    run_fn(dataclasses.replace(fn_args, progress=lambda total: resumed))
    notes = [note for note in resumed.notes if note]
    assert len(notes) == 6
    assert notes[0].startswith("phase 2/2 epoch 2/2 loss ")
    assert resumed._done == 4 * 48
    assert {step for _, step in scalars(fn_args)} == {6, 12, 18, 24}


def test_a_phase_that_ended_is_not_trained_again_however_dear_checkpoints_are(
    make_fn_args, monkeypatch
):
    monkeypatch.setattr(checkpoints, "SHARE", 0)
    fn_args = make_fn_args()
    with pytest.raises(Killed):
        run_fn(dataclasses.replace(fn_args, progress=lambda total: KillAfter(3 * 48 + 8)))
    resumed = KillAfter(10**9)
    run_fn(dataclasses.replace(fn_args, progress=lambda total: resumed))
    assert {note[:9] for note in resumed.notes if note} == {"phase 2/2"}


def test_the_seed_decides_the_weights(make_fn_args):
    runs = [
        make_fn_args(str(i), seed=seed, train=train_section(("head", 1, 1e-2)))
        for i, seed in enumerate([1, 1, 2])
    ]
    for fn_args in runs:
        run_fn(fn_args)
    first, again, other = (weights_of(fn_args)["kernel"] for fn_args in runs)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_auxiliary_loss_counts_only_where_the_backbone_trains(make_fn_args, module):
    head = {"endpoint": "tiny/map", "weight": 0.4}
    fn_args = make_fn_args(model=model_section(module, auxiliary_head=head))
    run_fn(fn_args)
    assert [e["auxiliary_loss"] is None for e in history_of(fn_args)] == [True, True, False, False]


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 1.0), ("adamw", 3e-2)])
def test_other_optimizers_train_too(make_fn_args, optimizer, rate):
    fn_args = make_fn_args(train=train_section(("head", 20, rate), optimizer=optimizer))
    run_fn(fn_args)
    history = history_of(fn_args)
    assert history[-1]["loss"] < history[0]["loss"] - 0.1


def test_patterns_choose_what_moves(make_fn_args, module):
    fn_args = make_fn_args(train=train_section((["m*x", "bet?"], 1, 1e-2)))
    run_fn(fn_args)
    before, after = original_weights(module), weights_of(fn_args)
    moved = {n for n in before if n in after and not np.array_equal(before[n], after[n])}
    assert moved == {"mix:0", "beta:0", "mean:0", "variance:0"}  # batch norm is in training mode
    assert history_of(fn_args)[0]["train"] == ["m*x", "bet?"]


def test_a_pattern_that_matches_nothing_names_some_variables(make_fn_args):
    fn_args = make_fn_args(train=train_section((["mixx"], 1, 1e-2)))
    with pytest.raises(BackboneError, match="the pattern 'mixx' .* are: .*mix"):
        run_fn(fn_args)


# So high a rate that the eval loss soon climbs again.
STOPPING = {"schedule": "constant", "warm_up": 0.0, "optimizer": "sgd", "patience": 2}


def test_a_phase_that_gets_no_better_ends_with_its_best_epochs_weights(make_fn_args):
    long = make_fn_args("long", train=train_section(("head", 30, 30.0), **STOPPING))
    run_fn(long)
    losses = [entry["eval_loss"] for entry in history_of(long)]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 30

    settings = STOPPING | {"patience": None}
    short = make_fn_args("short", train=train_section(("head", best + 1, 30.0), **settings))
    run_fn(short)
    np.testing.assert_array_equal(weights_of(long)["kernel"], weights_of(short)["kernel"])


@pytest.mark.slow
def test_a_phase_that_had_stopped_early_stays_so_after_a_kill(make_fn_args):
    section = train_section(("head", 30, 30.0), ("all", 2, 1e-2), **STOPPING)
    whole = make_fn_args("whole", train=section)
    run_fn(whole)
    entries = history_of(whole)
    first = sum(entry["phase"] == 0 for entry in entries)
    assert first < 30
    # In the head's last epoch, right after it, and inside the second phase.
    for images in (first * 48 - 8, first * 48, first * 48 + 56):
        assert_equal(_resumed(make_fn_args, images, {"train": section}), whole)


OWN = """
import tensorflow as tf

class TwoLayers(tf.Module):
    def __init__(self, features, classes, seed):
        super().__init__()
        self.first = tf.Variable(tf.random.stateless_normal([features, 7], [seed, 1]))
        self.kernel = tf.Variable(tf.zeros([7, classes]))

    def __call__(self, features):
        return tf.nn.relu(features @ self.first) @ self.kernel

def focal(targets, logits):
    likelihood = tf.reduce_sum(targets * tf.nn.softmax(logits), -1)
    return -((1 - likelihood) ** 2) * tf.math.log(likelihood + 1e-7)
"""


def test_a_users_own_head_and_loss_come_by_import_path(make_fn_args, module, tmp_path, monkeypatch):
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    section = model_section(module, head="own_parts.TwoLayers", loss="own_parts.focal")
    fn_args = make_fn_args(model=section, train=train_section(("head", 6, 3e-2)))
    run_fn(fn_args)
    history = history_of(fn_args)
    assert history[-1]["eval_loss"] < history[0]["eval_loss"]
    assert tf.saved_model.load(fn_args.serving_model).head.kernel.shape == (7, 3)


def test_a_head_that_is_not_there_is_an_error_that_names_its_key(make_fn_args, module):
    with pytest.raises(ConfigError, match="model.head: 'nothing.Here' cannot be imported"):
        run_fn(make_fn_args(model=model_section(module, head="nothing.Here")))


def test_weights_of_classes_move_the_training(make_fn_args):
    found = []
    for name, weights in (("even", "none"), ("bars", {LABELS[0]: 50.0})):
        fn_args = make_fn_args(name, train=train_section(("head", 1, 1e-2), class_weights=weights))
        run_fn(fn_args)
        found.append(weights_of(fn_args)["bias"])
    assert found[1][0] - found[1][1:].mean() > found[0][0] - found[0][1:].mean()


def test_calibration_changes_the_scores_and_no_decision(make_fn_args):
    pictures = tf.constant([picture(label, n) for label in LABELS for n in range(4)])
    said = {}
    for calibrate in (False, True):
        section = train_section(("head", 3, 3e-2), calibrate=calibrate)
        fn_args = make_fn_args(str(calibrate), train=section)
        run_fn(fn_args)
        served = tf.saved_model.load(fn_args.serving_model).signatures["serving_default"]
        said[calibrate] = {key: value.numpy() for key, value in served(pictures).items()}
        with open(os.path.join(fn_args.model_run, "calibration.json")) as f:
            temperature = json.load(f)["temperature"]
    assert (said[True]["label"] == said[False]["label"]).all()
    logits = np.log(said[False]["probabilities"]) / temperature
    np.testing.assert_allclose(said[True]["probabilities"], tf.nn.softmax(logits), atol=1e-5)
    assert temperature != 1


def test_a_loss_that_is_no_number_ends_the_training_with_advice(make_fn_args):
    fn_args = make_fn_args(train=train_section(("head", 3, 10.0)))
    fn_args.model["l2"] = 1e38
    with pytest.raises(TrainingError, match="lower learning_rate"):
        run_fn(fn_args)


HASH = """
import json, sys
import tensorflow as tf
from components.content import content_hash
from components.trainer.fn_args import FnArgs
from components.trainer.run_fn import run_fn

for number in range(int(sys.argv[2])):  # moves TensorFlow's counters, as other nodes do
    tf.function(lambda x: x + number)(tf.constant(1.0))
fn_args = FnArgs(**json.loads(sys.argv[1]))
run_fn(fn_args)
print("hash", content_hash(fn_args.serving_model))
"""


@pytest.mark.slow
def test_the_content_of_a_model_is_the_same_whatever_its_process_did_before(make_fn_args):
    hashes = set()
    for before in (0, 7):
        fn_args = make_fn_args(str(before), train=train_section(("head", 1, 1e-2)))
        values = {k: v for k, v in vars(fn_args).items() if k != "progress"}
        command = [sys.executable, "-c", HASH, json.dumps(values), str(before)]
        hashes.add(subprocess.check_output(command, text=True).split("hash ")[1])
    assert len(hashes) == 1


def test_a_batch_larger_than_the_split_is_the_split(make_fn_args):
    fn_args = make_fn_args(train=train_section(("head", 1, 1e-2), batch_size=4096))
    run_fn(fn_args)
    assert history_of(fn_args)[0]["images"] == 50


def test_an_empty_eval_split_leaves_its_figures_out(make_fn_args):
    fn_args = make_fn_args(eval_files=())
    run_fn(fn_args)
    assert {(e["eval_loss"], e["eval_accuracy"]) for e in history_of(fn_args)} == {(None, None)}


def test_an_empty_train_split_is_an_error(make_fn_args):
    with pytest.raises(DataError, match="train split is empty"):
        run_fn(make_fn_args(train_files=()))


def test_an_unknown_label_is_an_error_that_names_it(make_fn_args, tmp_path):
    write_split(tmp_path / "odd", "eval", 4, labels=("bars", "stripes"))
    with pytest.raises(DataError, match="'stripes' is not among the 3 labels"):
        run_fn(make_fn_args(eval_files=record_files(tmp_path / "odd", "eval")))


def test_a_missing_endpoint_is_an_error_that_names_the_nearest(make_fn_args, module):
    head = {"endpoint": "tiny/mapp", "weight": 0.4}
    with pytest.raises(BackboneError, match="did you mean tiny/map"):
        run_fn(make_fn_args(model=model_section(module, auxiliary_head=head)))


def test_an_endpoint_without_room_is_an_error(make_fn_args, module, tmp_path):
    small = write_preprocessing(tmp_path / "small", size=(8, 8))
    head = {"endpoint": "tiny/map", "weight": 0.4}
    with pytest.raises(BackboneError, match="is 4x4 for images of 8x8 pixels"):
        run_fn(make_fn_args(model=model_section(module, auxiliary_head=head), preprocessing=small))


def test_training_learns_from_mixed_pictures_and_resumes_alike(make_fn_args, mixing):
    changes = {"preprocessing": mixing, "train": train_section(("all", 4, 1e-2))}
    whole, killed = make_fn_args("whole", **changes), make_fn_args("killed", **changes)
    run_fn(whole)
    with pytest.raises(Killed):
        run_fn(dataclasses.replace(killed, progress=lambda total: KillAfter(100)))
    run_fn(killed)
    assert_equal(killed, whole)
    history = history_of(whole)
    assert history[-1]["eval_loss"] < history[0]["eval_loss"]
