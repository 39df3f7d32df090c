import numpy as np
import pytest
import tensorflow as tf

from components.image_transform.ops_batch import cutmix, mixup, one_of


def batch(count=8, side=16, classes=3):
    """Pictures of one shade each, the share of class 0 being the shade."""
    shades = np.linspace(0, 1, count, dtype=np.float32)
    images = np.tile(shades[:, None, None, None], [1, side, side, 3])
    targets = np.stack([shades, 1 - shades, shades * 0], -1)[:, :classes]
    return tf.constant(images), tf.constant(targets)


def seeds(count):
    return [tf.constant([3, n]) for n in range(count)]


@pytest.mark.parametrize("op", [mixup(0.3), mixup(1.0), cutmix(), one_of([mixup(), cutmix()])])
def test_labels_are_mixed_as_the_pixels_are(op):
    images, targets = batch()
    graph = tf.function(op)
    for seed in seeds(20):
        mixed, soft = graph(images, targets, seed)
        assert mixed.shape == images.shape and soft.shape == targets.shape
        # Shade stands for class 0, so the mean shade of a picture is its share of that class.
        np.testing.assert_allclose(np.mean(mixed, (1, 2, 3)), soft[:, 0], atol=1e-5)
        np.testing.assert_allclose(np.sum(soft, -1), 1, atol=1e-5)
        assert np.min(mixed) >= 0 and np.max(mixed) <= 1
        again, _ = op(images, targets, seed)
        np.testing.assert_allclose(again, mixed, atol=1e-6)


def test_mixup_draws_from_the_beta_distribution():
    images, targets = batch(2, 1)
    for alpha in (0.2, 1.0, 4.0):
        op = tf.function(mixup(alpha))
        shares = np.array([op(images, targets, seed)[1][1, 0] for seed in seeds(600)])
        assert abs(shares.mean() - 0.5) < 0.06
        assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.02, alpha


def test_a_tiny_alpha_gives_one_of_the_two_and_never_nothing():
    images, targets = batch(2, 1)
    op = tf.function(mixup(0.01))
    shares = np.array([op(images, targets, seed)[1][1, 0] for seed in seeds(200)])
    assert np.isfinite(shares).all() and np.mean(np.minimum(shares, 1 - shares)) < 0.05


def test_cutmix_shows_a_box_of_the_other_picture():
    images, targets = batch(2, 32)
    op = tf.function(cutmix())
    boxes = set()
    for seed in seeds(40):
        mixed, _ = op(images, targets, seed)
        white = np.asarray(mixed)[0, ..., 0] == 1  # the other one is white
        if not white.any():
            continue
        rows, columns = np.nonzero(white)
        box = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        assert white[box[0] : box[1], box[2] : box[3]].all()
        assert white.sum() == (box[1] - box[0]) * (box[3] - box[2])
        boxes.add(box)
    assert len(boxes) > 20


def test_one_of_applies_each_as_often():
    images, targets = batch(4)
    same = lambda x, y, seed: (x, y)
    gone = lambda x, y, seed: (x * 0, y)
    op = tf.function(one_of([same, gone]))
    black = [np.max(op(images, targets, seed)[0]) == 0 for seed in seeds(100)]
    assert 0.35 < np.mean(black) < 0.65
