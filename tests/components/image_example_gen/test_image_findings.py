import base64

import numpy as np

from components.image_example_gen.findings import (
    Placed,
    converted,
    crowded,
    torn_apart,
    under_two_labels,
)


def near(steps):
    shades = np.roll(np.arange(256, dtype=np.uint8), steps)
    return "0" * 16 + base64.b64encode(shades.tobytes()).decode()


def test_formats_that_serving_does_not_know_are_named():
    assert list(converted({"JPEG": 5, "PNG": 2})) == []
    (said,) = converted({"JPEG": 5, "WebP": 1200, "TIFF": 2})
    assert (
        said.startswith("1,200 WebP and 2 TIFF pictures were stored as PNG") and "convert" in said
    )


def test_identical_pictures_under_two_labels_are_named():
    one = Placed("a.jpg", "ripe", "1", "", "train")
    pictures = [one, one._replace(path="b.jpg"), one._replace(path="c.jpg", label="unripe")]
    (said,) = under_two_labels(pictures)
    assert said.startswith("1 picture stands under two labels")
    assert "a.jpg (ripe) and c.jpg (unripe)" in said and "b.jpg" not in said
    assert list(under_two_labels(pictures[:2])) == []


def test_of_many_the_first_few_are_named():
    pictures = [
        Placed(f"{label}/{i}.jpg", label, str(i), "", "train")
        for i in range(20)
        for label in ("ripe", "unripe")
    ]
    (said,) = under_two_labels(pictures)
    assert said.startswith("20 pictures stand") and ", and 15 more" in said


def test_near_copies_in_two_splits_are_named():
    pictures = [
        Placed("a.jpg", "ripe", "1", near(0), "train"),
        Placed("b.jpg", "ripe", "2", near(4), "train"),
        Placed("c.jpg", "ripe", "3", near(8), "test"),
        Placed("d.jpg", "ripe", "4", near(90), "test"),
        Placed("e.jpg", "ripe", "5", "", "test"),
    ]
    (said,) = torn_apart(pictures, 0.65)
    assert said.startswith("1 near-copy stands in another split")
    assert "a.jpg (train) and c.jpg (test)" in said
    assert list(torn_apart(pictures, 0.1)) == []


def test_very_many_near_copies_of_one_are_doubted():
    groups = {str(i): "one" for i in range(60)} | {"a": "two"}
    (said,) = crowded(groups, 1000)
    assert said.startswith("61 of 1,000 pictures count as near-copies") and "near_copies" in said
    assert list(crowded(groups, 10_000)) == []
    assert list(crowded({str(i): "one" for i in range(10)}, 30)) == []
