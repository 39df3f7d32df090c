import numpy as np
import tensorflow as tf
from image_transform_pictures import draws, picture
from PIL import Image, ImageEnhance, ImageOps

from components.image_transform.ops_automatic import RAND_AUGMENT, rand_augment, trivial_augment


def pillow_changes(image, magnitude):
    """What AutoAugment's colour changes are in Pillow, all signs, at a RandAugment magnitude."""
    strength = magnitude / 30
    picture = Image.fromarray(np.uint8(np.rint(image * 255)))
    bits = 8 - round(strength * RAND_AUGMENT.bits)
    yield picture
    yield ImageOps.autocontrast(picture)
    yield ImageOps.equalize(picture)
    yield ImageOps.solarize(picture, round(256 - strength * 256))
    yield ImageOps.posterize(picture, bits)
    for enhance in ("Color", "Contrast", "Brightness", "Sharpness"):
        for sign in (-1, 1):
            factor = 1 + sign * strength * RAND_AUGMENT.factor
            yield getattr(ImageEnhance, enhance)(picture).enhance(factor)


def test_one_change_of_rand_augment_is_one_of_pillows_or_moves_pixels():
    image = np.asarray(picture(40, 50)) * 0.7 + 0.2 * np.random.default_rng(0).random([40, 50, 3])
    image = np.rint(image * 255) / 255
    wanted = [np.asarray(one) / 255 for one in pillow_changes(image, 15)]
    found, moved = set(), 0
    for one in draws(rand_augment(1, 15), tf.constant(image, tf.float32), 400):
        apart = [np.abs(one - other).mean() for other in wanted]
        if min(apart) < 1.2 / 255:
            found.add(int(np.argmin(apart)))
        else:
            moved += 1
    assert found == set(range(len(wanted)))
    assert abs(moved / 400 - 5 / 14) < 0.08


def test_rand_augment_of_no_magnitude_leaves_all_but_contrast_stretching():
    image = np.asarray(picture(40, 50))
    stretched = [  # already so
        np.asarray(one) / 255
        for one in (
            ImageOps.autocontrast(Image.fromarray(np.uint8(image * 255))),
            ImageOps.equalize(Image.fromarray(np.uint8(image * 255))),
        )
    ]
    for one in draws(rand_augment(1, 0), tf.constant(image), 60):
        assert min(np.abs(one - other).max() for other in (image, *stretched)) < 2 / 255


def test_more_changes_go_further():
    image = picture()
    apart = [
        np.mean([np.abs(x - image).mean() for x in draws(rand_augment(count, 9), image, 60)])
        for count in (1, 3)
    ]
    assert apart[1] > 1.5 * apart[0]


def test_trivial_augment_draws_its_magnitude_and_reaches_further():
    image = picture()
    gentle = [np.abs(x - image).mean() for x in draws(rand_augment(1, 5), image, 150)]
    wide = [np.abs(x - image).mean() for x in draws(trivial_augment(), image, 150)]
    assert np.max(wide) > 1.5 * np.max(gentle)
    assert len({round(float(x), 4) for x in wide}) > 90
