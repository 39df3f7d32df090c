import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from image_transform_pictures import encode, exif, pixels, with_segment
from PIL import Image

from components.image_transform.decoding import decode, turn_upright
from components.image_transform.preprocessing import Frame, get_preprocess


def test_the_whole_box_at_its_own_size_comes_back_unchanged():
    image = pixels(32, 48)
    ours = get_preprocess(Frame((32, 48)))(tf.constant(encode(image, "PNG")))
    np.testing.assert_allclose(ours, image / 255, atol=1e-6)


def test_a_crop_in_whole_pixels_is_the_centre():
    image = pixels(40, 60)
    ours = get_preprocess(Frame((20, 30), 0.5), from_pixels=True)(tf.constant(image))
    np.testing.assert_allclose(ours, image[10:30, 15:45] / 255, atol=1e-6)


def test_nothing_is_stretched():
    # A circle in a wide picture stays a circle: as wide as high.
    y, x = np.mgrid[:100, :260]
    disc = ((y - 49.5) ** 2 + (x - 129.5) ** 2 < 35**2) * np.uint8(255)
    ours = get_preprocess(Frame((64, 64)), from_pixels=True)(tf.constant(np.stack([disc] * 3, -1)))
    inside = ours.numpy()[..., 0] > 0.5
    assert inside.any(0).sum() == inside.any(1).sum() == 44  # 64 % of 69


def test_it_is_the_antialiased_resize_of_tensorflow_and_close_to_pillow():
    image = pixels(120, 120)
    noise = np.random.default_rng(0).integers(-60, 60, image.shape)
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    ours = get_preprocess(Frame((40, 40)), from_pixels=True)(tf.constant(image)).numpy()
    theirs = tf.image.resize(image, (40, 40), antialias=True) / 255
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    pillow = Image.fromarray(image).resize((40, 40), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(ours, np.asarray(pillow) / 255, atol=1.5 / 255)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(
    height=st.one_of(st.just(1), st.integers(1, 300)),
    width=st.one_of(st.just(1), st.integers(1, 300)),
    size=st.tuples(st.integers(32, 80), st.integers(32, 80)),
    crop_fraction=st.floats(0.05, 1.0),
    shade=st.sampled_from([0, 1, 128, 255]),
)
def test_any_size_fills_the_output_without_an_edge(height, width, size, crop_fraction, shade):
    flat = np.full((height, width, 3), shade, np.uint8)
    ours = get_preprocess(Frame(size, crop_fraction))(tf.constant(encode(flat, "PNG")))
    assert ours.shape == (*size, 3) and ours.dtype == tf.float32
    assert 0 <= np.min(ours) and np.max(ours) <= 1
    np.testing.assert_allclose(ours, np.full((*size, 3), shade / 255), atol=2e-6)


FILES = {
    "landscape": encode(pixels(60, 100), "JPEG"),
    "portrait": encode(pixels(90, 33), "PNG"),
    "one pixel": encode(pixels(1, 1), "PNG"),
    "a line": encode(pixels(1, 200), "JPEG"),
    "grey": encode(Image.fromarray(pixels(40, 40)).convert("L"), "JPEG"),
    "palette": encode(Image.fromarray(pixels(41, 40)).convert("P"), "PNG"),
    "turned": with_segment(encode(pixels(60, 100), "JPEG"), exif(6)),
}


def test_pixels_are_equal_eagerly_in_tf_data_in_map_fn_and_after_reloading(tmp_path):
    preprocess = get_preprocess(Frame((48, 64), 0.875))
    eager = {name: preprocess(tf.constant(data)).numpy() for name, data in FILES.items()}

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def serve(batch):
        return tf.map_fn(preprocess, batch, fn_output_signature=tf.float32)

    module.serve = serve
    tf.saved_model.save(module, str(tmp_path / "saved"))
    batch = list(FILES.values())
    reloaded = tf.saved_model.load(str(tmp_path / "saved")).serve(tf.constant(batch))
    in_data = tf.data.Dataset.from_tensor_slices(batch).map(preprocess, num_parallel_calls=2)
    assert in_data.element_spec.shape == (48, 64, 3)
    for name, served, mapped in zip(FILES, reloaded, in_data, strict=True):
        np.testing.assert_array_equal(served, eager[name], err_msg=name)
        np.testing.assert_array_equal(mapped, eager[name], err_msg=name)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_photograph_is_served_upright(orientation):
    preprocess = get_preprocess(Frame((32, 32)))
    upright = encode(pixels(64, 64), "JPEG", quality=95)
    stored_turned = with_segment(upright, exif(orientation))
    expected = turn_upright(decode(tf.constant(upright)), orientation)
    expected = get_preprocess(Frame((32, 32)), from_pixels=True)(expected)
    np.testing.assert_array_equal(preprocess(tf.constant(stored_turned)), expected)
    assert np.abs(preprocess(tf.constant(upright)) - expected).max() > 0.05
