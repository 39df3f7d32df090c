import numpy as np
from image_transform_pictures import pixels
from PIL import Image

from components.image_transform.contact_sheet import Row, draw_contact_sheet


def test_a_row_shows_the_original_and_each_view(tmp_path):
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    flat = [np.full((30, 30, 3), colour, np.uint8) for colour in colours]
    path = tmp_path / "sheet.png"
    draw_contact_sheet(str(path), "Augmentation: natural", [Row("ripe", flat[0], flat[1:])] * 2)
    sheet = np.asarray(Image.open(path).convert("RGB"))
    found = [np.argwhere((sheet == colour).all(-1)) for colour in colours]
    assert len({len(places) for places in found}) == 1 and len(found[0]) > 2 * 100 * 100
    lefts = [places[:, 1].min() for places in found]
    assert lefts == sorted(lefts)
    assert len(list(tmp_path.iterdir())) == 1


def test_any_size_and_any_label_is_drawn(tmp_path):
    rows = [
        Row("", pixels(1, 1), [pixels(1, 300)]),
        Row(
            "a very long label / that no column is wide enough for", pixels(900, 3), [pixels(8, 8)]
        ),
        Row("two\nlines 🍌 熟した", pixels(299, 299), [pixels(20, 20)]),
    ]
    draw_contact_sheet(str(tmp_path / "sheet.png"), "x" * 500, rows)
    width, height = Image.open(tmp_path / "sheet.png").size
    assert width < 450 and height < 800
