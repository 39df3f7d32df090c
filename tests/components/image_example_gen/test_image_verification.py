import warnings

import hypothesis
import nasty
import numpy as np
import PIL.Image
import pytest
from hypothesis import strategies as st

from components.image_example_gen.decoder import decode_all
from components.image_example_gen.listing import Entry
from components.image_example_gen.pictures import Unusable, read_header
from components.image_example_gen.reading import MAX_BYTES, read_unit, units
from components.image_transform.decoding import decode

RNG = np.random.default_rng(0)
LIMIT = 10**6


@pytest.mark.parametrize(
    "mode, kind, channels",
    [
        ("L", "JPEG", 1),
        ("RGB", "JPEG", 3),
        ("CMYK", "JPEG", 4),
        ("1", "PNG", 1),
        ("L", "PNG", 1),
        ("LA", "PNG", 2),
        ("P", "PNG", 3),
        ("RGBA", "PNG", 4),
        ("RGB", "BMP", 3),
        ("P", "GIF", 3),
        ("L", "GIF", 3),
    ],
)
def test_a_header_tells_format_size_and_channels(mode, kind, channels):
    data = nasty.encoded(nasty.picture(RNG, 60, 80).convert(mode), kind)
    assert read_header(data, LIMIT) == (kind, 4800, channels)
    assert decode_all([data])[0][:2] == (60, 80)


def test_bombs_are_seen_before_anything_is_unpacked_and_whatever_the_bound():
    bomb = nasty.png_bomb(40_000)
    assert len(bomb) < 200_000
    with warnings.catch_warnings():
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        with pytest.raises(Unusable, match=r"1600000000 pixels \(40000 x 40000\), more than"):
            read_header(bomb, LIMIT)
        assert read_header(bomb, 2 * 10**9).pixels == 40_000**2  # Pillow's own bound is 1.8e8


def test_frames_of_an_animation_count_together():
    frames = [nasty.picture(RNG, 60, 80) for _ in range(5)]
    data = nasty.encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_header(data, LIMIT).pixels == pytest.approx(5 * 4800, rel=0.1)
    with pytest.raises(Unusable, match="60 x 80|80 x 60, but many frames"):
        read_header(data, 3 * 4800)
    with pytest.raises(Unusable, match="10800000100 pixels"):
        read_header(nasty.gif_bomb(60_000, 3), LIMIT)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b""]), st.binary()
)
def test_any_bytes_are_a_header_or_a_reason(magic, rest):
    try:
        read_header(magic + rest, LIMIT)
    except Unusable as e:
        assert str(e).startswith(("is ", "has "))


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(st.data())
def test_what_is_accepted_decodes_in_training_and_serving_and_damage_is_a_reason(data):
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP"]))
    good = nasty.encoded(nasty.picture(np.random.default_rng(1), 20, 30), kind)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + data.draw(st.binary(max_size=3)) + good[place + 3 :]
    try:
        read_header(bad, LIMIT)
    except Unusable as e:
        assert str(e)
        return
    (said,) = decode_all([bad])
    if isinstance(said, str):
        assert said
    else:
        assert decode(bad).shape == (said.height, said.width, 3)


def test_sizes_are_those_of_the_upright_picture():
    data = nasty.encoded(nasty.picture(RNG, 60, 80), "JPEG", exif=nasty._orientation(6))
    assert decode_all([data])[0][:2] == (80, 60)


def test_what_tensorflow_says_is_one_short_line():
    data = nasty.encoded(nasty.picture(RNG), "JPEG")
    (said,) = decode_all([data[:-500]])
    assert said.startswith("jpeg::Uncompress failed. Invalid JPEG data or crop w")


def test_one_damaged_picture_does_not_hide_the_others():
    good = nasty.encoded(nasty.picture(RNG, 60, 80), "JPEG")
    first, bad, last = decode_all([good, good[:-500], good])
    assert isinstance(bad, str)
    assert first[:2] == last[:2] == (60, 80)
    np.testing.assert_array_equal(first.small, last.small)


# Reading


def test_batches_are_bounded_by_bytes_and_number_and_keep_the_order(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    sizes = [5 << 20, 5 << 20, 1, 1, 10 << 20] + [1] * 100
    unit = [Entry(str(i), "a", str(tmp_path / "x"), size=size) for i, size in enumerate(sizes)]
    batches = list(read_unit(unit))
    assert [len(batch) for batch in batches] == [1, 3, 1, 64, 36]
    assert [read.entry.path for batch in batches for read in batch] == [e.path for e in unit]
    assert batches[0][0].data == b"12345"


def test_a_unit_is_bounded_and_never_of_two_record_files():
    entries = [Entry(str(i), "a", "x", size=200 << 20) for i in range(5)]
    assert [len(unit) for unit in units(entries)] == [2, 2, 1]
    records = [Entry(str(i), "a", f"file{i // 3}", record=i % 3) for i in range(7)]
    assert [len(unit) for unit in units(records)] == [3, 3, 1]
    assert units([]) == []


def test_what_cannot_be_read_has_a_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("components.image_example_gen.reading.MAX_BYTES", 10)
    (tmp_path / "large").write_bytes(bytes(11))
    (tmp_path / "folder").mkdir()
    names = ["gone", "folder", "large", "nul\0"]
    [batch] = read_unit([Entry(name, "a", str(tmp_path / name)) for name in names])
    assert [read.error for read in batch] == [
        "cannot be read (No such file or directory)",
        "cannot be read (Is a directory)",
        "is larger than 0 MB",
        "cannot be read (embedded null byte)",
    ]
    assert MAX_BYTES == 256 << 20


def test_a_file_that_its_owner_keeps_to_himself_has_a_reason(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    [[read]] = read_unit([Entry("a", "a", str(tmp_path))])
    assert read.error == "cannot be read (Permission denied)"
