import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from a_run import HOSTILE, a_run, artifact, encoded, report_of, write_examples

from components.harmless import harmless
from pipeline.report import data
from pipeline.report.write import write_report
from pipeline.summary import summarize


def facts(*rows):
    """Rows of (id, label, split), and of size and content where it matters."""
    return [
        data.Fact(id, f"{id}.png", label, split, *(rest or [(8, 8)]))
        for id, label, split, *rest in rows
    ]


def write_facts(run, rows):
    """Gives a run other facts: {split: [(id, label)]}."""
    at = [node.id for node in run.nodes].index("ImageExampleGen")
    folder = Path(run.output("ImageExampleGen", "facts").uri).parents[1] / "facts" / "2"
    made = dataclasses.replace(run.output("ImageExampleGen", "facts"), uri=str(folder))
    for split, of_split in rows.items():
        size = {"width": 8, "height": 8}
        known = [{"id": id, "label": label, "path": id, **size} for id, label in of_split]
        write_examples(folder / f"Split-{split}", known)
    outputs = {**run.nodes[at].outputs, "facts": [made]}
    nodes = [*run.nodes]
    nodes[at] = dataclasses.replace(nodes[at], outputs=outputs)
    return dataclasses.replace(run, nodes=nodes)


def test_what_changed_since_the_last_data_is_told_by_label(tmp_path):
    run = a_run(tmp_path, test=20, wrong=2)
    then = write_facts(
        run, {"train": [("a", "cat"), ("b", "cat"), ("c", "dog")], "test": [("d", "dog")]}
    )
    now = write_facts(
        a_run(tmp_path / "now", test=20, wrong=2),
        {"train": [("b", "cat"), ("c", "cat"), ("d", "dog")], "test": [("e", "dog")]},
    )
    then = dataclasses.replace(then, id="earlier")
    found = data.changes(data.read_facts(now), then)
    assert (found["new"], found["gone"], found["moved"], found["relabelled"]) == (1, 1, 1, 1)
    assert found["labels"] == []  # two of each, then and now
    path = write_report(now, summarize(now, "", 1.0), tmp_path / "report", then)
    assert "Against run <bdi>earlier</bdi>" in path.read_text()
    path = write_report(now, summarize(now, "", 1.0), tmp_path / "report", now)
    assert "The same pictures as in run" in path.read_text()


def test_labels_whose_count_changed_most_come_first():
    before = facts(("a", "cat", "train"), ("b", "dog", "train"), ("x", "eel", "train"))
    now = facts(("a", "cat", "train"), *((f"c{i}", "dog", "train") for i in range(3)))
    assert data.compared(before, now)["labels"] == [("dog", 1, 3), ("eel", 1, 0)]


def test_pictures_under_two_labels_are_shown(tmp_path):
    run = a_run(tmp_path, labels=("cat", "dog"), test=4, wrong=1)
    contents = Path(run.output("ImageExampleGen", "facts").path("contents.json"))
    contents.write_text(json.dumps({"train": [], "eval": [], "test": ["x", "x", "y", "z"]}))
    found = data.copies(run, data.read_facts(run))
    assert (found["equal"], found["total"]) == (1, 1)
    assert [found["pairs"][0][side].label for side in ("first", "second")] == ["cat", "dog"]
    part = report_of(run, tmp_path).section("images")
    assert "1 equal another picture to the byte" in part.words
    assert "Under two labels stand 1: cat digits/0000.png dog digits/0001.png" in part.words
    assert len(part.images) == 1


def test_pictures_that_look_alike_are_counted_once_a_group(tmp_path):
    run = a_run(tmp_path, test=3, wrong=0)
    groups = Path(run.output("ImageExampleGen", "facts").path("groups.jsonl"))
    rows = [("a", "a"), ("b", "a"), ("c", "a"), ("gone", "a"), ("d", "lot 7")]
    groups.write_text("".join(json.dumps({"content": c, "group": g}) + "\n" for c, g in rows))
    known = facts(*((c, "cat", "train", (8, 8), c) for c in "abcd"))
    assert data.copies(run, known)["near"] == 2


