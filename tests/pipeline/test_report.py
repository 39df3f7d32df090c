import base64
import dataclasses
import html.parser
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
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn.datasets
import tensorflow as tf
from PIL import Image

from pipeline import pictures, records
from pipeline.config_file import load_config
from pipeline.lineage import Artifact, Node, Run
from pipeline.report import write_report
from pipeline.summary import summarize

HOSTILE = "<script>alert(1)</script>\"'&\u202egnp.exe"
NODES = (
    "ImageExampleGen StatisticsGen SchemaGen ExampleValidator DataGate ImageTransform Trainer "
    "Baseline Evaluator ServingCheck Pusher RegistryPusher"
).split()


def encoded(pixels, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def write_examples(folder, rows):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "data_tfrecord-00000-of-00001.gz")
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
        for row in rows:
            feature = {}
            for key, value in row.items():
                if isinstance(value, int):
                    feature[key] = tf.train.Feature(int64_list={"value": [value]})
                else:
                    value = value if isinstance(value, bytes) else value.encode()
                    feature[key] = tf.train.Feature(bytes_list={"value": [value]})
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString())


def artifact(root, node, key, **properties):
    folder = root / "artifacts" / node / key / "1"
    folder.mkdir(parents=True, exist_ok=True)
    return Artifact(1, key, str(folder), properties)


