import io
import struct

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies as st
from image_transform_pictures import encode, exif, pixels, with_segment
from PIL import Image, ImageOps

from components.image_transform import decoding

DECODE = tf.function(decoding.decode, input_signature=[tf.TensorSpec([], tf.string)])
ORIENTATION = tf.function(decoding.orientation, input_signature=[tf.TensorSpec([], tf.string)])
JPEG = encode(pixels(24, 40), "JPEG", quality=95)


def upright_by_pillow(data):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


@pytest.mark.parametrize("after_jfif", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright_as_pillow_does(orientation, order, after_jfif):
    data = with_segment(JPEG, exif(orientation, order), after_jfif=after_jfif)
    ours = DECODE(data).numpy()
    np.testing.assert_array_equal(ours, decoding.decode(tf.constant(data)).numpy())
    pillow = upright_by_pillow(data)
    assert ours.shape == pillow.shape == ((24, 40, 3) if orientation < 5 else (40, 24, 3))
    # Two builds of libjpeg differ by a few shades; a wrong turn differs by dozens.
    assert np.abs(ours.astype(int) - pillow).max() <= 6
    plain = tf.io.decode_jpeg(JPEG, channels=3).numpy()
    assert sorted(ours.ravel()) == sorted(plain.ravel())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_as_pillow_writes_it(orientation):
    tags = Image.Exif()
    tags[0x0110] = "A camera with a name that does not fit into four bytes"
    tags[0x0112] = orientation
    assert ORIENTATION(encode(pixels(8, 8), "JPEG", exif=tags)).numpy() == orientation


def test_a_comment_and_a_large_profile_may_stand_before_the_exif():
    data = with_segment(JPEG, exif(6))
    for marker in (0xE2, 0xFE, 0xE2):
        data = with_segment(data, b"\xff\xe1Exif\0\0" * 6000, marker=marker)
    assert ORIENTATION(data).numpy() == 6
    assert DECODE(data).shape == (40, 24, 3)


def test_xmp_in_the_same_kind_of_segment_is_passed_over():
    data = with_segment(with_segment(JPEG, exif(8)), b"http://ns.adobe.com/xap/1.0/\0<x/>")
    assert ORIENTATION(data).numpy() == 8


def test_a_long_value_is_read_and_other_kinds_are_not():
    for order in "<>":
        assert ORIENTATION(with_segment(JPEG, exif(3, order, kind=4))).numpy() == 3
        assert ORIENTATION(with_segment(JPEG, exif(3, order, count=2))).numpy() == 1
    for kind in (0, 1, 2, 5, 9, 65535):
        assert ORIENTATION(with_segment(JPEG, exif(3, kind=kind))).numpy() == 1


@pytest.mark.parametrize("orientation", [0, 9, 255, 65535])
def test_a_value_out_of_range_counts_as_upright(orientation):
    assert DECODE(with_segment(JPEG, exif(orientation))).shape == (24, 40, 3)


@pytest.mark.parametrize(
    "payload",
    [
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(20),
        b"Exif\0\0MM\0*\x7f\xff\xff\xff" + bytes(20),
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20),
        b"Exif\0\0XX*\0" + exif(6)[10:],
        exif(6)[:-8],
    ],
)
def test_a_damaged_exif_counts_as_upright(payload):
    assert DECODE(with_segment(JPEG, payload)).shape == (24, 40, 3)


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.data())
def test_no_damage_makes_reading_the_orientation_fail(data):
    original = with_segment(
        JPEG, exif(data.draw(st.integers(1, 8)), data.draw(st.sampled_from("<>")))
    )
    broken = bytearray(original[: data.draw(st.integers(0, 90))])
    for _ in range(data.draw(st.integers(0, 6))):
        if broken:
            broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    assert 1 <= ORIENTATION(bytes(broken)).numpy() <= 8


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1"])
)
def test_any_bytes_have_an_orientation(data, start):
    assert ORIENTATION(start + data).numpy() in range(1, 9)


def test_a_file_of_empty_segments_ends():
    data = b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100_000
    assert ORIENTATION(data).numpy() == 1


