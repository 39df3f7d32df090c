import re

import pytest
import tensorflow as tf
from image_transform_pictures import pixels

from components.image_transform import explaining
from components.image_transform.arguments import ARGUMENTS
from components.image_transform.augmentation import OPS, get_augment
from components.image_transform.explaining import explain_view
from components.image_transform.preprocessing import Frame

FRAME = Frame((40, 48), 0.9)
IMAGE = tf.constant(pixels(60, 90))


def lines_of(*ops, view=0):
    return explain_view(list(ops), FRAME, 5, IMAGE, "00ff", view)


def test_the_values_are_those_of_the_view():
    spec = [{"op": "brightness", "delta": 0.3}]
    augment = get_augment(spec, Frame((60, 90)), seed=5)
    middle = tf.fill([60, 90, 3], tf.constant(128, tf.uint8))
    for view in range(6):
        (line,) = explain_view(spec, Frame((60, 90)), 5, middle, "00ff", view)
        delta = float(re.fullmatch(r"brightness: delta (−?\d\.\d\d)", line)[1].replace("−", "-"))
        shift = augment(middle, "00ff", view).numpy().mean() / 255 - 128 / 255
        assert abs(delta - shift) < 0.01


def test_what_did_nothing_is_left_out():
    assert lines_of({"op": "flip_left_right", "probability": 0.0}) == []
    assert lines_of({"op": "flip_left_right", "probability": 1.0}) == ["flip_left_right"]
    assert explain_view("none", FRAME, 5, IMAGE, "00ff", 0) == []


def test_a_box_a_turn_and_a_choice_are_said_in_words():
    (crop,) = lines_of({"op": "random_resized_crop"})
    assert re.fullmatch(r"random_resized_crop: \d+×\d+ at \d+, \d+", crop)
    (turn,) = lines_of({"op": "quarter_turn"})
    assert turn in {f"quarter_turn: {degrees}°" for degrees in (0, 90, 180, 270)}
    (affine,) = lines_of({"op": "affine", "rotation": 20, "zoom": [0.8, 1.2]})
    assert re.fullmatch(r"affine: rotation −?\d+\.\d\d°, zoom \d\.\d\d", affine)
    (chosen,) = lines_of({"op": "rand_augment", "count": 2})
    name = "(" + "|".join(explaining.CHANGES) + ")"
    assert re.fullmatch(rf"rand_augment: {name} −?0.30, {name} −?0.30", chosen)


@pytest.mark.parametrize("name", OPS)
def test_every_op_can_be_explained(name):
    always = {"probability": 1.0} if "probability" in ARGUMENTS[name] else {}
    lines = [lines_of({"op": name, **always}, view=view) for view in range(8)]
    assert any(lines) and all(len(one) <= 1 for one in lines)
    assert all(line.startswith(name) for (line,) in filter(None, lines))
    assert "nan" not in str(lines)
