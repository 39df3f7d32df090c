import base64
import io

import hypothesis
import imagehash
import nasty
import numpy as np
import PIL.Image
import PIL.ImageEnhance
import pytest
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_sample_image

from components.image_example_gen.decoder import decode_all
from components.image_example_gen.near_copies import (
    DIFFERENCE,
    all_near,
    earliest_near,
    near_marks,
)


def mark_of(image, kind="JPEG", **options):
    return mark_of_file(nasty.encoded(image, kind, **options))


def mark_of_file(data):
    return near_marks(decode_all([data])[0].small[None])[0]


def near(*marks):
    return earliest_near(marks, DIFFERENCE)


@pytest.fixture(scope="module", params=["china.jpg", "flower.jpg", "soft"])
def photo(request):
    if request.param == "soft":
        return nasty.picture(np.random.default_rng(0), 90, 120)
    return PIL.Image.fromarray(load_sample_image(request.param))


def test_a_copy_that_was_saved_again_made_smaller_or_lighter_is_near(photo):
    half = photo.resize((photo.width // 2, photo.height // 2))
    lighter = PIL.ImageEnhance.Brightness(photo).enhance(1.1)
    copies = mark_of(photo, quality=50), mark_of(half), mark_of(lighter), mark_of(photo, "PNG")
    assert near(mark_of(photo, quality=95), *copies) == [None, 0, 0, 0, 0]


def test_of_one_picture_all_near_copies_are_found(photo):
    half = photo.resize((photo.width // 2, photo.height // 2))
    mirrored = photo.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    marks = [mark_of(half), "", mark_of(mirrored), mark_of(photo, quality=50)]
    assert all_near(mark_of(photo), marks, DIFFERENCE) == [0, 3]
    assert all_near("", marks, DIFFERENCE) == all_near(mark_of(photo), [], DIFFERENCE) == []


def test_another_cut_or_a_mirror_image_is_not_near(photo):
    other = photo.crop((0, 0, photo.width // 2, photo.height))
    mirrored = photo.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
    assert near(mark_of(photo), mark_of(other), mark_of(mirrored)) == [None] * 3


def test_an_upright_copy_of_a_turned_photograph_is_near(photo):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    photo.transpose(PIL.Image.Transpose.ROTATE_90).save(buffer, "JPEG", exif=exif)
    assert near(mark_of_file(buffer.getvalue()), mark_of(photo)) == [None, 0]


def test_different_digits_are_no_copies():
    digits = [PIL.Image.fromarray((x * 15).astype("uint8")) for x in load_digits().images[:500]]
    marks = [mark_of(digit, "PNG") for digit in digits]
    assert near(*marks) == [None] * 500
    assert near(*marks, *marks) == [None] * 500 + list(range(500))


def test_a_picture_of_one_shade_is_like_none():
    grey = mark_of(PIL.Image.new("RGB", (50, 40), (90, 90, 90)))
    assert grey == "" and near(grey, grey) == [None, None]


@hypothesis.given(st.integers(0, 2**32 - 1))
def test_the_hash_is_that_of_imagehash(seed):
    grey = np.random.default_rng(seed).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    hashes = [str(imagehash.phash(PIL.Image.fromarray(one))) for one in grey]
    assert [mark[:16] for mark in near_marks(grey)] == hashes


def made(bits, shades):
    return f"{bits:016x}{base64.b64encode(np.uint8(shades).tobytes()).decode()}"


bits = st.integers(0, 2**64 - 1)
flips = st.sets(st.integers(0, 63), max_size=9)


@hypothesis.given(
    st.lists(st.tuples(st.integers(0, 2), flips, st.integers(0, 3), st.sampled_from("ab"))), bits
)
def test_it_is_the_first_that_differs_by_few_bits_and_little_shade(pictures, base):
    ramp = np.arange(256, dtype=np.uint8)
    hashes = [
        base ^ which * 0x0F0F_F0F0_3333_CCCC ^ sum(1 << b for b in f) for which, f, _, _ in pictures
    ]
    shades = [np.roll(ramp, 3 * level) for _, _, level, _ in pictures]
    sides = [side for *_, side in pictures]
    marks = [made(h & 2**64 - 1, s) for h, s in zip(hashes, shades, strict=True)]
    spread = ramp.std()

    def brute(i, apart):
        for j in range(i):
            far = np.sqrt(((shades[i] * 1.0 - shades[j]) ** 2).mean()) / spread
            few = ((hashes[i] ^ hashes[j]) & 2**64 - 1).bit_count() <= 6
            if few and far <= 0.45 and not (apart and sides[i] == sides[j]):
                return j
        return None

    assert earliest_near(marks, 0.45) == [brute(i, False) for i in range(len(marks))]
    assert earliest_near(marks, 0.45, sides) == [brute(i, True) for i in range(len(marks))]


def test_many_pictures_that_are_all_alike_are_found_at_once():
    assert near(*[made(5, range(256))] * 3000) == [None] + [0] * 2999
