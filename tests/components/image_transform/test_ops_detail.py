import numpy as np
import pytest
import tensorflow as tf
from image_transform_pictures import draws, picture
from PIL import Image, ImageEnhance, ImageFilter

from components.image_transform import ops_detail


def pillow(image):
    return Image.fromarray(np.uint8(np.rint(np.asarray(image) * 255)))


def test_blur_is_pillows_gaussian_and_keeps_flat_pictures_flat():
    image = picture(40, 60)
    for sigma in (0.1, 1.0, 2.0):
        (ours,) = draws(ops_detail.blur((sigma, sigma)), image, 1)
        wide = np.pad(np.asarray(image), ((20, 20), (20, 20), (0, 0)), "reflect")
        theirs = pillow(wide).filter(ImageFilter.GaussianBlur(sigma))
        inside = np.asarray(theirs)[20:-20, 20:-20] / 255
        apart = np.abs(ours - inside)[8:-8, 8:-8]  # the rim has no neighbours to take
        assert apart.max() < 0.03, sigma
        flat = tf.fill([5, 3, 3], 0.3)
        np.testing.assert_allclose(draws(ops_detail.blur((sigma, sigma)), flat, 1)[0], flat, 1e-5)


def test_sharpness_is_pillows():
    image = tf.round(picture() * 255) / 255
    for factor in (0.0, 0.5, 1.0, 1.8):
        (ours,) = draws(ops_detail.sharpness((factor, factor)), image, 1)
        theirs = np.asarray(ImageEnhance.Sharpness(pillow(image)).enhance(factor)) / 255
        np.testing.assert_allclose(ours, theirs, atol=1.6 / 255)


def test_noise_has_the_deviation_that_was_drawn_and_is_another_at_every_pixel():
    grey = tf.fill([64, 64, 3], 0.5)
    (one,) = draws(ops_detail.noise((0.05, 0.05)), grey, 1)
    assert abs((one - 0.5).std() - 0.05) < 0.003 and abs(one.mean() - 0.5) < 0.003
    assert np.abs(np.corrcoef((one - 0.5).reshape(-1, 3).T) - np.eye(3)).max() < 0.06
    spread = [other.std() for other in draws(ops_detail.noise((0.0, 0.1)), grey, 60)]
    assert min(spread) < 0.02 and 0.08 < max(spread) < 0.11


def test_jpeg_quality_is_what_storing_as_jpeg_leaves():
    image = tf.round(picture() * 255) / 255
    stored = tf.io.decode_jpeg(
        tf.io.encode_jpeg(tf.cast(tf.round(image * 255), tf.uint8), quality=50)
    )
    (ours,) = draws(ops_detail.jpeg_quality((50, 50)), image, 1)
    np.testing.assert_array_equal(np.rint(ours * 255), stored)
    good = draws(ops_detail.jpeg_quality((100, 100)), image, 1)[0]
    bad = draws(ops_detail.jpeg_quality((1, 1)), image, 1)[0]
    assert np.abs(good - image).mean() < 0.02 < 0.05 < np.abs(bad - image).mean()


def test_erasing_covers_one_box_within_its_bounds():
    image = tf.fill([80, 100, 3], 0.25)
    op = ops_detail.erasing(1.0, area=(0.1, 0.3), aspect=(0.5, 2.0), fill="black")
    boxes = []
    for one in draws(op, image, 200):
        rows, columns = np.nonzero(one[..., 0] == 0)
        top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
        assert (one[top:bottom, left:right] == 0).all()
        assert (one == 0).all(-1).sum() == (bottom - top) * (right - left)
        boxes.append((top, left, bottom - top, right - left))
    top, left, height, width = np.array(boxes).T
    shares, aspects = height * width / 8000, width / height
    assert 0.09 < shares.min() < 0.12 and 0.27 < shares.max() < 0.31
    assert 0.48 < aspects.min() < 0.6 and 1.6 < aspects.max() < 2.1
    assert top.min() == 0 and left.min() == 0
    assert (top + height).max() == 80 and (left + width).max() == 100


@pytest.mark.parametrize(("fill", "spread"), [("grey", 0), ("black", 0), ("noise", 0.2)])
def test_erasing_fills_as_asked(fill, spread):
    white = tf.ones([40, 40, 3])
    (one,) = draws(ops_detail.erasing(1.0, (0.5, 0.5), fill=fill), white, 1)
    covered = one[(one != 1).any(-1)]
    assert 700 < len(covered) < 900
    assert (
        (covered.std() > spread) if spread else (covered == {"grey": 0.5, "black": 0}[fill]).all()
    )


def test_erasing_happens_as_often_as_asked():
    image = picture()
    for probability in (0.0, 0.3, 1.0):
        ones = draws(ops_detail.erasing(probability), image, 200)
        changed = [(one != image.numpy()).any() for one in ones]
        assert abs(np.mean(changed) - probability) < 0.1
