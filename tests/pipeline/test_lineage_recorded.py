"""`graft lineage` over recorded runs: shared caches, failures, spans, warm starts, lost things."""

import dataclasses
import functools
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
from PIL import Image

from components.content import content_hash
from components.registry_pusher import patience
from components.registry_pusher.addresses import address_of
from components.registry_pusher.registry import Entry, get_registry
from pipeline import standing
from pipeline.cli import main
from pipeline.lineage import last_on_other_data, read_run, read_runs, run_ids

ONE, TWO, THREE, COPY = b"one", b"two", b"three", b"one, saved again"
CONTENT = hashlib.sha256(ONE).hexdigest()[:32]


def picture(seed, kind="PNG"):
    """A soft picture, encoded."""
    shades = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(shades).resize((200, 200), Image.Resampling.BICUBIC).save(encoded, kind)
    return encoded.getvalue()


@pytest.fixture
def task(tmp_path):
    return lineage_records.Task(tmp_path)


def ask(task, *words, succeeds=True):
    command = ["lineage", *words, "--runs", str(task.places.runs), "--json"]
    result = CliRunner().invoke(main, command)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == (0 if succeeds else 2), result.output
    return json.loads(result.output) if succeeds else result.output


def about(task, image):
    """What is said of the one picture that an image stands for."""
    (answer,) = ask(task, "--image", str(image))["images"]
    (picture,) = answer["pictures"]
    return picture


def saw(picture):
    return {model["content_hash"]: model["saw"] for model in picture["models"]}


@pytest.fixture(scope="module")
def two_spans(tmp_path_factory):
    """See `add_two_spans`; shared, so it is only read."""
    return add_two_spans(lineage_records.Task(tmp_path_factory.mktemp("two_spans")))


@pytest.fixture
def own_two_spans(task):
    """The same for one test alone."""
    return add_two_spans(task)


def add_two_spans(task):
    """A model of span 1, taken from the cache once; one of span 2 that began from it; a failure."""
    task.file(1, "dark/1.png", ONE)
    first = task.data(
        1,
        {
            "dark/1.png": ("train", ONE, "g"),
            "dark/copy.png": ("train", COPY, "g"),
            "light/2.png": ("eval", TWO, ""),
            "light/3.png": ("test", THREE, ""),
        },
    )
    second = task.data(2, {"dark/1.png": ("train", b"another", ""), "d/c.png": ("test", COPY, "")})
    a = task.model("aaaa1111")
    task.run("run-1", first, a, served=1)
    task.run("run-2", first, a, cached=lineage_records.NODES)
    b = task.model("bbbb2222", began_from=a)
    task.run("run-3", second, b, baseline=a, served=2, warm_start=True)
    task.run("run-4", second, failed="Trainer", warm_start=True)
    return task


def test_a_model_names_its_data_its_module_its_code_and_all_runs(two_spans):
    said = ask(two_spans, "aaaa1111")
    assert said["data"]["span"] == 1
    assert said["data"]["counts"] == {"train": 2, "eval": 1, "test": 1, "rejected": 1}
    assert said["module"] == {"handle": "./modules/x", "hash": "77"}
    assert said["config"]["hash"] == "confighash12" and "phases" in said["config"]["train"]
    assert said["code"] == {"git_commit": "c" * 40 + "+changes", "versions": {"graft": "0.1.0"}}
    assert said["began_from"] == [] and said["compared_with"] is None
    assert said["blessed"] and said["blessing_reasons"] == ["reason", "infra_reason"]
    done = {run["run_id"]: run["did"] for run in said["runs"]}
    assert done["run-1"] == ["trained", "evaluated", "checked", "pushed", "not registered"]
    assert "trained, from the cache" in done["run-2"]
    assert done["run-3"] == ["began from it", "compared with it"]
    assert "run-4" not in done


