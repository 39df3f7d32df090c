import io

import numpy as np
import pytest
import tensorflow as tf
import tiny_evaluator as tiny
from PIL import Image

from components.evaluator import damaged
from components.evaluator.evaluation import Rows
from components.evaluator.robustness import (
    CORRUPTIONS,
    SEVERITIES,
    corrupt,
    encoded,
    judge,
    measure,
    reduced,
)


def photo(seed=0, size=(224, 224)):
    """Blobs of colour, the same at every size."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (24, 24, 3), np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def difference(picture, data):
    again = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.float64)
    return np.abs(again - np.asarray(picture, np.float64)).mean()


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_severity_changes_a_picture_more_than_the_one_before(corruption):
    picture = photo()
    changes = [difference(picture, corrupt(picture, corruption, s, 1)) for s in SEVERITIES]
    assert changes[0] > 0
    assert changes == sorted(changes) and len(set(changes)) == len(SEVERITIES)
    assert corrupt(picture, corruption, 3, 1) == corrupt(picture, corruption, 3, 1)


def test_brightness_goes_both_ways():
    picture = photo()
    brighter, darker = (
        np.asarray(Image.open(io.BytesIO(corrupt(picture, "brightness", 2, seed)))).mean()
        for seed in (0, 1)
    )
    assert darker < np.asarray(picture).mean() < brighter


def test_a_blur_is_as_wide_for_a_large_picture_as_for_a_small_one():
    small, large = photo(1, (100, 100)), photo(1, (400, 400))
    ratio = difference(large, corrupt(large, "blur", 4, 0)) / difference(
        small, corrupt(small, "blur", 4, 0)
    )
    assert ratio == pytest.approx(1, abs=0.3)


def test_large_pictures_are_reduced_and_small_ones_are_not():
    assert reduced(photo(0, (600, 512)), 512).size == (600, 512)
    assert reduced(photo(0, (1200, 1024)), 512).size == (600, 512)


def test_a_model_is_asked_about_every_damage_and_the_clean_pictures():
    pictures, labels = [photo(i) for i in range(4)], np.array([0, 1, 0, 1])
    asked = []

    def ask(images):
        asked.append(list(images))
        return np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])

    found = measure(pictures, labels, ask, ("jpeg", "noise"))
    assert found["images"] == 4
    assert asked[0] == [encoded(picture) for picture in pictures]
    assert len(asked) == 1 + 2 * len(SEVERITIES)
    assert found["clean"]["accuracy"] == 0.75
    assert [said["accuracy"] for said in found["corruptions"]["noise"]] == [0.75] * 5


def said(*accuracies, clean=0.95):
    of_severity = [{"accuracy": accuracy} for accuracy in accuracies]
    return {"clean": {"accuracy": clean}, "corruptions": {"blur": of_severity}}


def test_thresholds_hold_for_the_worst_severity_up_to_the_asked_one():
    thresholds = {"accuracy": {"at_least": 0.8, "no_worse_than_clean_by": 0.1}}
    found = said(0.95, 0.92, 0.93, 0.7, 0.2)
    checks = judge(found, thresholds, 3)
    assert [(check.state, check.sentence) for check in checks] == [
        ("passed", "blur up to severity 3: accuracy 0.920 is at least 0.800"),
        (
            "passed",
            "blur up to severity 3: accuracy 0.920 is 0.030 worse than 0.950, that of the same "
            "pictures undamaged; at most 0.100 is allowed",
        ),
    ]
    assert [check.state for check in judge(found, thresholds, 4)] == ["failed", "failed"]
    assert judge(said(None, 1, 1, 1, 1), thresholds, 1)[0].state == "withheld"


def test_the_exported_model_is_asked_as_it_is_served(tmp_path):
    """A model of colours stands blur and is fooled by darkness."""
    names = ["blue", "green", "red"]
    model = tiny.save(tiny.ColourModel(names), tmp_path / "model")
    records = tiny.test_split(40)
    tiny.write_records(tmp_path / "examples", records)
    files = sorted(str(p) for p in (tmp_path / "examples" / "Split-test").iterdir())
    examples = [tf.train.Example.FromString(r).features.feature for r in records]
    # In the order in which the two files hold them.
    order = [*range(0, 40, 2), *range(1, 40, 2)]
    labels = [examples[i]["label"].bytes_list.value[0].decode() for i in order]
    rows = Rows(ids=[str(i) for i in order], labels=labels)
    asked = {"max_images": 30, "corruptions": ("blur", "noise")}
    found = damaged.measure(files, model, rows, 0, asked)
    assert found["images"] == 30
    assert found["clean"]["accuracy"] > 0.8
    assert found["corruptions"]["blur"][0]["accuracy"] > 0.8
    assert found == damaged.measure(files, model, rows, 0, asked)