def a_run(root, labels=tuple("0123456789"), test=200, wrong=9, picture=None, rename=None):
    """A whole run over the handwritten digits, its files lying under `root`.

    `picture(i)` gives the bytes of another test picture; `rename(i)` another path.
    """
    digits = sklearn.datasets.load_digits().images * 255 / 16
    picture = picture or (lambda i: encoded(digits[i]))
    rename = rename or (lambda i: f"digits/{i:04}.png")
    out = {}

    rows = [
        {"id": f"{i:016x}", "label": labels[i % len(labels)], "path": rename(i), "width": 8}
        for i in range(test)
    ]
    out["examples"] = artifact(
        root,
        "ImageExampleGen",
        "examples",
        counts=json.dumps({"train": 2 * test, "eval": test, "test": test, "rejected": 1}),
        data_fingerprint="d47af1",
    )
    write_examples(
        out["examples"].path("Split-test"),
        ({**row, "image": picture(i)} for i, row in enumerate(rows)),
    )
    out["facts"] = artifact(root, "ImageExampleGen", "facts")
    for split, times in (("train", 2), ("eval", 1), ("test", 1)):
        write_examples(out["facts"].path(f"Split-{split}"), rows * times)
    out["rejects"] = artifact(root, "ImageExampleGen", "rejects")
    write_rejects(out["rejects"], 1)

    out["preprocessing"] = artifact(root, "ImageTransform", "preprocessing")
    sheet = np.concatenate([np.concatenate(digits[i : i + 8], 1) for i in range(0, 32, 8)])
    Path(out["preprocessing"].path("contact_sheet.png")).write_bytes(
        encoded(sheet.repeat(8, 0).repeat(8, 1))
    )
    out["model"] = artifact(
        root,
        "Trainer",
        "model",
        module_handle="./modules/efficientnet_lite0",
        module_hash="aa11",
        content_hash="bb22",
    )
    out["model_run"] = artifact(root, "Trainer", "model_run")
    history = [
        {
            "phase": int(e >= 3),
            "train": "head" if e < 3 else "all",
            "epoch": e,
            "steps": 42,
            "seconds": 11.5,
            "loss": 1.9 * 0.6**e,
            "accuracy": 1 - 0.5 * 0.6**e,
            "eval_loss": 1.4 * 0.6**e + 0.05,
            "eval_accuracy": 0.98 - 0.4 * 0.55**e,
            "auxiliary_loss": None,
            "learning_rate": 1e-3,
        }
        for e in range(8)
    ]
    Path(out["model_run"].path("history.json")).write_text(json.dumps(history))

    counts = np.zeros((len(labels), len(labels)), int)
    said = []
    for i, row in enumerate(rows):
        taken = (i + 1 + i % 3) % len(labels) if i < wrong else i % len(labels)
        counts[i % len(labels), taken] += 1
        said.append({**row, "predicted": labels[taken], "score": 0.5 + i / 1000})
    out["predictions"] = artifact(root, "Evaluator", "predictions")
    columns = {key: [row[key] for row in said] for key in ("id", "path", "label", "predicted")}
    table = pa.table(columns | {"score": pa.array([row["score"] for row in said], pa.float32())})
    pq.write_table(table, out["predictions"].path("predictions.parquet"))

    accuracy = 1 - wrong / test
    overall = {
        "accuracy": accuracy,
        "balanced_accuracy": accuracy - 0.002,
        "top_3_accuracy": 1.0,
        "log_loss": 0.213,
    }
    metrics = {
        "overall": overall,
        "slices": {
            "label": {label: {"accuracy": 0.9} for label in labels},
            "type": {
                "mono": {"accuracy": 0.97, "log_loss": 0.2},
                "poly": {"accuracy": 0.94},
                "": {"accuracy": 0.9},
            },
        },
        "baseline": {
            "accuracy": 0.95,
            "balanced_accuracy": 0.949,
            "top_3_accuracy": 1.0,
            "log_loss": 0.28,
        },
        "confusion": {"labels": list(labels), "counts": counts.tolist()},
        "intervals": {"overall": {"accuracy": [accuracy - 0.0123, accuracy + 0.0101]}},
        "robustness": {
            "images": 200,
            "clean": {"accuracy": 0.955},
            "corruptions": {"blur": [{"accuracy": 0.95 - i / 10} for i in range(5)]},
        },
    }
    out["evaluation"] = artifact(root, "Evaluator", "evaluation", metrics=json.dumps(overall))
    Path(out["evaluation"].path("metrics.json")).write_text(json.dumps(metrics))
    out["blessing"] = artifact(root, "Evaluator", "blessing")
    reasons = [
        f"accuracy {accuracy:.3f} is at least 0.9",
        f"accuracy {accuracy:.3f} is no more than 0.005 below the blessed model's 0.950",
    ]
    checks = [{"state": "passed", "sentence": reason} for reason in reasons]
    checks.append({"state": "withheld", "sentence": "type: too few images to judge: (none) (3)"})
    Path(out["blessing"].path("blessing.json")).write_text(
        json.dumps({"blessed": True, "reasons": reasons, "checks": checks})
    )
    out["infra_blessing"] = artifact(root, "ServingCheck", "infra_blessing")
    Path(out["infra_blessing"].path("infra_blessing.json")).write_text(
        json.dumps(
            {
                "passed": True,
                "reasons": ["64 original files gave the evaluation's scores, at most 2e-7 apart"],
            }
        )
    )
    out["pushed_model"] = artifact(
        root, "Pusher", "pushed_model", pushed=1, pushed_destination="runs/digits/serving/3"
    )
    out["registration"] = artifact(root, "RegistryPusher", "registration")
    Path(out["registration"].path("registration.json")).write_text(
        json.dumps(
            {"registry": "mlflow", "name": "digits", "version": "3", "uri": "x", "created": True}
        )
    )

    made = [Path(a.uri).parent.parent.name for a in out.values()]
    nodes = [
        Node(name, "cached" if i < 5 else "ran", 0.03 if i < 5 else 7.5 * (i - 4), {},
             {key: [a] for (key, a), node in zip(out.items(), made, strict=True) if node == name})
        for i, name in enumerate(NODES)
    ]  # fmt: skip
    config = root / "digits.yaml"
    config.write_text(
        "{name: digits, data: {source: 'builtin://digits'}, transform: {augment: digits}}"
    )
    return Run(
        id="20261124-201300-123",
        config=load_config(config).model_dump(mode="json"),
        config_hash="0123456789ab",
        started=1795550000.0,
        versions={"tfx": "1.16.0", "tensorflow": "2.16.2"},
        nodes=nodes,
    )


def write_rejects(rejects, count, reason="is no picture: it is empty"):
    lines = [json.dumps({"path": f"bad/{i}.jpg", "reason": reason}) for i in range(count)]
    Path(rejects.path("rejects.jsonl")).write_text("".join(line + "\n" for line in lines))


def failed_in(run, node_id, message):
    """The same run, as it stands when a node failed: without its outputs and all later nodes."""
    at = [n.id for n in run.nodes].index(node_id)
    nodes = [*run.nodes[:at], Node(node_id, "failed", 2.0, error=message)]
    return dataclasses.replace(
        run, nodes=nodes + [Node(n.id, "skipped") for n in run.nodes[at + 1 :]]
    )


def report_of(run, root):
    path = write_report(
        run, summarize(run, "index.html", 93.4), root / "runs/digits/reports" / "r1"
    )
    assert path == root / "runs/digits/reports/r1/index.html"
    return Page(path.read_text(encoding="utf-8"))


