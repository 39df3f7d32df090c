import io

import nasty
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from components.image_example_gen.decoder import decode_all
from components.image_example_gen.normalising import normalised, to_png
from components.image_example_gen.pictures import Unusable, read_header
from components.image_transform.decoding import decode

RNG = np.random.default_rng(0)
LIMIT = 10**6


def picture():
    return nasty.picture(RNG, 60, 80)


def pixels(data):
    """What training and serving see of encoded bytes."""
    return decode(tf.constant(normalised(data, LIMIT))).numpy()


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exact": True}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_webp_keeps_its_pixels(mode, options):
    image = picture()
    if mode == "RGBA":
        image.putalpha(PIL.Image.fromarray(RNG.integers(0, 256, (60, 80), dtype=np.uint8)))
    data = nasty.encoded(image, "WEBP", **options)
    assert read_header(data, LIMIT) == ("WebP", 4800, 3)
    seen = PIL.Image.open(io.BytesIO(data)).convert(mode)
    np.testing.assert_array_equal(pixels(data), np.asarray(seen)[..., :3])


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "CMYK"])
def test_tiff_keeps_its_pixels(mode, compression):
    image = picture().convert(mode)
    data = nasty.encoded(image, "TIFF", compression=compression)
    assert read_header(data, LIMIT).format == "TIFF"
    np.testing.assert_array_equal(pixels(data), np.asarray(image.convert("RGB")))


def test_of_sixteen_bits_the_upper_eight_are_kept_as_of_a_png():
    deep = PIL.Image.fromarray(RNG.integers(0, 2**16, (60, 80), dtype=np.uint16))
    tiff, png = nasty.encoded(deep, "TIFF"), nasty.encoded(deep, "PNG")
    np.testing.assert_array_equal(pixels(tiff), pixels(png))


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
def test_a_turned_picture_becomes_upright(kind):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    image = picture()
    options = {"lossless": True} if kind == "WEBP" else {}
    data = nasty.encoded(image, kind, exif=exif, **options)
    upright = np.asarray(image.transpose(PIL.Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(pixels(data), upright)
    assert decode_all([normalised(data, LIMIT)])[0][:2] == (80, 60)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF"])
def test_of_several_pictures_the_first_counts(kind):
    images = [picture() for _ in range(3)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = nasty.encoded(images[0], kind, save_all=True, append_images=images[1:], **options)
    np.testing.assert_array_equal(pixels(data), np.asarray(images[0]))


def test_what_tensorflow_reads_keeps_its_bytes():
    for kind in ("JPEG", "PNG", "GIF", "BMP"):
        data = nasty.encoded(picture(), kind)
        assert normalised(data, LIMIT) is data


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"xmp": b"<x/>"}])
def test_a_huge_webp_is_seen_before_it_is_unpacked(options):
    data = nasty.encoded(PIL.Image.new("RGB", (5000, 4000)), "WEBP", **options)
    with pytest.raises(Unusable, match=r"20000000 pixels \(5000 x 4000\), more than"):
        read_header(data[:64], LIMIT)


def test_a_huge_tiff_is_seen_before_it_is_unpacked():
    data = nasty.encoded(PIL.Image.new("1", (9000, 9000)), "TIFF", compression="group4")
    with pytest.raises(Unusable, match=r"81000000 pixels \(9000 x 9000\), more than"):
        read_header(data, LIMIT)


@pytest.mark.parametrize("tags", [{254: 1}, {50706: b"\1\4\0\0"}])
def test_a_cameras_raw_file_is_no_picture_of_its_thumbnail(tags):
    with pytest.raises(Unusable, match="camera's raw format"):
        read_header(nasty.encoded(picture(), "TIFF", tiffinfo=tags), LIMIT)


def test_numbers_without_a_shade_are_refused():
    heights = PIL.Image.fromarray(RNG.normal(size=(60, 80)).astype(np.float32))
    with pytest.raises(Unusable, match="32 bits a pixel"):
        read_header(nasty.encoded(heights, "TIFF"), LIMIT)


@pytest.mark.parametrize("kind", ["WebP", "TIFF"])
def test_a_damaged_file_is_said(kind):
    whole = nasty.encoded(picture(), kind)
    with pytest.raises(Unusable, match="is cut off|is damaged"):
        read_header(whole[:15], LIMIT)
    with pytest.raises(Unusable):
        to_png(whole[: len(whole) // 2], kind)