def test_a_warm_start_is_followed_to_the_first_model(own_two_spans):
    third = own_two_spans.data(3, {"dark/9.png": ("train", b"nine", "")})
    began = read_runs(own_two_spans.store, "shades")[2].output("Trainer", "model")
    own_two_spans.run("run-5", third, own_two_spans.model("cccc3333", began_from=began))
    said = ask(own_two_spans, "cccc3333")
    assert [one["content_hash"] for one in said["began_from"]] == ["bbbb2222", "aaaa1111"]
    assert [one["data"]["span"] for one in said["began_from"]] == [2, 1]
    assert saw(about(own_two_spans, own_two_spans.folder / "span-1/dark/1.png"))["cccc3333"] == [
        "began from aaaa1111, which was trained on it"
    ]


@pytest.mark.parametrize("word", ["run-1", "run-2", "aaaa", "aaaa1111", "SERVED/1"])
def test_a_model_goes_by_its_run_its_content_and_its_served_folder(two_spans, word):
    word = word.replace("SERVED", str(two_spans.places.serving(None)))
    assert ask(two_spans, word)["content_hash"] == "aaaa1111"


def test_a_served_version_that_was_copied_away_still_says_which_it_is(two_spans, tmp_path):
    shutil.copytree(Path(two_spans.places.serving(None), "2"), tmp_path / "elsewhere")
    assert ask(two_spans, str(tmp_path / "elsewhere"))["content_hash"] == "bbbb2222"


def test_a_served_version_counts_as_served_only_where_it_is_whole(own_two_spans):
    serving = Path(own_two_spans.places.serving(None))
    (serving / "²").mkdir()
    (serving / "2" / "saved_model.pb").unlink()  # what a push to a bucket leaves that was killed
    (second,) = ask(own_two_spans, "bbbb2222")["pushed"]
    (first,) = ask(own_two_spans, "aaaa1111")["pushed"]
    assert second["there"] and not second["newest"] and first["newest"]


def test_a_served_version_whose_record_is_torn_goes_by_what_it_holds(own_two_spans):
    served = Path(own_two_spans.places.serving(None), "2")
    own_two_spans.run("run-5", own_two_spans.data(3, {}), own_two_spans.model(content_hash(served)))
    (served / ".pushed.json").write_text("{")
    assert ask(own_two_spans, "last")["pushed"][0]["newest"]
    moved = served.rename(own_two_spans.folder / "moved")
    assert ask(own_two_spans, str(moved))["content_hash"] == content_hash(moved)