def grey16():
    return Image.fromarray((pixels(20, 30)[..., 0].astype(np.uint16) << 8) + 77)


COLOURS = Image.fromarray(pixels(20, 30))
KINDS = {
    "jpeg_cmyk": (encode(COLOURS.convert("CMYK"), "JPEG", quality=95), 6),
    "jpeg_grey": (encode(COLOURS.convert("L"), "JPEG", quality=95), 3),
    "jpeg_progressive": (encode(COLOURS, "JPEG", quality=95, progressive=True), 6),
    "png_palette": (encode(COLOURS.convert("P"), "PNG"), 0),
    "png_grey": (encode(COLOURS.convert("L"), "PNG"), 0),
    "png_grey_alpha": (encode(COLOURS.convert("LA"), "PNG"), 0),
    "png_one_bit": (encode(COLOURS.convert("1"), "PNG"), 0),
    "png_alpha": (encode(COLOURS.convert("RGBA"), "PNG"), 0),
    "gif": (encode(COLOURS, "GIF"), 0),
    "bmp": (encode(COLOURS, "BMP"), 0),
    "bmp_alpha": (encode(COLOURS.convert("RGBA"), "BMP"), 0),
    "bmp_grey": (encode(COLOURS.convert("L"), "BMP"), 0),
    "bmp_palette": (encode(COLOURS.convert("P"), "BMP"), 0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_file_becomes_the_rgb_that_pillow_sees(kind):
    data, tolerance = KINDS[kind]
    image = DECODE(data)
    assert image.dtype == tf.uint8
    assert np.abs(image.numpy().astype(int) - upright_by_pillow(data)).max() <= tolerance


def test_sixteen_bits_keep_the_upper_eight():
    image = DECODE(encode(grey16(), "PNG")).numpy()
    np.testing.assert_array_equal(image, np.repeat(pixels(20, 30)[..., :1], 3, -1))


def test_an_animation_gives_its_first_frame():
    frames = [Image.fromarray(np.full((9, 7, 3), shade, np.uint8)) for shade in (10, 200)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(DECODE(data).numpy(), np.full((9, 7, 3), 10))


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.integers(1, 70), st.integers(1, 70), st.sampled_from(["JPEG", "PNG", "BMP"]))
def test_any_size_is_decoded(height, width, kind):
    assert DECODE(encode(pixels(height, width), kind)).shape == (height, width, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"B",
        b"BM",
        b"not a picture",
        JPEG[: len(JPEG) // 2],
        encode(COLOURS, "PNG")[:200],
        encode(COLOURS, "BMP")[:100],
        encode(COLOURS.convert("P"), "BMP")[:100],
        encode(COLOURS.convert("P"), "BMP")[:30]
        + struct.pack("<I", 1)
        + encode(COLOURS.convert("P"), "BMP")[34:],
    ],
)
def test_what_is_no_whole_picture_is_an_error(data):
    with pytest.raises(tf.errors.InvalidArgumentError):
        DECODE(data)


def test_decoding_is_the_same_eagerly_in_tf_data_in_map_fn_and_after_saving(tmp_path):
    files = [data for data, _ in KINDS.values()] + [
        with_segment(encode(pixels(20, 30, seed), "JPEG"), exif(seed)) for seed in range(1, 9)
    ]
    eager = [decoding.decode(tf.constant(data)).numpy() for data in files]

    in_data = tf.data.Dataset.from_tensor_slices(files).map(decoding.decode, num_parallel_calls=2)
    for ours, theirs in zip(in_data, eager, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    module = tf.Module()
    module.decode = DECODE
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    for data, theirs in zip(files, eager, strict=True):
        np.testing.assert_array_equal(loaded.decode(data), theirs)

    landscape = [data for data, image in zip(files, eager, strict=True) if image.shape[0] == 20]
    batch = tf.map_fn(decoding.decode, tf.constant(landscape), fn_output_signature=tf.uint8)
    np.testing.assert_array_equal(batch, [image for image in eager if image.shape[0] == 20])
