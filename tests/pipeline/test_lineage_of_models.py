"""`graft lineage MODEL` over recorded runs: what it was made from, and where it is used."""

import shutil
from pathlib import Path

import lineage_records
import pytest
from lineage_answers import about, ask, saw
from lineage_records import ONE, TWO

from components.content import content_hash
from components.registry_pusher import patience
from components.registry_pusher.addresses import address_of
from components.registry_pusher.registry import Entry, get_registry
from pipeline import standing
from pipeline.lineage import read_runs


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


def test_a_model_trained_twice_is_one_with_both_trainings(recorded):
    data = recorded.data(1, {"dark/1.png": ("train", ONE, "")})
    again = recorded.data(2, {"dark/1.png": ("test", ONE, "")})
    recorded.run("run-1", data, recorded.model("aaaa1111"))
    recorded.run("run-2", again, recorded.model("aaaa1111"))
    said = ask(recorded, "aaaa")
    assert [one["run_id"] for one in said["trainings"]] == ["run-1", "run-2"] and said["data"][
        "span"
    ] == 2
    assert saw(about(recorded, "dark/1.png")) == {"aaaa1111": ["trained on it", "tested on it"]}


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
