import numpy as np
import pytest
import tensorflow as tf
from test_trainer_run_fn import history_of, weights_of
from trainer_samples import LABELS, SIZE, model_section, train_section

from components.backbone.backbone import load_backbone
from components.errors import TrainingError
from components.trainer.network import Network
from components.trainer.run_fn import run_fn
from components.trainer.warm_start import begin_from, save_weights


@pytest.fixture
def make_network(module):
    def make(classes=3, seed=0):
        backbone = load_backbone(module, batch_norm="train")
        return Network(backbone, classes, model_section(module), SIZE, seed)

    return make


def changed(network):
    """The same network, with weights that no initializer gives."""
    for variable in (*network.head.variables, *network.backbone.variables):
        variable.assign(variable + np.random.default_rng(1).normal(size=variable.shape))
    return network


def values(part):
    return [variable.numpy() for variable in part.variables]


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_begins_as_the_earlier_one_ended(make_network, tmp_path):
    earlier, later = changed(make_network()), make_network(seed=1)
    save_weights(str(tmp_path / "weights"), earlier, LABELS, frozen=False)
    begin_from(str(tmp_path / "weights"), later, LABELS, frozen=False)
    assert_same(values(later.head), values(earlier.head))
    assert_same(values(later.backbone), values(earlier.backbone))


def test_a_frozen_backbone_stays_the_modules_own(make_network, tmp_path):
    earlier, later = changed(make_network()), make_network(seed=1)
    own = values(later.backbone)
    save_weights(str(tmp_path / "weights"), earlier, LABELS, frozen=False)
    begin_from(str(tmp_path / "weights"), later, LABELS, frozen=True)
    assert_same(values(later.head), values(earlier.head))
    assert_same(values(later.backbone), own)


def test_classes_are_known_by_name_and_a_new_one_keeps_its_own_beginning(make_network, tmp_path):
    earlier, later = changed(make_network()), make_network(4, seed=1)
    kernel = later.head.kernel.numpy()
    save_weights(str(tmp_path / "weights"), earlier, ["bars", "dots", "plain"], frozen=False)
    begin_from(str(tmp_path / "weights"), later, ["bars", "checks", "dots", "plain"], frozen=False)
    begun, known = later.head.kernel.numpy(), earlier.head.kernel.numpy()
    np.testing.assert_array_equal(begun[:, [0, 2, 3]], known)
    np.testing.assert_array_equal(begun[:, 1], kernel[:, 1])
    assert later.head.bias.numpy()[1] == 0


def test_weights_of_another_network_are_refused_with_what_to_do(make_network, tmp_path):
    earlier = make_network()
    earlier.head.kernel = tf.Variable(tf.zeros([5, 3]))
    save_weights(str(tmp_path / "weights"), earlier, LABELS, frozen=False)
    with pytest.raises(TrainingError, match="do not fit this network"):
        begin_from(str(tmp_path / "weights"), make_network(), LABELS, frozen=False)


def test_the_head_only_phases_in_front_are_left_out(make_fn_args, tmp_path):
    train = train_section(("head", 1, 1e-2), ("all", 1, 1e-2))
    first = make_fn_args("first", train=train, weights=str(tmp_path / "weights"))
    run_fn(first)
    second = make_fn_args("second", train=train, warm_start=str(tmp_path / "weights"))
    run_fn(second)
    assert [entry["train"] for entry in history_of(first)] == ["head", "all"]
    assert [entry["train"] for entry in history_of(second)] == ["all"]
    assert history_of(second)[0]["loss"] < history_of(first)[0]["loss"]
    assert weights_of(second).keys() == weights_of(first).keys()


def test_a_frozen_training_keeps_its_phases(make_fn_args, tmp_path):
    train = train_section(("head", 2, 1e-2))
    first = make_fn_args("first", train=train, weights=str(tmp_path / "weights"))
    run_fn(first)
    second = make_fn_args("second", train=train, warm_start=str(tmp_path / "weights"))
    run_fn(second)
    assert len(history_of(second)) == 2
    assert history_of(second)[0]["loss"] < history_of(first)[0]["loss"]


@pytest.mark.slow
def test_a_killed_training_that_began_so_goes_on_from_its_checkpoint(make_fn_args, tmp_path):
    from test_trainer_run_fn import KillAfter, Killed, assert_equal

    from components.trainer import checkpoints  # as the tests of kills do

    train = train_section(("all", 1, 1e-2))
    run_fn(make_fn_args("first", train=train, weights=str(tmp_path / "weights")))
    begun = {"train": train_section(("all", 3, 1e-2)), "warm_start": str(tmp_path / "weights")}
    whole = make_fn_args("whole", **begun)
    run_fn(whole)
    killed = make_fn_args("killed", **begun, progress=lambda total: KillAfter(60))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints, "SHARE", 1e9)
        run_fn(killed)
    goes_on = make_fn_args("killed", **begun)
    run_fn(goes_on)
    assert_equal(goes_on, whole)
