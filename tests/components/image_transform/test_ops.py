import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from image_transform_pictures import draws, picture, pixels
from PIL import Image, ImageOps

from components.image_transform import ops_colour, ops_geometry
from components.image_transform.arguments import ARGUMENTS, RETOUCHING, Choice, Number, Pair
from components.image_transform.augmentation import OPS


def arguments_of(name):
    def values(bound):
        if isinstance(bound, Choice):
            return st.sampled_from(bound.words)
        one = (st.integers if bound.whole else st.floats)(bound.low, bound.high)
        if isinstance(bound, Number):
            return one
        assert isinstance(bound, Pair)
        return st.tuples(one, one).map(lambda pair: tuple(sorted(pair)))

    return st.fixed_dictionaries({}, optional={k: values(v) for k, v in ARGUMENTS[name].items()})


@pytest.mark.parametrize("name", OPS)
@hypothesis.settings(max_examples=12, deadline=None)
@hypothesis.given(data=st.data())
def test_an_op_keeps_the_range_for_any_size_and_argument(name, data):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    op = OPS[name](**data.draw(arguments_of(name)))
    seed = tf.constant([data.draw(st.integers(-(2**31), 2**31 - 1)), 3])
    for image in (
        picture(height, width),
        tf.zeros([height, width, 3]),
        tf.ones([height, width, 3]),
    ):
        out = op(image, seed)
        assert out.dtype == tf.float32 and out.shape[-1] == 3 and min(out.shape) > 0
        assert np.isfinite(out).all() and np.min(out) >= 0 and np.max(out) <= 1
        if name in RETOUCHING:
            assert out.shape == image.shape


