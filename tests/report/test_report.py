import base64
import dataclasses
import io
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from a_run import (
    HOSTILE,
    NODES,
    Page,
    a_run,
    artifact,
    encoded,
    failed_in,
    report_of,
    write_examples,
    write_rejects,
)
from PIL import Image

from components.harmless import harmless
from pipeline import records
from pipeline.config_file import load_config
from pipeline.lineage import Node, Run
from pipeline.report import pictures
from pipeline.report.write import write_report
from pipeline.summary import summarize


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("good")
    run = a_run(root)
    return run, report_of(run, root), root


def test_a_good_run_says_its_verdict_first_and_why(good):
    words = good[1].words
    assert words.index("Blessed") < words.index("Test accuracy") < words.index("Results")
    assert "accuracy 0.955 is at least 0.9 ✓ accuracy 0.955 is no more" in words
    assert "64 original files gave the evaluation's scores" in words
    assert "Pushed to runs/digits/serving/3" in words
    assert "Registered in mlflow as digits, version 3" in words


def test_the_accuracy_stands_beside_the_blessed_models(good):
    assert (
        "Test accuracy 95.5 % 94.3 % to 96.5 %, 95 % interval 191 of 200 pictures" in good[1].words
    )
    assert "Latest blessed model 95.0 % +0.5 points since, on the same pictures" in good[1].words


def test_each_check_has_a_mark_and_the_accuracy_its_interval(good):
    words = good[1].words
    assert "✓ accuracy 0.955 is at least 0.9" in words
    assert "? type: too few images to judge: (none) (3)" in words
    assert "94.3 % to 96.5 %" in words


def test_damaged_pictures_have_a_table(good):
    assert "On damaged pictures" in good[1].words
    assert "blur 95.0 % 85.0 % 75.0 % 65.0 % 55.0 %" in good[1].words


def test_of_two_classes_nobody_asks_whether_the_label_is_among_three(good, tmp_path):
    assert "top 3 accuracy 100.0 %" in good[1].section("results").words
    of_two = report_of(a_run(tmp_path, labels=("cat", "dog"), test=20, wrong=2), tmp_path)
    assert "top 3 accuracy" not in of_two.section("results").words


def test_what_is_not_augmented_is_not_said_to_be(good, tmp_path):
    assert "then augmented views of it" in good[1].section("training").words
    run = a_run(tmp_path, test=20, wrong=2)
    run.config["transform"]["augment"] = "none"
    words = report_of(run, tmp_path).section("training").words
    assert "each as it is stored, then as the network sees it, without augmentation" in words
    assert "augmented views" not in words


def test_a_baseline_is_compared_on_the_pictures_that_it_can_know(tmp_path):
    run = a_run(tmp_path)
    evaluation = run.output("Evaluator", "evaluation")
    metrics = evaluation.json("metrics.json")
    metrics["comparison"] = {
        "images": 160,
        "overall": {"accuracy": 0.97},
        "new_classes": ["8", "9"],
    }
    Path(evaluation.path("metrics.json")).write_text(json.dumps(metrics))
    words = report_of(run, tmp_path).words
    assert "95.0 % +2.0 points since, on the 160 pictures whose label it knows" in words
    assert "does not know 8, 9; both are compared on the other 160 pictures" in words


def test_anomalies_that_only_warned_are_listed(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)
    gate = artifact(tmp_path, "DataGate", "gate")
    found = {"split": "eval", "feature": "label", "reason": "unexpected value <b>"}
    Path(gate.path("gate.json")).write_text(json.dumps({"passed": False, "anomalies": [found]}))
    at = [node.id for node in run.nodes].index("DataGate")
    run.nodes[at] = dataclasses.replace(run.nodes[at], outputs={"gate": [gate]})
    assert "Anomalies eval: label: unexpected value <b>" in report_of(run, tmp_path).words


def test_what_is_worth_knowing_of_the_images_is_said(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)
    at = [node.id for node in run.nodes].index("ImageExampleGen")
    (examples,) = run.nodes[at].outputs["examples"]
    examples.properties["notes"] = ["2 TIFF pictures were stored as PNG <b>"]
    assert "Worth knowing 2 TIFF pictures were stored as PNG <b>" in report_of(run, tmp_path).words


