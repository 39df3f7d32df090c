import io

import numpy as np
from image_transform_pictures import pixels
from PIL import Image

from components.image_transform.contact_sheet import Row, draw_contact_sheet


def drawn(title, rows):
    """The sheet's pixels."""
    return np.asarray(Image.open(io.BytesIO(draw_contact_sheet(title, rows))).convert("RGB"))


def test_a_row_shows_the_original_and_each_view():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    flat = [np.full((30, 30, 3), colour, np.uint8) for colour in colours]
    sheet = drawn("Augmentation: natural", [Row("ripe", flat[0], flat[1:])] * 2)
    found = [np.argwhere((sheet == colour).all(-1)) for colour in colours]
    assert len({len(places) for places in found}) == 1 and len(found[0]) > 2 * 100 * 100
    lefts = [places[:, 1].min() for places in found]
    assert lefts == sorted(lefts)


def test_any_size_and_any_label_is_drawn():
    rows = [
        Row("", pixels(1, 1), [pixels(1, 300)]),
        Row(
            "a very long label / that no column is wide enough for", pixels(900, 3), [pixels(8, 8)]
        ),
        Row("two\nlines 🍌 熟した", pixels(299, 299), [pixels(20, 20)]),
    ]
    height, width, _ = drawn("x" * 500, rows).shape
    assert width < 450 and height < 800


def test_what_made_a_view_stands_below_it_within_its_column():
    white = np.full((40, 40, 3), 255, np.uint8)
    lines = [[], ["a_long_op: " + "value 0.12, " * 8], ["word" * 60]]
    plain = drawn("t", [Row("x", white, [white] * 3)] * 2)
    sheet = drawn("t", [Row("x", white, [white] * 3, lines)] * 2)
    added = (sheet.shape[0] - plain.shape[0]) // 2
    assert added >= 3 * 14
    dark = (sheet < 200).any(-1)
    below = dark[56 + 176 : 56 + 176 + 22 + added]  # under the first row's tiles
    by_column = [below[:, 12 + i * 188 : 12 + i * 188 + 176].sum() for i in range(4)]
    assert by_column[1] == 0 and min(by_column[2:]) > 50
    gaps = [below[:, i * 188 : 12 + i * 188].sum() for i in range(5)]
    assert gaps == [0] * 5


def test_a_label_that_turns_its_line_round_is_written_out():
    written, turning = ([Row(text, pixels(9, 9), [pixels(9, 9)])] for text in ("\\u202e", "\u202e"))
    assert (drawn("t", turning) == drawn("t", written)).all()