def test_sizes_are_told_by_area():
    known = facts(*((str(i), "cat", "train", (i, 10)) for i in (30, 10, 20, 0)))
    found = data.sizes(known)
    assert (found["smallest"], found["middle"], found["largest"]) == ((10, 10), (20, 10), (30, 10))
    assert "3 sizes of pictures" in found["plot"].svg
    assert data.sizes(known[:1])["plot"] is None
    assert data.sizes([]) is None


def test_rejects_are_shown_of_each_reason_in_turns(tmp_path):
    run = a_run(tmp_path, test=2, wrong=0)
    of_reason = [("is empty", 200), ("is cut off", 3), ("is a text", 1)]
    lines = [
        json.dumps({"path": f"{reason} {i}", "reason": reason})
        for reason, count in of_reason
        for i in range(count)
    ]
    rejects = run.output("ImageExampleGen", "rejects")
    Path(rejects.path("rejects.jsonl")).write_text("\n".join(lines))
    found = data.rejects(run)
    shown = [row["path"] for row in found["rows"]]
    assert shown[:4] == ["is empty 0", "is cut off 0", "is a text 0", "is empty 1"]
    assert (len(shown), found["total"]) == (50, 204)
    assert "50 of them" in report_of(run, tmp_path).words


def test_reasons_that_differ_in_numbers_alone_count_as_one(tmp_path):
    run = a_run(tmp_path, test=2, wrong=0)
    reasons = [f"has {i} pixels ({i} x 1), more than data.max_pixels (9)" for i in range(20, 60)]
    lines = [json.dumps({"path": reason, "reason": reason}) for reason in ["is empty", *reasons]]
    rejects = run.output("ImageExampleGen", "rejects")
    Path(rejects.path("rejects.jsonl")).write_text("\n".join(lines))
    page = report_of(run, tmp_path).section("images")
    assert "40 × has … pixels (… x 1), more than data.max_pixels (9)" in page.words
    assert "other reason" not in page.words and reasons[0] in page.words


@pytest.mark.parametrize("source", ["folder", "manifest"])
def test_a_rejected_picture_is_shown_where_it_can_be(tmp_path, source):
    folder = tmp_path / "images"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "far too small.png").write_bytes(encoded(np.zeros((1, 1, 3))))
    (folder / "cat" / "empty.png").touch()
    (tmp_path / "secret.png").write_bytes(encoded(np.zeros((1, 1, 3))))
    names = ["cat/far too small.png", "cat/empty.png", "../secret.png", "gone.png", "nul\0.png"]
    run = a_run(tmp_path, test=2, wrong=0)
    rejects = run.output("ImageExampleGen", "rejects")
    lines = [json.dumps({"path": name, "reason": "is too small"}) for name in names]
    Path(rejects.path("rejects.jsonl")).write_text("\n".join(lines))
    (folder / "labels.csv").touch()
    given = folder if source == "folder" else folder / "labels.csv"
    run.config["data"]["source"] = str(given)
    rows = data.rejects(run)["rows"]
    assert [row["picture"] is not None for row in rows] == [True, False, False, False, False]
    assert 'alt="The rejected picture cat/far too small.png"' in report_of(run, tmp_path).source


def test_a_hostile_name_of_a_rejected_picture_shows_as_text(tmp_path):
    run = a_run(tmp_path, test=2, wrong=0)
    rejects = artifact(tmp_path, "ImageExampleGen", "rejects")
    Path(rejects.path("rejects.jsonl")).write_text(json.dumps({"path": HOSTILE, "reason": HOSTILE}))
    page = report_of(run, tmp_path)
    assert harmless(HOSTILE) in page.text and "<script" not in page.source
