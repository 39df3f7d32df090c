"""What holds a picture, and what remains to be done for it to be gone, over recorded runs."""

import json
import shutil
from pathlib import Path

from lineage_answers import about
from lineage_records import ONE, TWO

from pipeline.lineage import read_run


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


def test_the_newest_data_are_those_of_the_last_run_not_those_that_came_last(recorded):
    first = recorded.data(1, {"a/1.png": ("train", ONE, "")})
    recorded.run("run-1", first, recorded.model("aaaa1111"))
    second = recorded.data(2, {"a/2.png": ("train", TWO, "")})
    recorded.run("run-2", second, recorded.model("bbbb2222"))
    assert not any("run again" in step for step in about(recorded, "a/1.png")["to_do"])
    recorded.run("run-3", first, recorded.model("cccc3333"), cached=["ImageExampleGen"])
    assert any("run again" in step for step in about(recorded, "a/1.png")["to_do"])
    assert not any("run again" in step for step in about(recorded, "a/2.png")["to_do"])