def test_images_are_counted_by_split_and_label(good):
    assert "Label train eval test all" in good[1].words
    assert "7 40 20 20 80" in good[1].words
    assert "all 10 labels 400 200 200 800" in good[1].words


def test_slices_stand_with_their_metrics_and_gaps(good):
    said = "mono 97.0 % 93.0 % to 99.0 % 0.2 poly 94.0 % – (none) 90.0 % –"
    assert f"By type type accuracy log loss {said}" in good[1].words


def test_a_cell_of_the_confusion_matrix_opens_its_pictures(good):
    _, page, _ = good
    opened = [value for name, value in page.attributes if name == "popovertarget"]
    ids = [value for name, value in page.attributes if name == "id"]
    assert opened and set(opened) <= set(ids)
    wrong = page.pictures_of("0", "1")  # the first test picture, and no other
    assert "1 picture" in wrong.words and "digits/0000.png" in wrong.words
    assert len(wrong.images) == 1
    right = page.pictures_of("5", "5")
    assert "The 12 that the model was least sure of" in right.words and len(right.images) == 12
    sure = [float(s) for s in re.findall(r"([\d.]+) % sure", right.words)]
    assert sure == sorted(sure)


def test_the_pace_of_each_phase_is_told_with_what_holds_it_up(good):
    words = good[1].section("training").words
    assert "Phase 1, head: 3 epochs, 250 ms a step, 128 images a second; 4.8 %" in words
    assert "waiting for pictures: compute-bound" in words
    assert "Phase 2, all: 5 epochs, 250 ms a step, 128 images a second; 57.1 %" in words
    assert "waiting for pictures: input-bound" in words


def test_classes_have_the_interval_of_their_f1(good):
    assert "90.0 % to 100.0 %" in good[1].section("results").words


def test_the_dag_shows_each_node_with_state_and_time(good):
    run, page, _ = good
    part = page.section("run")
    for node in run.nodes:
        assert part.words.count(node.id) >= 2  # in the drawing and in the table
    assert "DataGate cached" in part.words and "Pusher ran, 45.0 s" in part.words


def test_the_surest_mistakes_come_first_with_their_pictures(good):
    run, page, _ = good
    part = page.section("mistakes")
    words = part.words
    assert "9 of 200 test pictures were named wrongly" in words
    assert words.index("50.8 % sure") < words.index("50.7 % sure") < words.index("50.0 % sure")
    assert len(part.images) == 9
    assert "This picture cannot be shown" not in page.words


def test_the_run_can_be_traced(good):
    words = good[1].words
    for said in (
        "./modules/efficientnet_lite0",
        "aa11",
        "bb22",
        "d47af1",
        "0123456789ab",
        "1.16.0",
    ):
        assert said in words
    assert "7 ran" in words and "5 cached" in words
    assert good[0].output("Trainer", "model").uri in words


def test_the_configuration_beside_the_report_repeats_the_run(good):
    run, page, root = good
    saved = root / "runs/digits/reports/r1/config.yaml"
    assert load_config(saved).model_dump(mode="json") == run.config
    assert f"make run-local CONFIG={saved} RUNS={root / 'runs'}" in page.words


def test_the_page_needs_nothing_but_itself(good):
    page = good[1]
    assert all(source.startswith("data:image/") for source in page.images)
    assert not {"script", "link", "iframe", "object", "embed"} & set(page.tags)
    assert not re.search(r"https?://|url\((?!#)|@import", page.source)
    assert all(value.startswith("#") for name, value in page.attributes if name == "href")
    assert "default-src 'none'" in page.source


def test_every_picture_has_an_alternative_text(good):
    alternatives = [value for name, value in good[1].attributes if name == "alt"]
    assert len(alternatives) == len(good[1].images) and all(alternatives)
    drawings = [v for n, v in good[1].attributes if n == "aria-label" and "epochs" in v]
    assert any("eval ends at" in label for label in drawings)


def test_a_model_that_is_not_blessed_says_why(tmp_path):
    run = a_run(tmp_path)
    reasons = ["accuracy 0.955 is below 0.99"]
    Path(run.output("Evaluator", "blessing").path("blessing.json")).write_text(
        json.dumps({"blessed": False, "reasons": reasons})
    )
    words = report_of(run, tmp_path).words
    assert "Not blessed" in words and reasons[0] in words and "neither pushed" in words


