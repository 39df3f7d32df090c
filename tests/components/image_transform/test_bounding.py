import io

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from image_transform_pictures import encode, exif, pixels, with_segment
from PIL import Image
from sklearn.datasets import load_sample_image

from components.image_transform.bounding import get_bound
from components.image_transform.decoding import decode

BOUND = tf.function(get_bound(40), input_signature=[tf.TensorSpec([], tf.string)])


def bounded(data):
    return BOUND(data).numpy()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_what_is_small_and_upright_keeps_its_bytes(kind):
    for size in ((40, 300), (1, 1), (39, 40)):
        data = encode(Image.fromarray(pixels(*size)), kind)
        assert bounded(data) == data


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_what_is_large_becomes_a_jpeg_with_that_shorter_side(kind):
    image = Image.open(io.BytesIO(bounded(encode(Image.fromarray(pixels(90, 200)), kind))))
    assert image.format == "JPEG" and image.size == (89, 40) and image.mode == "RGB"


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.integers(1, 700), st.integers(1, 700), st.sampled_from(["JPEG", "PNG"]))
@hypothesis.example(193, 700, "JPEG")
def test_any_size_is_bounded_and_keeps_its_shape(height, width, kind):
    image = decode(tf.constant(bounded(encode(pixels(height, width), kind))))
    ours = image.shape[:2]
    assert min(ours) == min(height, width, 40)
    wanted = max(height, width) * min(ours) / min(height, width)
    # The decoder rounds a halved side, of twice 40 pixels or more, up to a whole one.
    assert abs(max(ours) - wanted) <= 0.75 + wanted / (2 * 2 * 40)


@pytest.mark.parametrize("side", [32, 100, 400])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_turned_picture_is_stored_upright_whether_small_or_large(side, orientation):
    jpeg = encode(pixels(side, 2 * side), "JPEG", quality=98)
    data = bounded(with_segment(jpeg, exif(orientation)))
    assert "exif" not in Image.open(io.BytesIO(data)).info
    ours = decode(tf.constant(data)).numpy().astype(float)
    upright = decode(tf.constant(with_segment(jpeg, exif(orientation)))).numpy()
    assert ours.shape[:2] == ((min(side, 40), min(side, 40) * 2)[:: 1 if orientation < 5 else -1])
    theirs = tf.image.resize(upright, ours.shape[:2], method="area")
    assert np.abs(ours - theirs).max() < 12


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_stored_as_rgb(mode):
    data = encode(Image.fromarray(pixels(400, 300)).convert(mode), "JPEG", quality=95)
    image = decode(tf.constant(bounded(data))).numpy().astype(float)
    theirs = tf.image.resize(decode(tf.constant(data)), image.shape[:2], method="area")
    assert np.abs(image - theirs).mean() < 3


@pytest.mark.parametrize("size", [(52, 60), (120, 300), (211, 167), (427, 640)])
def test_a_reduced_photograph_is_as_good_as_one_decoded_in_full(size):
    photograph = Image.fromarray(load_sample_image("china.jpg"))
    data = encode(photograph.resize(size[::-1], Image.Resampling.LANCZOS), "JPEG", quality=95)
    ours = decode(tf.constant(bounded(data))).numpy().astype(float)
    exact = tf.image.resize(decode(tf.constant(data)), ours.shape[:2], method="area")
    # The same picture, reduced in full and put through the same JPEG.
    rounded = tf.cast(tf.round(exact), tf.uint8)
    theirs = tf.io.decode_jpeg(tf.io.encode_jpeg(rounded, quality=95)).numpy()
    error, unavoidable = (np.sqrt(np.mean((one - exact) ** 2)) for one in (ours, theirs))
    assert error < 1.5 * unavoidable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        encode(pixels(30, 30), "JPEG")[:-300],
        encode(pixels(900, 900), "JPEG")[:5000],
    ],
)
def test_what_cannot_be_decoded_is_an_error(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        bounded(data)