@pytest.mark.parametrize("name", OPS)
def test_an_op_is_a_function_of_its_seed_eagerly_and_in_tf_data(name):
    image = picture()
    op = OPS[name](probability=0.5) if "probability" in ARGUMENTS[name] else OPS[name]()
    seeds = [[1, n] for n in range(12)]
    eager = [op(image, tf.constant(seed)).numpy() for seed in seeds]
    mapped = tf.data.Dataset.from_tensor_slices(seeds).map(
        lambda s: op(image, s), num_parallel_calls=2
    )
    for ours, theirs in zip(mapped, eager, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    if name not in ("central_crop", "resize", "affine"):
        assert any(one.shape != eager[0].shape or (one != eager[0]).any() for one in eager[1:])


def test_a_random_crop_is_a_box_of_the_image_within_its_bounds():
    y, x = np.mgrid[:80, :100] / 100
    image = tf.constant(np.stack([y, x, y], -1), tf.float32)
    crops = draws(ops_geometry.random_resized_crop(area=(0.2, 0.6), aspect=(0.5, 2.0)), image, 200)
    areas = [crop.shape[0] * crop.shape[1] / 8000 for crop in crops]
    aspects = [crop.shape[1] / crop.shape[0] for crop in crops]
    assert 0.19 < min(areas) < 0.25 and 0.5 < max(areas) < 0.61
    assert 0.48 < min(aspects) < 0.7 and 1.5 < max(aspects) < 2.05
    assert len({(crop[0, 0, 0], crop[0, 0, 1]) for crop in crops}) > 100
    for crop in crops:
        top, left = np.rint(crop[0, 0, :2] * 100).astype(int)
        np.testing.assert_array_equal(
            crop, image[top : top + crop.shape[0], left : left + crop.shape[1]]
        )


def test_a_crop_that_cannot_be_drawn_leaves_the_image():
    thin = picture(1, 40)
    for crop in draws(
        ops_geometry.random_resized_crop(area=(0.9, 1.0), aspect=(1.0, 1.1)), thin, 5
    ):
        np.testing.assert_array_equal(crop, thin)


def test_a_central_crop_is_the_centre():
    image = picture(20, 40)
    (crop,) = draws(ops_geometry.central_crop(0.5), image, 1)
    np.testing.assert_array_equal(crop, image[5:15, 10:30])


def test_flips_mirror_as_often_as_asked():
    image = picture()
    for make, mirrored in (
        (ops_geometry.flip_left_right, image[:, ::-1]),
        (ops_geometry.flip_up_down, image[::-1]),
    ):
        np.testing.assert_array_equal(draws(make(1.0), image, 1)[0], mirrored)
        np.testing.assert_array_equal(draws(make(0.0), image, 1)[0], image)
        flipped = [np.array_equal(one, mirrored) for one in draws(make(0.25), image, 400)]
        assert 0.17 < np.mean(flipped) < 0.33


def test_quarter_turns_are_four_and_equally_likely():
    image = picture()
    wanted = [np.rot90(image, k) for k in range(4)]
    which = [
        [np.array_equal(one, turn) for turn in wanted]
        for one in draws(ops_geometry.quarter_turn(), image, 400)
    ]
    assert np.sum(which) == 400
    assert (np.abs(np.mean(which, 0) - 0.25) < 0.08).all()


def test_an_affine_without_arguments_changes_nothing():
    np.testing.assert_allclose(draws(ops_geometry.affine(), picture(), 1)[0], picture(), atol=1e-6)


def where(image):
    """Centre of mass (down, right) and the direction (degrees) of the brightest pixels' line."""
    weights = image[..., 0]
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    y0, x0 = (weights * y).sum() / weights.sum(), (weights * x).sum() / weights.sum()
    yy, xx = (weights * (y - y0) ** 2).sum(), (weights * (x - x0) ** 2).sum()
    xy = (weights * (x - x0) * (y - y0)).sum()
    return y0, x0, np.degrees(0.5 * np.arctan2(2 * xy, yy - xx)), np.sqrt((xx + yy) / weights.sum())


def bar():
    image = np.zeros((101, 81, 3), np.float32)
    image[30:71, 38:43] = 1
    return tf.constant(image)


def test_an_affine_turns_slants_shifts_and_zooms_up_to_its_limits():
    plain = where(bar().numpy())
    for arguments, index, reach in (
        ({"translation": 0.1}, 0, 10.1),
        ({"translation": 0.1}, 1, 8.1),
        ({"rotation": 20.0}, 2, 20.0),
        ({"shear": 20.0}, 2, 20.0),
    ):
        moved = [
            where(one)[index]
            for one in draws(ops_geometry.affine(**arguments, fill="black"), bar(), 80)
        ]
        change = np.array(moved) - plain[index]
        assert -1.06 * reach < change.min() < -0.85 * reach, arguments
        assert 0.85 * reach < change.max() < 1.06 * reach, arguments
    sizes = [
        where(one)[3] / plain[3]
        for one in draws(ops_geometry.affine(zoom=(0.8, 1.25), fill="black"), bar(), 80)
    ]
    assert 0.78 < min(sizes) < 0.84 and 1.19 < max(sizes) < 1.27


def test_a_turn_keeps_the_shape_of_things_and_the_centre():
    for one in draws(ops_geometry.affine(rotation=180, fill="black"), bar(), 20):
        y, x, _, size = where(one)
        assert abs(y - 50) < 0.2 and abs(x - 40) < 0.2
        assert abs(size / where(bar().numpy())[3] - 1) < 0.02


def test_what_comes_in_from_outside_is_as_asked():
    ones = tf.ones([20, 20, 3])
    black = draws(ops_geometry.affine(translation=0.5, fill="black"), ones, 5)
    assert all(np.min(one) == 0 for one in black)
    for fill in ("reflect", "nearest"):
        for one in draws(ops_geometry.affine(translation=0.5, rotation=40, fill=fill), ones, 5):
            np.testing.assert_allclose(one, ones, atol=1e-6)


def test_brightness_adds_up_to_its_limit_either_way():
    grey = tf.fill([8, 8, 3], 0.5)
    shifts = [one.mean() - 0.5 for one in draws(ops_colour.brightness(0.2), grey, 100)]
    assert -0.2001 <= min(shifts) < -0.17 and 0.17 < max(shifts) <= 0.2001


def test_contrast_scales_the_distance_from_the_mean():
    image = picture() * 0.2 + 0.4
    out = draws(ops_colour.contrast((0.5, 2.0)), image, 100)
    spread = [one[..., 0].std() / image.numpy()[..., 0].std() for one in out]
    assert 0.49 < min(spread) < 0.6 and 1.85 < max(spread) < 2.01
    assert all(abs(np.mean(one) - np.mean(image)) < 1e-3 for one in out)


def test_saturation_goes_from_grey_to_strong():
    image = picture()
    (pale,) = draws(ops_colour.saturation((0.0, 0.0)), image, 1)
    np.testing.assert_allclose(pale[..., 0], pale[..., 1], atol=1e-6)
    hsv = tf.image.rgb_to_hsv(image)
    (strong,) = draws(ops_colour.saturation((2.0, 2.0)), image, 1)
    wanted = tf.clip_by_value(hsv[..., 1] * 2, 0, 1)
    np.testing.assert_allclose(tf.image.rgb_to_hsv(strong)[..., 1], wanted, atol=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.7, 50.0])
