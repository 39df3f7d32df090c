import numpy as np
import pytest
import tensorflow as tf

from components.backbone import writer
from components.backbone.backbone import load_backbone
from components.backbone.handles import describe

MOMENTUM = 0.75


def network(images, variables, training, momentum, update):
    """One batch norm on the colours themselves."""
    mean, variance = variables["tiny/moving_mean"], variables["tiny/moving_variance"]
    if training:
        batch_mean, batch_variance = tf.nn.moments(images, [0, 1, 2])
        update(mean, momentum * mean + (1 - momentum) * batch_mean)
        update(variance, momentum * variance + (1 - momentum) * batch_variance)
        mean, variance = batch_mean, batch_variance
    x = tf.nn.batch_normalization(images, mean, variance, 0.0, variables["tiny/gamma"], 1e-3)
    return {"tiny/norm": x, "default": tf.reduce_mean(tf.nn.relu(x), [1, 2])}


BLUEPRINT = writer.Blueprint(
    weights={
        "tiny/gamma": np.array([1, 2, 3], np.float32),
        "tiny/moving_mean": np.array([0.1, 0.2, 0.3], np.float32),
        "tiny/moving_variance": np.array([1, 1, 2], np.float32),
    },
    trainable=frozenset({"tiny/gamma"}),
    network=network,
    weight_decay=lambda variables: 0.5 * tf.nn.l2_loss(variables["tiny/gamma"]),
    momentum=MOMENTUM,
)


@pytest.fixture(scope="module", params=["tf1", "tf2"])
def module(request, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("written") / request.param)
    {"tf1": writer.write_tf1, "tf2": writer.write_tf2}[request.param](folder, BLUEPRINT)
    return folder


def test_the_module_says_what_it_holds(module):
    info = describe(module)
    assert info.trainable and info.image_size is None
    assert info.endpoints == {"tiny/norm": (None, None, None, 3), "default": (None, 3)}
    assert info.variables == {"tiny/gamma": (3,)} and info.weights == 9
    if info.format == "TF1 Hub format":
        assert info.tags == [[], ["train"]]
        vector = "image_feature_vector"
        assert info.signatures == ["default", vector, f"{vector}_with_bn_hparams"]


@pytest.mark.parametrize("momentum", [None, 0.5])
def test_moving_averages_follow_by_the_momentum(module, images, momentum):
    backbone = load_backbone(module, batch_norm="train", batch_norm_momentum=momentum)
    _, losses = tf.function(backbone.endpoints_and_losses)(images, training=True)
    after = {v.name.removesuffix(":0"): v.numpy() for v in backbone.variables}

    share = 1 - (momentum or MOMENTUM)
    for name, moment in zip(("mean", "variance"), tf.nn.moments(images, [0, 1, 2]), strict=True):
        old = BLUEPRINT.weights[f"tiny/moving_{name}"]
        expected = old + share * (moment - old)
        np.testing.assert_allclose(after[f"tiny/moving_{name}"], expected, rtol=1e-5)
    np.testing.assert_array_equal(after["tiny/gamma"], BLUEPRINT.weights["tiny/gamma"])
    assert float(losses[0]) == pytest.approx(0.5 * (1 + 4 + 9) / 2)


def test_inference_runs_by_the_moving_averages(module, images):
    backbone = load_backbone(module)
    w = BLUEPRINT.weights
    deviation = np.sqrt(w["tiny/moving_variance"] + 1e-3)
    expected = (images - w["tiny/moving_mean"]) / deviation * w["tiny/gamma"]
    endpoints = backbone.endpoints(images, training=False)
    np.testing.assert_allclose(endpoints["tiny/norm"], expected, rtol=1e-4, atol=1e-5)


def test_the_reusable_interface_is_hubs(tmp_path, images):
    writer.write_tf2(str(tmp_path), BLUEPRINT)
    loaded = tf.saved_model.load(str(tmp_path))
    assert loaded(images).shape == (4, 3)
    assert loaded(images, return_endpoints=True).keys() == {"tiny/norm", "default"}
    loaded(images, training=True, batch_norm_momentum=0.0)
    mean = next(v for v in loaded.variables if "moving_mean" in v.name)
    np.testing.assert_allclose(mean, tf.reduce_mean(images, [0, 1, 2]), rtol=1e-5)
    assert [v.name for v in loaded.trainable_variables] == ["tiny/gamma:0"]
