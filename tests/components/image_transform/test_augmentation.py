import sys

import numpy as np
import pytest
import tensorflow as tf
from image_transform_pictures import encode, pixels

from components.errors import ConfigError
from components.image_transform.augmentation import (
    OPS,
    export_augmentation,
    get_augment,
    get_policy,
    view_seed,
)
from components.image_transform.decoding import decode
from components.image_transform.policies import POLICIES
from components.image_transform.preprocessing import Frame, get_preprocess

SIZE = (40, 48)
EVERY_OP = [{"op": name} for name in OPS]


@pytest.mark.parametrize("spec", [*POLICIES, EVERY_OP], ids=[*POLICIES, "every op"])
def test_a_view_is_equal_eagerly_in_tf_data_and_after_reloading(spec, tmp_path):
    files = [encode(pixels(60, 90, 1), "JPEG"), encode(pixels(71, 45, 2), "PNG")] * 4
    ids = [f"{n:016x}" for n in range(8)]
    views = list(range(0, 24, 3))
    augment = get_augment(spec, Frame(SIZE, 0.9), seed=5)
    eager = [
        augment(decode(tf.constant(f)), tf.constant(i), tf.constant(v, tf.int64)).numpy()
        for f, i, v in zip(files, ids, views, strict=True)
    ]
    assert eager[0].shape == (*SIZE, 3) and eager[0].dtype == np.uint8

    export_augmentation(str(tmp_path / "augmentation"), spec, Frame(SIZE, 0.9), seed=5)
    loaded = tf.saved_model.load(str(tmp_path / "augmentation")).augment
    examples = tf.data.Dataset.from_tensor_slices((files, ids, np.array(views, np.int64)))

    def drawn(function):
        return examples.map(lambda f, i, v: function(decode(f), i, v), num_parallel_calls=2)

    reloaded = [
        loaded(decode(tf.constant(f)), tf.constant(i), tf.constant(v, tf.int64))
        for f, i, v in zip(files, ids, views, strict=True)
    ]
    for way in (drawn(augment), drawn(loaded), reloaded):
        for ours, theirs in zip(way, eager, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_views_differ_by_seed_by_example_and_by_view():
    image = tf.constant(pixels(60, 90))
    first = get_augment("natural", Frame(SIZE, 0.9), seed=1)
    again = get_augment("natural", Frame(SIZE, 0.9), seed=1)
    other = get_augment("natural", Frame(SIZE, 0.9), seed=2)
    base = first(image, "a", 0).numpy()
    np.testing.assert_array_equal(base, again(image, "a", 0))
    for different in (first(image, "a", 1), first(image, "b", 0), other(image, "a", 0)):
        assert (base != different.numpy()).any()


def test_seeds_of_views_are_pinned_and_spread():
    # Pinned: an augmented picture must be drawn again by a later release.
    np.testing.assert_array_equal(view_seed(7, "00ff00ff00ff00ff", 3), [2077003630, 1121900248])
    seeds = {tuple(view_seed(s, i, v).numpy()) for s in (0, 1) for i in "abcd" for v in range(12)}
    assert len(seeds) == 96
    assert all(0 <= part < 2**31 for seed in seeds for part in seed)
    assert view_seed(1, "1/2", 3).numpy().tolist() != view_seed(1, "1", 23).numpy().tolist()


def test_without_ops_a_view_is_what_serving_sees():
    image = pixels(60, 90)
    view = get_augment("none", Frame(SIZE, 0.875), seed=0)(tf.constant(image), "a", 4)
    served = get_preprocess(Frame(SIZE, 0.875), from_pixels=True)(tf.constant(image))
    np.testing.assert_allclose(view, served * 255, atol=0.51)


def test_a_policy_without_a_crop_keeps_the_frame_of_evaluation():
    image = tf.constant(pixels(60, 90) / 255, tf.float32)
    served = get_preprocess(Frame(SIZE, 0.875), from_pixels=True)(tf.constant(pixels(60, 90)))
    still = get_policy([{"op": "flip_left_right", "probability": 0}], Frame(SIZE, 0.875))
    np.testing.assert_allclose(still(image, tf.constant([1, 2])), served, atol=1e-5)
    # A crop of one's own takes its place.
    cropped = get_policy([{"op": "central_crop", "fraction": 1.0}], Frame(SIZE, 0.875))
    whole = get_preprocess(Frame(SIZE), from_pixels=True)(tf.constant(pixels(60, 90)))
    np.testing.assert_allclose(cropped(image, tf.constant([1, 2])), whole, atol=1e-5)


def test_overhead_draws_all_eight_symmetries():
    symmetric_free = [
        one for one in POLICIES["overhead"] if one["op"] in ("flip_left_right", "quarter_turn")
    ]
    assert len(symmetric_free) == 2
    image = pixels(32, 32)
    augment = get_augment(symmetric_free, Frame((32, 32)), seed=0)
    graph = tf.function(lambda view: augment(tf.constant(image), "a", view))
    seen = {graph(tf.constant(view)).numpy().tobytes() for view in range(120)}
    wanted = {
        np.ascontiguousarray(np.rot90(one, k)).tobytes()
        for one in (image, image[:, ::-1])
        for k in range(4)
    }
    assert seen == wanted and len(wanted) == 8


def test_a_large_picture_is_reduced_without_aliasing():
    # Lines one pixel wide become even grey; without antialiasing they would come out as bands.
    lines = np.zeros((512, 512, 3), np.uint8)
    lines[::2] = 255
    spec = [{"op": "random_resized_crop", "area": [0.9, 1.0], "aspect": [1, 1.05]}]
    view = get_augment(spec, Frame((64, 64)), seed=0)(tf.constant(lines), "a", 0).numpy()
    assert view[4:-4].std() < 6


def test_a_small_picture_keeps_its_contrast_when_it_is_turned():
    checks = np.kron(np.indices((4, 4)).sum(0) % 2, np.ones((2, 2)))[..., None].repeat(3, -1)
    image = tf.constant((checks * 255).astype(np.uint8))
    plain = get_augment("none", Frame((64, 64)), seed=0)(image, "a", 0).numpy()
    augment = get_augment([{"op": "affine", "rotation": 45}], Frame((64, 64)), seed=0)
    views = [augment(image, "a", view).numpy() for view in range(8)]
    assert plain.std() > 60
    assert min(view.std() for view in views) > 0.9 * plain.std()


def test_a_policy_without_a_random_crop_reaches_the_size_as_evaluation_does():
    image = pixels(60, 90)
    for resize in ("stretch", "pad"):
        frame = Frame(SIZE, 0.875, resize)
        still = get_augment([{"op": "flip_left_right", "probability": 0}], frame, seed=0)
        served = get_preprocess(frame, from_pixels=True)(tf.constant(image))
        np.testing.assert_allclose(still(tf.constant(image), "a", 0), served * 255, atol=0.51)


OWN = """
import numpy as np
import tensorflow as tf

def halved(share=0.5):
    return lambda image, seed: image[: tf.maximum(tf.shape(image)[0] // 2, 1)] * share

def beyond():
    return lambda image, seed: image * 9 - 4

def flat():
    return lambda image, seed: tf.reduce_mean(image, -1)

def in_python():
    return lambda image, seed: tf.numpy_function(lambda x: x, [image], tf.float32)

def broken():
    return lambda image, seed: image[9999, 0]

constant = 3
"""


@pytest.fixture
def own_ops(tmp_path, monkeypatch):
    (tmp_path / "own_ops.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("own_ops", None)


def test_an_op_of_ones_own_comes_by_import_path(own_ops, tmp_path):
    image = tf.constant(pixels(60, 90))
    spec = [{"op": "own_ops.halved", "share": 0.25}, {"op": "flip_left_right", "probability": 0}]
    view = get_augment(spec, Frame((30, 90)), seed=0)(image, "a", 0).numpy()
    np.testing.assert_allclose(view, pixels(60, 90)[:30] * 0.25, atol=0.51)
    export_augmentation(str(tmp_path / "graph"), spec, Frame((30, 90)), seed=0)
    sys.modules.pop("own_ops")  # the graph needs none of it
    loaded = tf.saved_model.load(str(tmp_path / "graph"))
    np.testing.assert_array_equal(view, loaded.augment(image, "a", 0))
    np.testing.assert_array_equal(view * np.float32(1 / 255), loaded.augment_unit(image, "a", 0))


def test_what_an_op_of_ones_own_gives_is_kept_in_range(own_ops):
    spec = [{"op": "own_ops.beyond"}, {"op": "gamma", "exponent": [0.5, 0.5]}]
    view = get_policy(spec, Frame(SIZE))(tf.constant(pixels(60, 90) / 255, tf.float32), [1, 2])
    assert np.isfinite(view).all() and np.min(view) == 0 and np.max(view) == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"op": "own_ops.missing"}, ["'own_ops.missing' cannot be imported"]),
        ({"op": "own_ops.constant"}, ["cannot be called"]),
        ({"op": "own_ops.halved", "shore": 1}, ["own_ops.halved", "shore"]),
        ({"op": "own_ops.flat"}, ["own_ops.flat", "float32 [5, 7]", "[height, width, 3]"]),
        ({"op": "own_ops.broken"}, ["own_ops.broken", "InvalidArgumentError"]),
        ({"op": "own_ops.in_python"}, ["own_ops.in_python", "tf.numpy_function", "TensorFlow ops"]),
    ],
)
def test_an_op_of_ones_own_that_cannot_be_used_is_said_at_once(own_ops, spec, said):
    with pytest.raises(ConfigError) as error:
        get_policy([spec], Frame(SIZE))
    message = str(error.value)
    assert message.startswith("transform.augment: ")
    for words in said:
        assert words in message


def test_an_unknown_op_is_named():
    with pytest.raises(ConfigError, match="did you mean 'brightness'"):
        get_policy([{"op": "brightnes"}], Frame(SIZE))