class Page(html.parser.HTMLParser):
    """The page as a browser takes it: tags, attributes, and the text that one sees."""

    VOID = frozenset(("meta", "img", "br"))
    APART = frozenset(("td", "th", "dt", "dd", "li", "small", "h2", "h3"))

    def __init__(self, source):
        super().__init__()
        self.source, self.tags, self.attributes, self.text, self.open = source, [], [], "", []
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.text += " " if tag in self.APART else ""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text += data

    @property
    def words(self):
        return " ".join(self.text.split())

    @property
    def images(self):
        return [value for name, value in self.attributes if name == "src"]


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
    assert "Test accuracy 95.5 % 191 of 200 pictures" in good[1].words
    assert "Latest blessed model 95.0 % +0.5 points since, on the same pictures" in good[1].words


def test_each_check_has_a_mark_and_the_accuracy_its_interval(good):
    words = good[1].words
    assert "✓ accuracy 0.955 is at least 0.9" in words
    assert "? type: too few images to judge: (none) (3)" in words
    assert "94.3 % to 96.5 %" in words


def test_damaged_pictures_have_a_table(good):
    assert "On damaged pictures" in good[1].words
    assert "blur 95.0 % 85.0 % 75.0 % 65.0 % 55.0 %" in good[1].words


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
    assert (
        "By type type accuracy log loss mono 97.0 % 0.2 poly 94.0 % – (none) 90.0 % –"
        in good[1].words
    )


def test_the_surest_mistakes_come_first_with_their_pictures(good):
    run, page, _ = good
    words = page.words
    assert "9 of 200 test pictures were named wrongly" in words
    assert words.index("50.8 % sure") < words.index("50.7 % sure") < words.index("50.0 % sure")
    assert len(page.images) == 9 + 1  # and the contact sheet
    assert "This picture cannot be shown" not in words


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
    assert not re.search(r"https?://|url\(|@import", page.source)
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
    assert "Not shown" not in page.words


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
    for part in ("figures", "mistakes", "sheet", "images"):
        assert f"{part}: " in words.split("Not shown")[1]


def test_pictures_that_cannot_be_read_are_placeholders(tmp_path):
    odd = {0: b"", 1: b"\x89PNG\r\n\x1a\nrubbish", 2: encoded(np.zeros((99, 99)), "JPEG")[:200]}
    run = a_run(tmp_path, wrong=4, picture=lambda i: odd.get(i, encoded(np.full((9, 9), 200))))
    page = report_of(run, tmp_path)
    assert page.words.count("This picture cannot be shown") == 3
    assert len(page.images) == 1 + 1


def test_mistakes_are_shown_without_their_pictures_where_the_examples_are_gone(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)
    shard = next(Path(run.output("ImageExampleGen", "examples").path("Split-test")).iterdir())
    shard.write_bytes(b"no gzip")
    words = report_of(run, tmp_path).words
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
        assert label in got.text
    assert not [name for name, _ in got.attributes if name.startswith("on")]
    # What changes the writing direction is isolated wherever one sees it.
    assert len(re.findall("\u202e", got.text)) == len(
        re.findall("<bdi>[^<]*\u202e[^<]*</bdi>", got.source)
    )


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
    assert len(page.images) == 24 + 1
    assert len(page.source.encode()) < 5_000_000


def test_a_report_is_written_without_loading_tensorflow(good, tmp_path):
    run, _, root = good
    (tmp_path / "run.pickle").write_bytes(pickle.dumps((run, summarize(run, "", 1.0))))
    code = (
        "import pickle, sys, pathlib\n"
        "from pipeline.report import write_report\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "run, summary = pickle.loads((here / 'run.pickle').read_bytes())\n"
        "page = write_report(run, summary, here).read_text()\n"
        "assert page.count('data:image/png') == 10\n"
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
    assert read[4] == {"id": b"3", "image": bytes([3]) * 3000, "label": "é".encode()}
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


def test_curves_leave_gaps_where_the_loss_is_no_number():
    losses = [1.0, 0.5, float("nan"), 0.4, None, float("inf"), 0.3]
    drawn = pictures.chart([{"phase": 0, "loss": v} for v in losses], "loss", {"loss": "train"})
    assert [len(run) for run in drawn["curves"][0]["runs"]] == [2, 1, 1]
    assert drawn["curves"][0]["last"] == 0.3
    assert pictures.chart([{"loss": None}], "loss", {"loss": "train"}) is None


@hypothesis.given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_curves_stay_on_their_canvas(values):
    drawn = pictures.chart([{"phase": v > 0, "loss": v} for v in values], "loss", {"loss": "train"})
    assert 2 <= len(drawn["ticks"]) <= 7
    for x, y in drawn["curves"][0]["runs"][0]:
        assert 0 <= x <= pictures.WIDTH and 0 <= y <= pictures.HEIGHT
