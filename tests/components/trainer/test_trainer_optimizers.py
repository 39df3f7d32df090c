import numpy as np
import pytest
import tensorflow as tf

from components.trainer.optimizers import get_apply, get_optimizer, layer_rates
from components.trainer.schedules import WarmUp

NAMES = ["net/first/kernel", "net/first/bias", "net/middle/kernel", "net/last/kernel"]
RATE = WarmUp(0.1, 100, 0.0, "constant")


def test_the_rate_rises_geometrically_from_the_first_layer_to_the_last():
    np.testing.assert_allclose(layer_rates(NAMES, 0.01), [0.01, 0.01, 0.1, 1])
    assert layer_rates(NAMES, 1.0) == [1, 1, 1, 1]
    assert layer_rates(["alone"], 0.5) == [0.5]


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_a_slowed_variable_moves_as_it_would_at_that_rate(name):
    """Not so if gradients were scaled: Adam divides their size out."""

    def after(rate, share):
        variable = tf.Variable([[1.0, -2.0]])
        phase = {"optimizer": name, "weight_decay": 0.01}
        optimizer = get_optimizer(phase, WarmUp(rate, 100, 0.0, "constant"), [variable])
        apply = get_apply(optimizer, [variable], [share])
        for step in range(5):
            apply([tf.constant([[0.3, 0.1 * step]])])
        return variable.numpy()

    np.testing.assert_allclose(after(0.1, 0.25), after(0.025, 1.0), rtol=1e-5)
    assert not np.allclose(after(0.1, 0.25), after(0.1, 1.0))


def test_adamw_decays_kernels_and_leaves_vectors():
    kernel, bias = tf.Variable([[1.0]]), tf.Variable([1.0])
    optimizer = get_optimizer({"optimizer": "adamw", "weight_decay": 0.5}, RATE, [kernel, bias])
    get_apply(optimizer, [kernel, bias], [1.0, 1.0])([tf.zeros([1, 1]), tf.zeros([1])])
    assert float(kernel[0, 0]) == pytest.approx(1 - 0.5 * 0.1)
    assert float(bias[0]) == 1


def test_a_variable_that_the_loss_does_not_depend_on_stays():
    used, unused = tf.Variable([1.0]), tf.Variable([1.0])
    optimizer = get_optimizer({"optimizer": "sgd", "weight_decay": 0.0}, RATE, [used, unused])
    get_apply(optimizer, [used, unused], [1.0, 0.5])([tf.ones([1]), None])
    assert float(used[0]) < 1 and float(unused[0]) == 1
