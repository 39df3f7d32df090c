"""`graft lineage --image` over recorded runs: which models saw a picture, however it is named."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lineage_records
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from lineage_answers import about, ask, saw
from lineage_records import COPY, ONE, TWO
from PIL import Image

from pipeline.cli import main
from pipeline.lineage import read_run

CONTENT = hashlib.sha256(ONE).hexdigest()[:32]


def picture(seed, kind="PNG"):
    """A soft picture, encoded."""
    shades = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(shades).resize((200, 200), Image.Resampling.BICUBIC).save(encoded, kind)
    return encoded.getvalue()


def test_a_picture_is_known_by_its_bytes_wherever_it_lies(two_spans, tmp_path):
    moved = tmp_path / "elsewhere.png"
    moved.write_bytes(ONE)
    picture = about(two_spans, moved)
    (stands,) = picture["datasets"]
    assert (stands["splits"], stands["labels"], stands["paths"]) == (
        ["train"], ["dark"], ["dark/1.png"],
    )  # fmt: skip
    assert stands["run_ids"] == ["run-1", "run-2"]
    assert [one["path"] for one in stands["others_of_group"]] == ["dark/copy.png"]
    assert saw(picture) == {
        "aaaa1111": ["trained on it"],
        "bbbb2222": ["began from aaaa1111, which was trained on it"],
    }
    assert [one["version"] for one in picture["models"][0]["served"]] == [1]


def test_a_picture_that_is_gone_is_known_by_its_path_and_its_id(two_spans):
    gone = two_spans.folder / "span-1/light/2.png"
    for word in (gone, "light/2.png", about(two_spans, gone)["datasets"][0]["ids"][0]):
        assert saw(about(two_spans, word))["aaaa1111"] == ["watched on it in training"]


def test_a_path_of_one_span_is_not_that_of_another(two_spans):
    (answer,) = ask(two_spans, "--image", "dark/1.png")["images"]
    assert [p["datasets"][0]["span"] for p in answer["pictures"]] == [1, 2]
    gone = two_spans.folder / "span-2/dark/1.png"
    assert saw(about(two_spans, gone)) == {"bbbb2222": ["trained on it"]}


@pytest.mark.parametrize("source", ["./span-{SPAN}", "../pictures/span-{SPAN}", "span-{SPAN}"])
def test_a_relative_source_is_known_from_any_folder(tmp_path, monkeypatch, source):
    home = tmp_path / "pictures"
    home.mkdir()
    task = lineage_records.Task(home, source=source)
    rows = [{"a/1.png": ("train", text, "")} for text in (ONE, TWO)]
    for span, content in ((1, "aaaa1111"), (2, "bbbb2222")):
        task.run(f"run-{span}", task.data(span, rows[span - 1]), task.model(content))
    gone = task.file(1, "a/1.png", ONE)
    for place in (home, tmp_path):
        monkeypatch.chdir(place)
        steps = about(task, gone)["to_do"]
        found = [step for step in steps if step.startswith(f"delete the source file {gone}")]
        assert found or any(source in step and "ask again there" in step for step in steps)
        assert found or place is tmp_path
    gone.unlink()
    for place in (home, tmp_path):
        monkeypatch.chdir(place)
        assert saw(about(task, gone)) == {"aaaa1111": ["trained on it"]}


def test_of_a_source_that_is_the_folder_itself_any_folder_may_be_meant(tmp_path, monkeypatch):
    task = lineage_records.Task(tmp_path, source=".")
    task.run("run-1", task.data(1, {"a/1.png": ("train", ONE, "")}), task.model("aaaa1111"))
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    assert saw(about(task, tmp_path / "a/1.png")) == {"aaaa1111": ["trained on it"]}
    assert ask(task, "--image", str(tmp_path / "b/1.png"))["images"][0]["pictures"] == []


def test_a_test_picture_was_seen_by_the_baseline_of_a_later_run_too(two_spans):
    picture = about(two_spans, "d/c.png")  # the copy: in the train split of span 1
    assert saw(picture) == {
        "aaaa1111": ["trained on it", "compared on it with a later one"],
        "bbbb2222": ["began from aaaa1111, which was trained on it", "tested on it"],
    }
    assert [model["learnt"] for model in picture["models"]] == [True, True]
    only_tested = about(two_spans, "light/3.png")
    assert saw(only_tested) == {"aaaa1111": ["tested on it"]}
    assert not only_tested["models"][0]["learnt"]


def test_near_copies_of_other_data_sets_are_relatives_too(recorded):
    recorded.run("run-1", recorded.data(1, {"a/1.png": ("train", ONE, "g")}))
    recorded.run("run-2", recorded.data(2, {"a/2.png": ("train", COPY, "g")}))
    picture = about(recorded, "a/2.png")
    assert picture["datasets"][0]["others_of_group"] == []
    assert [one["path"] for one in picture["relatives"]] == ["a/1.png"]


def test_a_picture_that_nobody_saw_is_said_so_with_what_was_searched(two_spans, tmp_path):
    stranger = tmp_path / "stranger.png"
    stranger.write_bytes(picture(seed=9))
    said = ask(two_spans, "--image", str(stranger), "--image", "no/such.png")
    assert [one["pictures"] for one in said["images"]] == [[], []]
    assert (said["searched"]["datasets"], said["searched"]["runs"]) == (2, 4)
    assert said["searched"]["pictures"] == 6
    words = ["lineage", "--image", str(stranger), "--runs", str(two_spans.places.runs)]
    printed = CliRunner().invoke(main, words)
    assert printed.exit_code == 0
    assert "no data set holds these bytes, or a near-copy of them" in printed.output
    assert "searched 6 pictures in 2 data sets of 4 runs" in printed.output


@pytest.mark.parametrize("word", ["x" * 300, "a\0b", "~nobody/1.png", ""])
def test_what_can_be_no_file_is_a_path_that_nobody_knows(two_spans, word):
    (answer,) = ask(two_spans, "--image", word)["images"]
    assert answer["content"] is None and answer["pictures"] == []


def test_a_picture_that_was_saved_anew_is_known_as_a_near_copy(recorded, tmp_path):
    original, other = picture(seed=1), picture(seed=2)
    rows = {"a/1.png": ("train", original, ""), "a/2.png": ("train", other, "")}
    recorded.run("run-1", recorded.data(1, rows), recorded.model("aaaa1111"))
    recorded.run("run-2", recorded.data(2, {"a/3.png": ("train", TWO, "")}))
    sent = tmp_path / "sent.jpg"
    sent.write_bytes(picture(seed=1, kind="JPEG"))
    (answer,) = ask(recorded, "--image", str(sent))["images"]
    (near,) = answer["near"]
    assert near["path"] == "a/1.png"
    assert saw(about(recorded, near["content"])) == {"aaaa1111": ["trained on it"]}
    words = ["lineage", "--image", str(sent), "--runs", str(recorded.places.runs)]
    assert f"a/1.png: ask for {near['content']}" in CliRunner().invoke(main, words).output


def test_a_mistyped_path_and_a_file_that_is_no_picture_are_not_said_to_be_unseen(
    recorded, tmp_path
):
    def said(image):
        words = ["lineage", "--image", image, "--runs", str(recorded.places.runs)]
        return CliRunner().invoke(main, words).output

    recorded.run(
        "run-1", recorded.data(1, {"a/1.png": ("train", ONE, "")}), recorded.model("aaaa1111")
    )
    assert "no data set knows such a path or id" in said("a/1.pgn")
    (tmp_path / "text").write_text("no picture")
    assert "whether one holds a near-copy, nobody can know" in said(str(tmp_path / "text"))


def test_a_near_copy_whose_data_are_gone_is_still_remembered(own_two_spans):
    run = read_run(own_two_spans.store, "run-1")
    shutil.rmtree(run.output("ImageExampleGen", "facts").uri)
    (answer,) = ask(own_two_spans, "--image", CONTENT)["images"]
    assert [one["span"] for one in answer["remembered_by"]] == [2]


def test_other_bytes_under_a_known_path_are_told_apart(own_two_spans):
    changed = own_two_spans.file(1, "dark/1.png", b"somebody drew on it")
    (answer,) = ask(own_two_spans, "--image", str(changed))["images"]
    assert answer["pictures"] == []
    (namesake,) = answer["namesakes"]
    assert about(own_two_spans, namesake)["datasets"][0]["paths"] == ["dark/1.png"]


def test_a_rejected_picture_is_said_with_its_reason(two_spans):
    (answer,) = ask(two_spans, "--image", str(two_spans.folder / "span-2/dark/bad.png"))["images"]
    (rejected,) = answer["rejected"]
    assert (rejected["span"], rejected["reason"]) == (2, "bad")


def test_what_nobody_can_know_any_more_is_said(own_two_spans):
    run = read_run(own_two_spans.store, "run-1")
    shutil.rmtree(run.output("ImageExampleGen", "facts").uri)
    said = ask(own_two_spans, "--image", "light/2.png")
    (unknown,) = said["searched"]["unknown"]
    assert unknown["run_ids"] == ["run-1", "run-2"]
    (answer,) = said["images"]
    words = ["lineage", "--image", "light/2.png", "--runs", str(own_two_spans.places.runs)]
    printed = CliRunner().invoke(main, words).output
    assert "no data set that is left holds it" in printed
    # The facts of span 2 carry the groups of span 1.
    assert [one["span"] for one in answer["remembered_by"]] == [2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("contents.json", "{"),
        ("contents.json", "[]"),
        ("contents.json", json.dumps({"train": [CONTENT], "eval": [], "test": []})),
        ("groups.jsonl", '{"path": "dark/1.png", "group": "g"'),
    ],
)
def test_damaged_facts_are_one_clear_sentence(own_two_spans, name, text):
    facts = read_run(own_two_spans.store, "run-1").output("ImageExampleGen", "facts")
    Path(facts.path(name)).write_text(text)
    file = own_two_spans.folder / "span-1/dark/1.png"
    said = ask(own_two_spans, "--image", str(file), succeeds=False)
    assert f"{facts.path(name)}: " in said and "bring it back from a copy" in said


def test_records_of_several_files_keep_their_contents(recorded):
    rows = {f"a/{i}.png": ("train" if i % 3 else "test", b"%d" % i, "") for i in range(10)}
    recorded.run("run-1", recorded.data(1, rows, shards=3))
    for i in (0, 4, 9):
        file = recorded.file(1, f"a/{i}.png", b"%d" % i)
        assert about(recorded, file)["datasets"][0]["paths"] == [f"a/{i}.png"]


def test_a_window_of_spans_names_its_pictures_by_span(tmp_path):
    task = lineage_records.Task(tmp_path)
    task.run(
        "run-1", task.data(2, {"1/a/1.png": ("train", ONE, ""), "2/a/1.png": ("train", TWO, "")})
    )
    (stands,) = about(task, tmp_path / "span-1/a/1.png")["datasets"]
    assert stands["paths"] == ["1/a/1.png"]


def test_artifacts_in_a_bucket_are_read_there(recorded):
    data = recorded.data(1, {"a/1.png": ("train", ONE, ""), "a/2.png": ("eval", TWO, "")})
    recorded.run("run-1", data, recorded.model("aaaa1111"))
    for key in ("facts", "examples"):
        here, there = data[key].uri, f"ram://lineage/{key}"
        for path in (path for path in Path(here).rglob("*") if path.is_file()):
            target = f"{there}/{path.relative_to(here)}"
            tf.io.gfile.makedirs(os.path.dirname(target))
            tf.io.gfile.copy(str(path), target)
        tf.io.gfile.makedirs(there)
        data[key].uri = there
        recorded.store.put_artifacts([data[key]])
        shutil.rmtree(here)
    picture = about(recorded, "a/2.png")
    assert saw(picture) == {"aaaa1111": ["watched on it in training"]}
    assert "ram://lineage/examples" in [one["path"] for one in picture["held_by"]]


def test_neither_tensorflow_nor_tfx_is_loaded(two_spans):
    words = ["lineage", "--image", "dark/1.png", "--runs", str(two_spans.places.runs)]
    code = (
        "import sys; from pipeline.cli import main; main(%r, standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'tfx', 'mlflow')))"
    )
    asked = subprocess.run([sys.executable, "-c", code % words], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "trained on it" in asked.stdout
