import numpy as np
import pytest
import tensorflow as tf

from components.errors import BackboneError

MODES = pytest.mark.parametrize("batch_norm", ["train", "inference"])


def get_step(backbone, rate=1e-3):
    """A step of plain gradient descent, as a training loop makes it."""

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            endpoints, losses = backbone.endpoints_and_losses(images, training=True)
            loss = tf.add_n([tf.reduce_mean((endpoints["default"] - 1) ** 2), *losses])
        gradients = tape.gradient(loss, backbone.trainable_variables)
        for variable, gradient in zip(backbone.trainable_variables, gradients, strict=True):
            variable.assign_sub(rate * gradient)
        return loss

    return step


def weights(backbone):
    return {v.name: v.numpy() for v in backbone.variables}


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


def averages(names):
    return {name for name in names if "/moving_" in name}


@pytest.mark.parametrize("training", [False, True])
def test_both_formats_give_the_same_endpoints(load_format, images, training):
    tf2, tf1 = (
        load_format(form, batch_norm="train").endpoints(images, training) for form in ("tf2", "tf1")
    )
    assert tf2.keys() == tf1.keys() and len(tf2) == 19
    for name in tf2:
        np.testing.assert_allclose(tf2[name], tf1[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_endpoints_have_the_shapes_that_are_promised(load, images):
    backbone = load(batch_norm="inference")
    assert list(backbone.endpoint_shapes)[-1] == "default"
    for name, tensor in backbone.endpoints(images, training=False).items():
        tf.ensure_shape(tensor, backbone.endpoint_shapes[name])
    assert backbone.endpoint_shapes["default"] == (None, 1280)


@MODES
def test_gradients_reach_all_trainable_variables(load, images, batch_norm):
    backbone = load(batch_norm=batch_norm)

    @tf.function
    def gradients(images):
        with tf.GradientTape() as tape:
            features = backbone.endpoints(images, training=True)["default"]
            # Weighted, for batch norm makes the plain mean of what it normalizes a constant.
            loss = tf.reduce_mean(features * tf.cumsum(features, axis=1))
        return tape.gradient(loss, backbone.trainable_variables)

    assert len(backbone.trainable_variables) == 147
    for variable, gradient in zip(backbone.trainable_variables, gradients(images), strict=True):
        assert gradient is not None and tf.reduce_any(gradient != 0), variable.name


@pytest.mark.parametrize("settings", [{}, {"batch_norm_momentum": 0.9}], ids=["0.99", "0.9"])
def test_moving_averages_follow_the_batches(load, images, settings):
    backbone = load(batch_norm="train", **settings)
    before = weights(backbone)
    tf.function(backbone.endpoints)(images, training=True)
    after = weights(backbone)

    assert changed(before, after) == averages(before)
    stem = "EfficientNetLite0/stem"
    convolved = tf.nn.conv2d((images * 255 - 127) / 128, before[f"{stem}/kernel:0"], 2, "SAME")
    mean, variance = tf.nn.moments(convolved, [0, 1, 2])
    count = convolved[..., 0].shape.num_elements()
    for name, moment in (("mean", mean), ("variance", variance * count / (count - 1))):
        old, new = (w[f"{stem}/moving_{name}:0"] for w in (before, after))
        share = 1 - settings.get("batch_norm_momentum", 0.99)
        np.testing.assert_allclose(new, old + share * (moment - old), rtol=1e-4, atol=1e-5)


def test_moving_averages_stay_with_batch_norm_in_inference_mode(load, images):
    backbone = load(batch_norm="inference")
    before = weights(backbone)
    get_step(backbone)(images)
    moved = changed(before, weights(backbone))
    assert moved == before.keys() - averages(before)


def test_a_frozen_backbone_stays_still(load, images):
    backbone = load(batch_norm="train")
    before = weights(backbone)
    _, losses = tf.function(backbone.endpoints_and_losses)(images, training=False)
    assert losses == []
    assert not changed(before, weights(backbone))


@MODES
def test_both_formats_learn_alike(load_format, images, batch_norm):
    losses = []
    for form in ("tf2", "tf1"):
        step = get_step(load_format(form, batch_norm=batch_norm))
        losses.append([float(step(images)) for _ in range(3)])
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert losses[0][0] > losses[0][1] > losses[0][2]


def test_regularization_is_the_weight_decay_of_the_kernels(load, images):
    backbone = load(batch_norm="train")
    _, losses = tf.function(backbone.endpoints_and_losses)(images, training=True)
    kernels = [v for name, v in weights(backbone).items() if "/kernel" in name]
    expected = 1e-5 / 2 * sum(float((kernel**2).sum()) for kernel in kernels)
    assert float(tf.add_n(losses)) == pytest.approx(expected, rel=1e-5)
    assert float(tf.add_n(backbone.losses())) == pytest.approx(expected, rel=1e-5)


def test_inference_follows_training(load, images):
    backbone = load(batch_norm="train")
    infer = tf.function(lambda images: backbone.endpoints(images, training=False)["default"])
    before = infer(images)
    get_step(backbone, rate=0.1)(images)
    after_step = infer(images)
    assert float(tf.reduce_max(tf.abs(after_step - before))) > 1e-3

    for variable in backbone.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    np.testing.assert_array_equal(infer(images), tf.zeros([4, 1280]))


class Served(tf.Module):
    """As a trainer wraps what it exports."""

    def __init__(self, exported):
        super().__init__()
        self.exported = exported

    @tf.function(input_signature=[tf.TensorSpec([None, 64, 64, 3], tf.float32)])
    def serve(self, images):
        return {"features": self.exported(images)["default"]}


@MODES
def test_an_export_reloads_with_equal_outputs(load, images, batch_norm, tmp_path):
    backbone = load(batch_norm=batch_norm)
    get_step(backbone)(images)
    served = Served(backbone.export())
    tf.saved_model.save(served, str(tmp_path), signatures=served.serve)

    again = tf.saved_model.load(str(tmp_path))
    features = again.signatures["serving_default"](images)["features"]
    np.testing.assert_allclose(
        features, backbone.endpoints(images, training=False)["default"], rtol=1e-5, atol=1e-5
    )
    assert again.exported(images).keys() == backbone.endpoint_shapes.keys()
    # The weights once, and nothing of the training.
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert size < 17e6


def test_a_checkpoint_brings_the_weights_back(load, images, tmp_path):
    backbone = load(batch_norm="train")
    get_step(backbone)(images)
    path = tf.train.Checkpoint(backbone=backbone).write(str(tmp_path / "checkpoint"))

    other = load(batch_norm="train", batch_norm_momentum=0.9)  # another object
    tf.train.Checkpoint(backbone=other).read(path).assert_consumed()
    assert not changed(weights(backbone), weights(other))
    np.testing.assert_array_equal(
        other.endpoints(images, training=False)["default"],
        backbone.endpoints(images, training=False)["default"],
    )


def test_an_endpoint_that_is_not_there_is_named_with_those_that_are(load):
    backbone = load(batch_norm="inference")
    backbone.check_endpoint("EfficientNetLite0/block_10", spatial=True)
    with pytest.raises(BackboneError, match=r"did you mean EfficientNetLite0/block_1\?.*head"):
        backbone.check_endpoint("EfficientNetLite0/blok_1")
    with pytest.raises(BackboneError, match="has 2 dimensions.*EfficientNetLite0/block_2,"):
        backbone.check_endpoint("default", spatial=True)
