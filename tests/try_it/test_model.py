"""What the model says of a picture, and whether what is shown is what it sees."""

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from tried import LABELS, bomb, picture

from components.content import MODEL_FACTS
from components.errors import ServingError
from components.image_example_gen.pictures import Unusable
from pipeline.try_it.chosen import Chosen
from pipeline.try_it.model import Model

WAYS = {
    "PNG": {},
    "JPEG": {"quality": 90},
    "GIF": {},
    "BMP": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
}


def seen(answer):
    kind, _, data = answer["seen"].partition(",")
    assert kind == "data:image/png;base64"
    return np.asarray(PIL.Image.open(io.BytesIO(base64.b64decode(data))))


def turned(orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return picture("JPEG", exif=exif, quality=95)


@pytest.mark.parametrize("format", WAYS)
def test_what_is_shown_gets_the_scores_that_the_picture_gets(model, format):
    answer = model.classify(picture(format, **WAYS[format]), top=3)
    shown = seen(answer)
    assert shown.shape == (24, 24, 3) and shown.std() > 10
    images = tf.constant(shown[None] / 255, tf.float32)
    again = model.signatures["serving_images"](images=images)["probabilities"][0].numpy()
    for one in answer["top"]:
        # To the rounding of the picture to whole shades.
        assert one["score"] == pytest.approx(again[LABELS.index(one["label"])], abs=1e-3)


def test_the_scores_are_those_of_the_exported_model(model):
    said = model.signatures["serving_default"](image_bytes=tf.constant([picture()]))
    top = model.classify(picture(), top=3)["top"]
    assert top[0]["label"] == said["label"][0].numpy().decode()
    assert top[0]["score"] == pytest.approx(float(said["score"][0]))
    assert sum(one["score"] for one in top) == pytest.approx(1)
    assert [one["score"] for one in top] == sorted((o["score"] for o in top), reverse=True)
    assert model.classify(picture(), top=1)["top"] == top[:1]


def test_a_picture_is_shown_upright_and_cropped_as_the_model_has_it(model):
    upright, on_its_side = seen(model.classify(turned(1), 1)), seen(model.classify(turned(6), 1))
    across, down = (np.gradient(upright.mean(2).mean(axis))[2:-2].mean() for axis in (0, 1))
    assert across > 2 and abs(down) < 1  # brighter to the right
    across, down = (np.gradient(on_its_side.mean(2).mean(a))[2:-2].mean() for a in (0, 1))
    assert down > 2 and abs(across) < 1


def test_a_model_that_prepares_pictures_otherwise_shows_none(folder, tmp_path):
    other = tmp_path / "model"
    shutil.copytree(folder, other)
    facts = json.loads((other / MODEL_FACTS).read_text())
    (other / MODEL_FACTS).write_text(json.dumps(facts | {"resize": "stretch"}))
    answer = Model(Chosen("fruit", "1", str(other), "")).classify(picture(), 1)
    assert answer["seen"] is None and answer["top"]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"", "is empty"),
        (b"no picture", "is a text, no picture"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "is HEIC; convert it to JPEG or PNG"),
        (picture()[:900], "is cut off: its pixels cannot be read"),
        (picture("JPEG")[:1000], "is cut off: its pixels cannot be read"),
        (picture("WEBP")[:500], "cannot|could not|truncat|decod"),
        (
            picture()[:200] + b"\xff" * 200 + picture()[400:],
            "is damaged: its pixels cannot be read",
        ),
        (bomb(), "has 100,000,000 pixels; up to 89,478,485 are taken"),
    ],
)
def test_a_file_that_is_no_usable_picture_is_refused_with_the_reason(model, file, sentence):
    with pytest.raises(Unusable, match=sentence):
        model.classify(file, 1)


@pytest.mark.parametrize("broken", ["facts", "graph", "weights", "keys"])
def test_what_is_no_model_of_the_pipeline_is_one_message(folder, tmp_path, broken):
    other = tmp_path / "model"
    shutil.copytree(folder, other)
    if broken == "facts":
        (other / MODEL_FACTS).unlink()
    elif broken == "keys":
        (other / MODEL_FACTS).write_text("{}")
    elif broken == "graph":
        (other / "saved_model.pb").write_bytes(b"\xffnonsense")
    else:
        shutil.rmtree(other / "variables")
    with pytest.raises(ServingError, match="is no whole model of this pipeline"):
        Model(Chosen("fruit", "1", str(other), ""))


def test_the_page_has_the_report_s_colours():
    templates = Path(__file__).parents[2] / "pipeline" / "templates"

    def colours(name):
        light, dark = (templates / name).read_text().split("prefers-color-scheme: dark")
        return [dict(re.findall(r"(--\w+): (#\w+)", part)) for part in (light, dark)]

    for mine, report_s in zip(colours("try_it.css"), colours("page.css"), strict=True):
        assert len(mine) == 9 and mine.items() <= report_s.items()
