import collections

import pytest
import tiny_evaluator as tiny
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from components.serving_check.pictures import choose, kind


def exif(orientation):
    held = Image.Exif()
    held[0x0112] = orientation
    return held


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "PNG RGB"),
        ({"mode": "L"}, "PNG L"),
        ({"mode": "RGBA"}, "PNG RGBA"),
        ({"mode": "P"}, "PNG P"),
        ({"format": "JPEG"}, "JPEG RGB"),
        ({"format": "JPEG", "exif": exif(1)}, "JPEG RGB"),
        ({"format": "JPEG", "exif": exif(6)}, "JPEG RGB orientation 6"),
        ({"format": "JPEG", "mode": "CMYK"}, "JPEG CMYK"),
        ({"format": "GIF", "mode": "P"}, "GIF RGB"),
        ({"format": "BMP"}, "BMP RGB"),
    ],
)
def test_a_kind_is_what_decoders_treat_apart(arguments, name):
    found = kind(tiny.picture((200, 30, 30), 0, **arguments))
    assert found.split()[0] == name.split()[0]
    if not name.startswith("GIF"):
        assert found == name


def test_what_is_no_picture_has_a_kind_too():
    assert kind(b"no picture") == "other"
    assert kind(b"") == "other"


def test_all_odd_pictures_are_chosen_and_the_rest_spread():
    kinds = ["JPEG RGB"] * 1000
    for i in (7, 300, 999):
        kinds[i] = "JPEG RGB orientation 6"
    kinds[500] = "JPEG CMYK"
    chosen = choose(kinds, 64)
    assert len(chosen) == 64
    assert {7, 300, 500, 999} <= set(chosen)
    gaps = [b - a for a, b in zip(chosen, chosen[1:], strict=False)]
    assert max(gaps) < 20


def test_many_odd_pictures_leave_room_for_the_others():
    kinds = ["JPEG CMYK"] * 400 + ["JPEG RGB"] * 600
    counts = collections.Counter(kinds[i] for i in choose(kinds, 64))
    assert counts == {"JPEG CMYK": 32, "JPEG RGB": 32}


@given(st.lists(st.sampled_from("abcd"), max_size=200), st.integers(1, 64))
def test_as_many_as_asked_for_each_once_and_no_kind_forgotten(kinds, most):
    chosen = choose(kinds, most)
    assert len(chosen) == min(most, len(kinds))
    assert chosen == sorted(set(chosen))
    if most >= 4:
        assert {kinds[i] for i in chosen} == set(kinds)
