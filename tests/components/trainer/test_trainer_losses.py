import numpy as np
import pytest
import tensorflow as tf

from components.errors import ConfigError
from components.trainer.losses import class_weights, cross_entropy, get_batch_loss

LABELS = tf.constant([0, 2, 2])
LOGITS = tf.constant([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0], [3.0, 0.0, 0.0]])


def log_probabilities():
    return np.log(tf.nn.softmax(LOGITS).numpy())


def test_the_loss_is_the_mean_of_what_the_labels_cost():
    expected = -log_probabilities()[[0, 1, 2], [0, 2, 2]].mean()
    assert float(get_batch_loss(cross_entropy, 3)(LABELS, LOGITS)) == pytest.approx(expected)


def test_smoothing_spreads_its_share_over_all_classes():
    plain = -log_probabilities()[[0, 1, 2], [0, 2, 2]]
    spread = -log_probabilities().mean(1)
    smoothed = get_batch_loss(cross_entropy, 3, smoothing=0.3)(LABELS, LOGITS)
    assert float(smoothed) == pytest.approx((0.7 * plain + 0.3 * spread).mean())


def test_a_weight_counts_each_picture_of_its_class():
    plain = -log_probabilities()[[0, 1, 2], [0, 2, 2]]
    weighted = get_batch_loss(cross_entropy, 3, weights=[2.0, 1.0, 0.5])(LABELS, LOGITS)
    assert float(weighted) == pytest.approx((plain * [2, 0.5, 0.5]).mean())


def test_shares_of_classes_cost_what_their_labels_cost():
    hard = tf.one_hot(LABELS, 3)
    loss = get_batch_loss(cross_entropy, 3, smoothing=0.1, weights=[2.0, 1.0, 0.5])
    assert float(loss(hard, LOGITS)) == pytest.approx(float(loss(LABELS, LOGITS)))
    other = tf.reverse(LABELS, [0])
    half = (hard + tf.one_hot(other, 3)) / 2
    plain = get_batch_loss(cross_entropy, 3)
    mean = (float(plain(LABELS, LOGITS)) + float(plain(other, LOGITS))) / 2
    assert float(plain(half, LOGITS)) == pytest.approx(mean)
    # A mixed picture weighs what its parts weigh.
    one = get_batch_loss(cross_entropy, 3, weights=[2.0, 1.0, 0.5])
    assert float(one(half[:1], LOGITS[:1])) == pytest.approx(
        float(plain(half[:1], LOGITS[:1])) * (2 + 0.5) / 2
    )


def test_balanced_classes_weigh_the_same_and_a_picture_one_on_average():
    counts = np.array([60, 30, 10])
    weights = np.array(class_weights("balanced", ["a", "b", "c"], lambda: counts))
    np.testing.assert_allclose(weights * counts, 100 / 3)
    assert (weights * counts).sum() == pytest.approx(counts.sum())


def test_a_class_without_pictures_has_a_finite_weight():
    assert np.isfinite(class_weights("balanced", ["a", "b"], lambda: np.array([5, 0]))).all()


def test_weights_by_label_leave_the_others_at_one():
    assert class_weights({"b": 3.0}, ["a", "b"], lambda: np.array([1, 1])) == [1.0, 3.0]


def test_a_weight_for_an_unknown_label_names_those_there_are():
    with pytest.raises(ConfigError, match="no label 'x'; there are: a, b"):
        class_weights({"x": 3.0}, ["a", "b"], lambda: np.array([1, 1]))