def test_saturation_is_that_of_tensorflow(factor):
    flat = np.random.default_rng(0).choice([0.0, 0.3, 1.0], (40, 7, 3))  # ties, greys, black
    for image in (picture(), tf.constant(flat, tf.float32)):
        (ours,) = draws(ops_colour.saturation((factor, factor)), image, 1)
        theirs = tf.image.adjust_saturation(image, factor)
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_hue_turns_the_wheel_and_keeps_greys():
    red = tf.constant(np.full((4, 4, 3), [0.8, 0.2, 0.2]), tf.float32)
    hues = [
        tf.image.rgb_to_hsv(one)[0, 0, 0].numpy() for one in draws(ops_colour.hue(0.1), red, 100)
    ]
    turned = [hue - (hue > 0.5) for hue in hues]
    assert -0.101 < min(turned) < -0.08 and 0.08 < max(turned) < 0.101
    flat = tf.fill([4, 4, 3], 0.3)
    np.testing.assert_allclose(draws(ops_colour.hue(0.5), flat, 1)[0], flat, atol=1e-6)


def test_grey_has_three_equal_channels_and_the_luma_of_the_colours():
    image = picture()
    (out,) = draws(ops_colour.grey(1.0), image, 1)
    np.testing.assert_allclose(
        out, np.repeat(image.numpy() @ [[0.2989], [0.587], [0.114]], 3, -1), atol=1e-3
    )
    np.testing.assert_array_equal(draws(ops_colour.grey(0.0), image, 1)[0], image)


def test_gamma_bends_the_middle_and_leaves_black_and_white():
    ramp = tf.constant(np.tile([[[0.0] * 3, [0.25] * 3, [1.0] * 3]], (2, 1, 1)), tf.float32)
    out = np.array(draws(ops_colour.gamma((0.5, 2.0)), ramp, 200))
    assert (out[:, :, 0] == 0).all() and (out[:, :, 2] == 1).all()
    powers = np.log(out[:, 0, 1, 0]) / np.log(0.25)
    assert 0.5 <= powers.min() < 0.53 and 1.9 < powers.max() <= 2.001
    assert abs(np.mean(powers > 1) - 0.5) < 0.1  # as often lighter as darker


@pytest.mark.parametrize(
    ("op", "theirs"),
    [
        (ops_colour.equalize(1.0), ImageOps.equalize),
        (ops_colour.autocontrast(1.0), ImageOps.autocontrast),
        (ops_colour.posterize((3, 3)), lambda x: ImageOps.posterize(x, 3)),
        (ops_colour.solarize((0.5, 0.5)), lambda x: ImageOps.solarize(x, 128)),
    ],
    ids=["equalize", "autocontrast", "posterize", "solarize"],
)
def test_changes_of_shade_are_pillows(op, theirs):
    few = np.zeros([9, 7, 3], np.uint8)
    few[0, 0], few[1:3] = (10, 200, 30), (90, 90, 220)
    for image in (pixels(60, 45, 3), pixels(50, 60, 4) // 3 + 40, few):
        (ours,) = draws(op, tf.constant(image / 255, tf.float32), 1)
        wanted = np.asarray(theirs(Image.fromarray(image)), np.int32)
        assert np.abs(np.rint(ours * 255) - wanted).max() <= 1


def test_posterize_draws_every_number_of_bits():
    image = tf.constant(np.arange(256).reshape(16, 16, 1).repeat(3, -1) / 255, tf.float32)
    shades = {len(np.unique(one)) for one in draws(ops_colour.posterize((1, 8)), image, 80)}
    assert shades == {2**bits for bits in range(1, 9)}


@pytest.mark.parametrize(
    ("way", "shape", "seen"),
    [("shorter", (20, 40), 1.0), ("stretch", (20, 20), 1.0), ("pad", (20, 20), 0.5)],
)
def test_resize_reaches_the_side_in_its_way(way, shape, seen):
    white = tf.ones([30, 60, 3])
    (out,) = draws(ops_geometry.resize(20, way), white, 1)
    assert out.shape[:2] == shape and abs(out.mean() - seen) < 0.01
    if way == "pad":
        np.testing.assert_allclose(out[6:14], 1, atol=1e-6)
        assert out[:4].max() == 0 and out[-4:].max() == 0