@pytest.mark.parametrize("node", NODES)
def test_a_run_that_failed_anywhere_has_a_report(tmp_path, node):
    run = failed_in(a_run(tmp_path, test=20, wrong=2), node, "no space left\non the disk")
    page = report_of(run, tmp_path)
    assert f"The run stopped in {node}" in page.words
    assert "no space left on the disk" in page.words
    pushed = node == "RegistryPusher"
    assert ("Nothing was pushed" in page.words, "Pushed to" in page.words) == (not pushed, pushed)
    assert ("href", "#again") in page.attributes and "the log" not in page.words
    assert "Not shown" not in page.words


def test_a_run_that_failed_says_where_its_log_lies(tmp_path):
    run = failed_in(a_run(tmp_path, test=2, wrong=0), "Trainer", "the loss is inf")
    log = tmp_path / "runs" / "digits" / "logs" / f"{run.id}.log"
    log.parent.mkdir(parents=True)
    log.touch()
    assert f"More than this stands in the log, {log}." in report_of(run, tmp_path).words


def test_a_run_of_which_nothing_is_known_has_a_report(tmp_path):
    run = Run("r", {}, "", 0.0, {}, [])
    path = write_report(run, {}, tmp_path)
    Page(path.read_text())


def test_files_that_went_missing_or_are_damaged_are_named_not_raised(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)

    def path(node, key, name):
        return Path(run.output(node, key).path(name))

    path("Evaluator", "evaluation", "metrics.json").write_text('{"overall": {"accu')
    path("Evaluator", "predictions", "predictions.parquet").write_bytes(b"PAR1?")
    path("ImageTransform", "preprocessing", "contact_sheet.png").write_bytes(b"GIF89a")
    facts = next(path("ImageExampleGen", "facts", "Split-train").iterdir())
    facts.write_bytes(facts.read_bytes()[:40])
    path("Trainer", "model_run", "history.json").unlink()
    words = report_of(run, tmp_path).words
    assert "Not shown" in words
    for part in ("figures", "galleries", "sheet", "facts"):
        assert f"{part}: " in words.split("Not shown")[1]


def test_pictures_that_cannot_be_read_are_placeholders(tmp_path):
    odd = {0: b"", 1: b"\x89PNG\r\n\x1a\nrubbish", 2: encoded(np.zeros((99, 99)), "JPEG")[:200]}
    run = a_run(tmp_path, wrong=4, picture=lambda i: odd.get(i, encoded(np.full((9, 9), 200))))
    part = report_of(run, tmp_path).section("mistakes")
    assert part.words.count("This picture cannot be shown") == 3
    assert len(part.images) == 1


def test_mistakes_are_shown_without_their_pictures_where_the_examples_are_gone(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)
    shard = next(Path(run.output("ImageExampleGen", "examples").path("Split-test")).iterdir())
    shard.write_bytes(b"no gzip")
    words = report_of(run, tmp_path).section("mistakes").words
    assert words.count("This picture cannot be shown") == 2 and "2 of 20 test pictures" in words


def test_hostile_names_show_as_text(tmp_path):
    plain, hostile = tmp_path / "plain", tmp_path / "hostile"
    for folder in (plain, hostile):
        folder.mkdir()
    labels = (HOSTILE, "</style><img src=x onerror=alert(1)>", "{{ 7 * 7 }}", "مرحبا")
    want = report_of(a_run(plain, labels=tuple("abcd")), plain)
    run = a_run(hostile, labels=labels, rename=lambda i: f"{HOSTILE}/{i}.png")
    write_rejects(run.output("ImageExampleGen", "rejects"), 1, reason=HOSTILE)
    got = report_of(run, hostile)
    assert sorted(got.tags) == sorted(want.tags)
    for label in labels:
        assert harmless(label) in got.text
    assert not [name for name, _ in got.attributes if name.startswith("on")]
    # What changes the writing direction changes none: it is shown as what it is.
    assert "\u202e" not in got.source and "\\u202egnp.exe" in got.text


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=60))
@hypothesis.example("half a surrogate: \udcff")
def test_whatever_a_node_says_shows_as_text(tmp_path_factory, message):
    run = failed_in(
        Run("r", {"name": "x"}, "", 0.0, {}, [Node("Trainer", "ran")]), "Trainer", message
    )
    page = report_of(run, tmp_path_factory.mktemp("said"))
    assert page.tags.count("script") == 0
    assert page.tags.count("pre") == 3


