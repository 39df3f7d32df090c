import numpy as np
import pytest
import tensorflow as tf

from components.trainer.heads import AuxiliaryHead, Head, squared_norm


def test_the_head_starts_near_even_odds():
    logits = Head(16, 4, seed=3)(tf.ones([2, 16]))
    assert logits.shape == (2, 4)
    np.testing.assert_allclose(tf.nn.softmax(logits), 0.25, atol=0.03)


def test_the_head_is_a_function_of_the_seed():
    first, again, other = (Head(16, 4, seed=seed).kernel.numpy() for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


# Side of the endpoint -> side of the second convolution's kernel, by slim's formula: the pool
# leaves (side - 5) // 3 + 1, of which the kernel takes at most 5.
@pytest.mark.parametrize(("side", "kernel"), [(5, 1), (7, 1), (8, 2), (12, 3), (17, 5), (26, 5)])
def test_the_auxiliary_head_has_slims_shapes(side, kernel):
    head = AuxiliaryHead((side, side, 24), 10, seed=0)
    shapes = {tuple(v.shape) for v in head.trainable_variables if len(v.shape) == 4}
    assert shapes == {(1, 1, 24, 128), (kernel, kernel, 128, 768), (1, 1, 768, 10)}
    assert head(tf.random.stateless_uniform([3, side, side, 24], [0, 0])).shape == (3, 10)


def test_the_auxiliary_head_has_slims_variables_and_spread():
    head = AuxiliaryHead((17, 17, 768), 1000, seed=0)
    by_shape = {tuple(v.shape): v.numpy() for v in head.trainable_variables if len(v.shape) == 4}
    # A normal cut at two deviations spreads 0.88 of its nominal deviation.
    assert by_shape[5, 5, 128, 768].std() == pytest.approx(0.88 * 0.01, rel=0.01)
    assert by_shape[1, 1, 768, 1000].std() == pytest.approx(0.88 * 0.001, rel=0.01)
    assert by_shape[1, 1, 768, 128].std() == pytest.approx((2 / 768) ** 0.5, rel=0.02)
    vectors = sorted(v.shape[0] for v in head.trainable_variables if len(v.shape) == 1)
    assert vectors == [128, 768, 1000]  # two offsets of batch norm without scale, one bias


def test_the_auxiliary_head_normalizes_by_the_batch():
    head = AuxiliaryHead((6, 6, 8), 3, seed=0)
    images = tf.random.stateless_uniform([16, 6, 6, 8], [0, 0])
    np.testing.assert_allclose(head(images * 100), head(images * 900 + 7), atol=1e-4)


def test_the_l2_term_leaves_biases_and_batch_norm_out():
    head = AuxiliaryHead((6, 6, 8), 3, seed=0)
    before = float(squared_norm(head))
    for variable in head.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(variable + 5)
    assert float(squared_norm(head)) == before
    kernels = [v.numpy() for v in head.trainable_variables if len(v.shape) == 4]
    assert before == pytest.approx(sum((k**2).sum() for k in kernels) / 2, rel=1e-5)
