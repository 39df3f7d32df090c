"""A module in the TF1 Hub format that our writer has not written."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.backbone.backbone import load_backbone
from components.backbone.handles import describe
from components.errors import BackboneError

DECAY, EPSILON, L2 = 0.8, 1e-3, 0.01  # as the script has them
SCRIPT = Path(__file__).with_name("independent_tf1.py")


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("independent") / "module"
    subprocess.run([sys.executable, SCRIPT, folder], check=True, capture_output=True)
    return str(folder)


@pytest.fixture
def small_images():
    return tf.constant(np.random.default_rng(3).random([6, 32, 32, 3]), tf.float32)


def weights(backbone):
    return {v.name.removesuffix(":0"): v.numpy() for v in backbone.variables}


def by_hand(images, weights, mean, variance):
    x = tf.nn.conv2d(images, weights["small/weights"], 2, "SAME")
    x = (x - mean) / np.sqrt(variance + EPSILON) * weights["small/gamma"] + weights["small/beta"]
    return tf.reduce_mean(tf.nn.relu(x), [1, 2])


def test_it_is_described(module):
    info = describe(module)
    assert (info.tags, info.image_size, info.trainable) == ([[], ["train"]], (32, 32), True)
    assert info.endpoints == {"small/conv": (None, 16, 16, 8), "default": (None, 8)}
    assert info.variables == {
        "small/weights": (3, 3, 3, 8),
        "small/gamma": (8,),
        "small/beta": (8,),
    }
    assert info.weights == 216 + 4 * 8


def test_a_step_of_training_is_that_of_batch_norm(module, small_images, tmp_path):
    backbone = load_backbone(module, batch_norm="train")
    before = weights(backbone)

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            endpoints, losses = backbone.endpoints_and_losses(images, training=True)
            loss = tf.reduce_mean((endpoints["default"] - 1) ** 2) + tf.add_n(losses)
        gradients = tape.gradient(loss, backbone.trainable_variables)
        for variable, gradient in zip(backbone.trainable_variables, gradients, strict=True):
            variable.assign_sub(0.1 * gradient)
        return endpoints["default"], losses, gradients

    features, losses, gradients = step(small_images)
    after = weights(backbone)

    convolved = tf.nn.conv2d(small_images, before["small/weights"], 2, "SAME")
    mean, variance = (m.numpy() for m in tf.nn.moments(convolved, [0, 1, 2]))
    np.testing.assert_allclose(
        features, by_hand(small_images, before, mean, variance), rtol=1e-4, atol=1e-5
    )
    assert float(losses[0]) == pytest.approx(L2 / 2 * np.sum(before["small/weights"] ** 2))
    count = convolved.shape.num_elements() // 8
    for name, moment in (("mean", mean), ("variance", variance * count / (count - 1))):
        old, new = (w[f"small/moving_{name}"] for w in (before, after))
        np.testing.assert_allclose(new, DECAY * old + (1 - DECAY) * moment, rtol=1e-4, atol=1e-6)
    for variable, gradient in zip(backbone.trainable_variables, gradients, strict=True):
        name = variable.name.removesuffix(":0")
        np.testing.assert_allclose(after[name], before[name] - 0.1 * gradient, rtol=1e-4, atol=1e-6)
        assert np.any(gradient != 0)

    # What is exported has learned, runs by the moving averages, and comes back the same.
    expected = by_hand(
        small_images, after, after["small/moving_mean"], after["small/moving_variance"]
    )
    exported = backbone.export()
    tf.saved_model.save(exported, str(tmp_path))
    for run in (exported, tf.saved_model.load(str(tmp_path))):
        np.testing.assert_allclose(run(small_images)["default"], expected, rtol=1e-4, atol=1e-5)


def test_images_of_another_size_are_refused(module, images):
    backbone = load_backbone(module)
    with pytest.raises(BackboneError, match=r"32 x 32 pixels only, not 64 x 64.*\[32, 32\]"):
        backbone.endpoints(images, training=False)