def test_a_served_folder_that_cannot_be_read_is_a_note(own_two_spans, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(standing, "names", refuse)
    said = ask(own_two_spans, "aaaa1111")
    assert [one["there"] for one in said["pushed"]] == [None]
    assert "Permission denied" in said["notes"][0]


def test_what_names_no_model_is_one_clear_sentence(own_two_spans):
    assert "did you mean 'bbbb2222'?" in ask(own_two_spans, "bbbb2223", succeeds=False)
    assert "run run-4 has no model" in ask(own_two_spans, "last", succeeds=False)
    own_two_spans.run("run-5", own_two_spans.data(3, {}), own_two_spans.model("aaaa9999"))
    assert "several models, aaaa1111, aaaa9999" in ask(own_two_spans, "aaaa", succeeds=False)
    assert "one of both" in ask(own_two_spans, succeeds=False)
    assert "one of both" in ask(own_two_spans, "1", "--image", "x", succeeds=False)


def test_a_model_trained_twice_is_one_with_both_trainings(task):
    data = task.data(1, {"dark/1.png": ("train", ONE, "")})
    again = task.data(2, {"dark/1.png": ("test", ONE, "")})
    task.run("run-1", data, task.model("aaaa1111"))
    task.run("run-2", again, task.model("aaaa1111"))
    said = ask(task, "aaaa")
    assert [one["run_id"] for one in said["trainings"]] == ["run-1", "run-2"] and said["data"][
        "span"
    ] == 2
    assert saw(about(task, "dark/1.png")) == {"aaaa1111": ["trained on it", "tested on it"]}


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


def test_what_holds_the_picture_goes_by_its_split_and_by_what_is_still_there(own_two_spans):
    def held(image):
        return [Path(one["path"]).parent.name for one in about(own_two_spans, image)["held_by"]]

    assert held("light/2.png").count("transformed_examples") == 0
    assert {"examples", "features"} <= set(held("light/2.png"))
    assert set(held("light/3.png")) == {"examples", "predictions"}
    assert "transformed_examples" in held("dark/copy.png")
    for one in about(own_two_spans, "light/3.png")["held_by"]:
        shutil.rmtree(one["path"])
    assert held("light/3.png") == []


def test_reports_sheets_views_and_unfinished_trainings_that_hold_it_are_found(own_two_spans):
    picture = about(own_two_spans, "d/c.png")
    id = picture["datasets"][-1]["ids"][0]
    run = read_run(own_two_spans.store, "run-3")
    sheet = run.output("ImageTransform", "preprocessing").path("contact_sheet.json")
    Path(sheet).write_text(json.dumps([{"id": id}]))
    Path(sheet).with_suffix(".png").write_bytes(b"")
    for run_id, text in (("run-1", "dark/copy.png"), ("run-2", "other"), ("run-3", "")):
        own_two_spans.places.report(run_id).mkdir(parents=True)
        page = own_two_spans.places.report(run_id) / "index.html"
        page.write_text(f'<small title="{text}">')
    (own_two_spans.places.report("run-3") / f"{id}-4.png").write_bytes(b"")
    both = own_two_spans.places.home / "reports" / "compare-run-1-run-3.html"
    both.write_text('<small title="dark/copy.png">')
    both.with_name("compare-run-1-run-2.html").write_text('<small title="other">')
    (own_two_spans.places.checkpoints / "unfinished").mkdir(parents=True)
    held = {one["path"] for one in about(own_two_spans, "d/c.png")["held_by"]}
    reports = own_two_spans.places.home / "reports"
    assert {
        str(Path(sheet).with_suffix(".png")),
        str(reports / "run-1" / "index.html"),
        str(reports / "compare-run-1-run-3.html"),
        str(reports / "run-3" / "index.html"),
        str(reports / "run-3" / f"{id}-4.png"),
    } <= held
    assert not any("run-2" in path for path in held)
    assert not any("checkpoints" in path for path in held)  # run-4 had it in its test split alone
    held = {
        one["path"]
        for one in about(own_two_spans, own_two_spans.folder / "span-2/dark/1.png")["held_by"]
    }
    assert str(own_two_spans.places.checkpoints / "unfinished") in held


def test_what_remains_to_do_is_said_and_goes_as_it_is_done(own_two_spans):
    file = own_two_spans.folder / "span-1/dark/1.png"
    steps = about(own_two_spans, file)["to_do"]
    assert steps[0] == f"delete the source file {file}"
    assert "1 other picture of its group" in steps[1]
    serving = Path(own_two_spans.places.serving(None))
    assert f"delete the served version {serving / '1'}" in steps
    assert f"once a later version is served, delete the served version {serving / '2'}" in steps
    assert "graft clean --keep 1" in steps[-1]
    assert not any("run again" in step for step in steps)  # the newest data are without it
    newest = about(own_two_spans, own_two_spans.folder / "span-2/dark/1.png")["to_do"]
    assert any("run again with train.warm_start=false" in step for step in newest)

    file.unlink()
    shutil.rmtree(serving)
    shutil.rmtree(own_two_spans.places.home / "artifacts" / "node" / "model")
    for folder in ("examples", "transformed_examples", "features"):
        shutil.rmtree(own_two_spans.places.home / "artifacts" / "node" / folder)
    (left,) = about(own_two_spans, file)["to_do"]
    assert "its group" in left


def test_the_newest_data_are_those_of_the_last_run_not_those_that_came_last(task):
    first = task.data(1, {"a/1.png": ("train", ONE, "")})
    task.run("run-1", first, task.model("aaaa1111"))
    second = task.data(2, {"a/2.png": ("train", TWO, "")})
    task.run("run-2", second, task.model("bbbb2222"))
    assert not any("run again" in step for step in about(task, "a/1.png")["to_do"])
    task.run("run-3", first, task.model("cccc3333"), cached=["ImageExampleGen"])
    assert any("run again" in step for step in about(task, "a/1.png")["to_do"])
    assert not any("run again" in step for step in about(task, "a/2.png")["to_do"])


def test_near_copies_of_other_data_sets_are_relatives_too(task):
    task.run("run-1", task.data(1, {"a/1.png": ("train", ONE, "g")}))
    task.run("run-2", task.data(2, {"a/2.png": ("train", COPY, "g")}))
    picture = about(task, "a/2.png")
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


def test_a_picture_that_was_saved_anew_is_known_as_a_near_copy(task, tmp_path):
    original, other = picture(seed=1), picture(seed=2)
    rows = {"a/1.png": ("train", original, ""), "a/2.png": ("train", other, "")}
    task.run("run-1", task.data(1, rows), task.model("aaaa1111"))
    task.run("run-2", task.data(2, {"a/3.png": ("train", TWO, "")}))
    sent = tmp_path / "sent.jpg"
    sent.write_bytes(picture(seed=1, kind="JPEG"))
    (answer,) = ask(task, "--image", str(sent))["images"]
    (near,) = answer["near"]
    assert near["path"] == "a/1.png"
    assert saw(about(task, near["content"])) == {"aaaa1111": ["trained on it"]}
    words = ["lineage", "--image", str(sent), "--runs", str(task.places.runs)]
    assert f"a/1.png: ask for {near['content']}" in CliRunner().invoke(main, words).output


def test_a_mistyped_path_and_a_file_that_is_no_picture_are_not_said_to_be_unseen(task, tmp_path):
    def said(image):
        words = ["lineage", "--image", image, "--runs", str(task.places.runs)]
        return CliRunner().invoke(main, words).output

    task.run("run-1", task.data(1, {"a/1.png": ("train", ONE, "")}), task.model("aaaa1111"))
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


def test_records_of_several_files_keep_their_contents(task):
    rows = {f"a/{i}.png": ("train" if i % 3 else "test", b"%d" % i, "") for i in range(10)}
    task.run("run-1", task.data(1, rows, shards=3))
    for i in (0, 4, 9):
        file = task.file(1, f"a/{i}.png", b"%d" % i)
        assert about(task, file)["datasets"][0]["paths"] == [f"a/{i}.png"]


def test_a_window_of_spans_names_its_pictures_by_span(tmp_path):
    task = lineage_records.Task(tmp_path)
    task.run(
        "run-1", task.data(2, {"1/a/1.png": ("train", ONE, ""), "2/a/1.png": ("train", TWO, "")})
    )
    (stands,) = about(task, tmp_path / "span-1/a/1.png")["datasets"]
    assert stands["paths"] == ["1/a/1.png"]


def register(uri, folder):
    """Enters a model of the folder's name; its content."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(folder.name)
    content = content_hash(folder)
    entry = Entry("shades", content, str(folder), run_id="run-1", pipeline="shades")
    get_registry({"kind": "mlflow", "uri": uri}).register(entry)
    return content


@pytest.mark.slow
def test_aliases_and_versions_are_the_registrys(tmp_path):
    uri = address_of(tmp_path / "mlflow.db")
    task = lineage_records.Task(tmp_path, registry="mlflow", registry_uri=uri)
    content = register(uri, tmp_path / "saved")
    task.run("run-1", task.data(1, {"a/1.png": ("train", ONE, "")}), task.model(content))
    for word in ("1", "challenger"):
        said = ask(task, word)
        assert said["content_hash"] == content
        assert said["registered"][0]["aliases"] == ["challenger"]
    steps = about(task, "a/1.png")["to_do"]
    ending = f"delete version 1 of shades: graft registry delete {content}"
    assert any(step.startswith(f"once another version is challenger, {ending}") for step in steps)
    assert "did you mean 'challenger'?" in ask(task, "chalenger", succeeds=False)


@pytest.mark.slow
def test_a_version_in_the_registry_of_earlier_runs_is_not_mixed_up_with_the_last_ones(tmp_path):
    old, new = (address_of(tmp_path / f"{name}.db") for name in ("old", "new"))
    task = lineage_records.Task(tmp_path, registry="mlflow", registry_uri=old)
    first, second = register(old, tmp_path / "a"), register(new, tmp_path / "b")
    task.run("run-1", task.data(1, {"a/1.png": ("train", ONE, "")}), task.model(first))
    task.settings["registry_uri"] = new
    task.run("run-2", task.data(2, {"a/2.png": ("train", TWO, "")}), task.model(second))
    (step,) = (step for step in about(task, "a/1.png")["to_do"] if "version 1" in step)
    assert f"in mlflow at {old}" in step and "registry delete" not in step
    (step,) = (step for step in about(task, "a/2.png")["to_do"] if "version 1" in step)
    assert f"graft registry delete {second}" in step


def test_a_registry_that_does_not_answer_takes_the_aliases_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "WAITS", (0.01,))
    task = lineage_records.Task(tmp_path, registry="mlflow", registry_uri="http://127.0.0.1:9")
    task.run("run-1", task.data(1, {"a/1.png": ("train", ONE, "")}), task.model("aaaa1111"))
    said = ask(task, "aaaa1111")
    assert said["data"]["span"] == 1 and "does not answer" in said["notes"][0]
    assert "does not answer" in ask(task, "champion", succeeds=False)


def test_artifacts_in_a_bucket_are_read_there(task):
    data = task.data(1, {"a/1.png": ("train", ONE, ""), "a/2.png": ("eval", TWO, "")})
    task.run("run-1", data, task.model("aaaa1111"))
    for key in ("facts", "examples"):
        here, there = data[key].uri, f"ram://lineage/{key}"
        for path in (path for path in Path(here).rglob("*") if path.is_file()):
            target = f"{there}/{path.relative_to(here)}"
            tf.io.gfile.makedirs(os.path.dirname(target))
            tf.io.gfile.copy(str(path), target)
        tf.io.gfile.makedirs(there)
        data[key].uri = there
        task.store.put_artifacts([data[key]])
        shutil.rmtree(here)
    picture = about(task, "a/2.png")
    assert saw(picture) == {"aaaa1111": ["watched on it in training"]}
    assert "ram://lineage/examples" in [one["path"] for one in picture["held_by"]]


def test_all_runs_read_at_once_are_those_read_one_by_one(two_spans):
    ids = run_ids(two_spans.store, "shades")
    assert read_runs(two_spans.store, "shades") == [read_run(two_spans.store, id) for id in ids]


def test_the_last_run_on_other_data_is_the_last_before_that_took_other_pictures(two_spans):
    one, two, three, four = read_runs(two_spans.store, "shades")
    last = functools.partial(last_on_other_data, two_spans.store, "shades")
    assert (last(one), last(two)) == (None, None)
    assert last(three) == last(four) == two
    assert last(dataclasses.replace(four, id="run-9")) is None  # which the store does not know
    assert last(dataclasses.replace(four, nodes=[])) is None


def test_neither_tensorflow_nor_tfx_is_loaded(two_spans):
    words = ["lineage", "--image", "dark/1.png", "--runs", str(two_spans.places.runs)]
    code = (
        "import sys; from pipeline.cli import main; main(%r, standalone_mode=False); "
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'tfx', 'mlflow')))"
    )
    asked = subprocess.run([sys.executable, "-c", code % words], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    assert "trained on it" in asked.stdout