def test_a_thousand_rejects_are_counted_and_the_first_shown(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)
    write_rejects(run.output("ImageExampleGen", "rejects"), 1000)
    words = report_of(run, tmp_path).words
    assert "1,000 inputs could not be used" in words
    assert "1,000 × is no picture: it is empty" in words
    assert "bad/49.jpg" in words and "bad/50.jpg" not in words


def test_a_hundred_classes_show_the_most_confused_pairs(tmp_path):
    labels = tuple(f"class {i:03}" for i in range(100))
    run = a_run(tmp_path, labels=labels, test=300, wrong=60)
    page = report_of(run, tmp_path)
    assert "100 classes are too many for a matrix; 60 pairs" in page.words
    assert "The first 40 of 60 pairs" in page.words
    assert ("aria-label", "Confusion matrix") not in page.attributes
    assert "these are the 24 that the model was surest of" in page.words
    hardest = page.words.split("hardest first")[1]
    assert hardest.index("class 002 3 66.7 %") < hardest.index("class 099 3 100.0 %")


def test_the_file_stays_below_five_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    noise = encoded(rng.integers(0, 256, (300, 400, 3)))
    run = a_run(
        tmp_path, labels=("a" * 5000, "b" * 5000), test=60, wrong=40, picture=lambda i: noise
    )
    sheet = Path(run.output("ImageTransform", "preprocessing").path("contact_sheet.png"))
    sheet.write_bytes(encoded(rng.integers(0, 256, (2000, 1500, 3))))
    write_rejects(run.output("ImageExampleGen", "rejects"), 5000, reason="odd " * 500)
    page = report_of(run, tmp_path)
    assert len(page.section("mistakes").images) == 24
    assert len(page.source.encode()) < 5_000_000


def test_a_report_is_written_without_loading_tensorflow(good, tmp_path):
    run, _, root = good
    (tmp_path / "run.pickle").write_bytes(pickle.dumps((run, summarize(run, "", 1.0))))
    code = (
        "import pickle, sys, pathlib\n"
        "from pipeline.report.write import write_report\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "run, summary = pickle.loads((here / 'run.pickle').read_bytes())\n"
        "page = write_report(run, summary, here).read_text()\n"
        "assert page.count('data:image/png') > 10\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    here = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(here)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=here, env=environment)


def test_examples_of_several_files_are_read_as_tensorflow_wrote_them(tmp_path):
    rows = [
        {"id": f"{i}", "image": bytes([i]) * 1000 * i, "width": i, "label": "é"} for i in range(5)
    ]
    write_examples(tmp_path, rows)
    (tmp_path / "data_tfrecord-00000-of-00001.gz").rename(
        tmp_path / "data_tfrecord-00001-of-00002.gz"
    )
    write_examples(tmp_path, rows[:1])
    read = list(records.read_examples(tmp_path, ("id", "image", "label", "width")))
    assert len(read) == 6
    assert read[4] == {"id": b"3", "image": bytes([3]) * 3000, "label": "é".encode(), "width": 3}
    assert list(records.read_examples(tmp_path / "missing", ("id",))) == []


def test_thumbnails_are_small_upright_and_never_clipped():
    tall = Image.new("RGB", (400, 200), "red")
    exif = tall.getexif()
    exif[274] = 6  # turned a quarter
    buffer = io.BytesIO()
    tall.save(buffer, "JPEG", exif=exif)
    turned = pictures.thumbnail(buffer.getvalue())
    assert (turned["width"], turned["height"]) == (80, 160)

    deep = np.tile(np.linspace(0, 65535, 100).astype(np.uint16), (100, 1))
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    shown = pixels_of(pictures.thumbnail(buffer.getvalue()))
    assert 110 < shown.mean() < 145 and shown[50, 25].mean() == pytest.approx(64, abs=6)

    inks = Image.new("CMYK", (20, 20), (255, 0, 0, 0))
    buffer = io.BytesIO()
    inks.save(buffer, "JPEG")
    assert pixels_of(pictures.thumbnail(buffer.getvalue()))[10, 10, 2] > 200


def pixels_of(picture):
    content = base64.b64decode(picture["uri"].partition("base64,")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
