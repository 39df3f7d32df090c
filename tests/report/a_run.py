"""A whole run over the handwritten digits, as files, and the page that is made of it."""

import dataclasses
import html.parser
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn.datasets
import tensorflow as tf
from PIL import Image

from pipeline.config_file import load_config
from pipeline.lineage import Artifact, Node, Run
from pipeline.report.write import write_report
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
        {
            "id": f"{i:016x}",
            "label": labels[i % len(labels)],
            "path": rename(i),
            "width": 8,
            "height": 8 + i // 100,
        }
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
    contents = [row["path"] for row in rows]
    Path(out["facts"].path("contents.json")).write_text(
        json.dumps({"train": contents * 2, "eval": contents, "test": contents})
    )
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
            "images": 42 * 32,
            "seconds": 11.5,
            "input_seconds": 0.5 if e < 3 else 6.0,
            "eval_seconds": 1.0,
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
        "intervals": {
            "overall": {"accuracy": [accuracy - 0.0123, accuracy + 0.0101]},
            "classes": {label: {"f1": [0.9, 1.0]} for label in labels},
            "slices": {"type": {"mono": {"accuracy": [0.93, 0.99]}}},
        },
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
        upstream={name: list(NODES[i - 1 : i]) if i else [] for i, name in enumerate(NODES)},
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

    def section(self, name):
        """A part of the page as a page of its own."""
        return Page(re.search(rf'<section id="{name}">.*?</section>', self.source, re.S)[0])

    def pictures_of(self, label, predicted):
        """What opens behind a cell of the confusion matrix."""
        title = rf"<h3><bdi>{label}</bdi> taken for <bdi>{predicted}</bdi>"
        return Page(re.search(rf"<div popover [^>]*>\s*{title}.*?</div>", self.source, re.S)[0])
