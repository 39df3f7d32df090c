import numpy as np
import pytest
import tensorflow as tf
from trainer_samples import LABELS, SIZE, model_section

from components.backbone.backbone import load_backbone
from components.trainer.network import Network


@pytest.fixture
def make_network(module):
    def make(**changes):
        section = model_section(module, **changes)
        backbone = load_backbone(module, batch_norm="train")
        return Network(backbone, len(LABELS), section, SIZE, seed=1)

    return make


@pytest.fixture
def images():
    return tf.random.stateless_uniform([8, *SIZE, 3], [0, 1])


def gradients(network, train, images, pick):
    with tf.GradientTape() as tape:
        if train == "head":
            outputs = network.train_head(network.features(images), 0)
        else:
            outputs = network.train_all(images, 0)
        loss = pick(outputs)
    variables = network.trainable_variables
    return {
        v.name: g is not None and bool(tf.reduce_any(g != 0))
        for v, g in zip(variables, tape.gradient(loss, variables), strict=True)
    }


def test_gradients_of_a_head_only_step_reach_the_head_alone(make_network, images):
    reached = gradients(make_network(), "head", images, lambda o: tf.reduce_sum(o.logits[:, 0]))
    assert {name for name, yes in reached.items() if yes} == {"kernel:0", "bias:0"}


def test_gradients_of_a_step_over_all_reach_the_backbone_too(make_network, images):
    reached = gradients(make_network(), "all", images, lambda o: tf.reduce_sum(o.logits[:, 0]))
    assert {name for name, yes in reached.items() if yes} == {
        "kernel:0", "bias:0", "convolution:0", "gamma:0", "beta:0", "mix:0",
    }  # fmt: skip


def test_gradients_of_the_auxiliary_loss_reach_the_backbone_up_to_its_endpoint(
    make_network, images
):
    network = make_network(auxiliary_head={"endpoint": "tiny/map", "weight": 0.4})
    reached = gradients(network, "all", images, lambda o: tf.reduce_sum(o.auxiliary_logits[:, 0]))
    assert reached["convolution:0"] and reached["gamma:0"]
    assert not reached["mix:0"]  # behind the endpoint


def test_features_do_not_depend_on_the_rest_of_the_batch(make_network, images):
    network = make_network()
    whole, alone = network.features(images), network.features(images[:1])
    np.testing.assert_allclose(whole[:1], alone, atol=1e-6)


def test_dropout_is_a_function_of_the_step(make_network, images):
    network = make_network(dropout=0.5)
    features = network.features(images)
    first, again, next_one = (network.train_head(features, s).logits.numpy() for s in (4, 4, 5))
    assert np.array_equal(first, again) and not np.array_equal(first, next_one)


def test_l2_and_the_backbones_own_losses_are_added(make_network, images, module):
    network = make_network(l2=0.5)
    kernel = (network.head.kernel.numpy() ** 2).sum() / 2
    own = float(tf.add_n(network.backbone.losses()))
    assert own > 0
    head_only = network.train_head(network.features(images), 0).regularization
    assert float(head_only) == pytest.approx(0.5 * kernel, rel=1e-5)
    everything = network.train_all(images, 0).regularization
    assert float(everything) == pytest.approx(0.5 * kernel + own, rel=1e-5)
