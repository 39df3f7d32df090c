"""`graft registry` on a task whose models are pushed and registered, in a SQLite file."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from components.content import content_hash
from components.pusher.push import is_withdrawn, newest, push
from components.registry_pusher.registry import Entry, get_registry
from pipeline.cli import main
from pipeline.config import Config
from pipeline.lineage import Node, Run, record_start
from pipeline.places import Places
from pipeline.stores import open_store

ROOT = Path(__file__).parents[2]


class Task:
    """A task with a run on record, that registers what the test brings."""

    def __init__(self, folder, **push_section):
        self.folder = folder
        self.values = {"name": "ripeness", "data": {"source": "bananas"}, "push": push_section}
        config = Config.model_validate(self.values)
        self.places = Places.of(folder / "runs", config)
        self.places.home.mkdir(parents=True)
        run = Run("r1", config.model_dump(mode="json"), "0" * 12, 0.0, {}, [Node("x", "skipped")])
        record_start(open_store(self.places.metadata), run, "ripeness")
        self.serving = self.places.serving(config.push.destination)
        if config.push.registry != "none":
            self.registry = get_registry(self.places.registry(config.push))

    def bring(self, text, champion=False, **facts):
        folder = self.folder / "models" / text
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(text * 100)
        content = content_hash(folder)
        path = push(folder, self.serving, content)
        known = Entry(
            name="ripeness",
            content_hash=content,
            model_path=str(folder),
            pushed_path=path,
            run_id="r1",
            data_fingerprint="d" * 16,
            counts={"train": 80, "test": 20},
            module_handle="./modules/lite0",
            metrics={"accuracy": 0.9},
            intervals={"accuracy": [0.85, 0.94]},
            blessed=True,
            labels=["green", "ripe"],
            image_size=[96, 96],
            config={"train": {"batch_size": 32}},
            card={"limits": "no plantains"},
        )
        self.registry.register(dataclasses.replace(known, **facts), champion=champion)
        return content

    def graft(self, *words, **options):
        result = CliRunner().invoke(
            main, ["registry", *words, "--runs", str(self.folder / "runs")], **options
        )
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result

    def json(self, *words):
        result = self.graft(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refusal(self, *words):
        result = self.graft(*words)
        assert result.exit_code == 2 and result.output.startswith("error: "), result.output
        return result.output


@pytest.fixture
def task(tmp_path):
    return Task(tmp_path)


@pytest.fixture
def two(task):
    """A champion, and a challenger that is served."""
    task.bring("good", champion=True)
    task.bring(
        "bad",
        metrics={"accuracy": 0.95, "log_loss": 0.1},
        counts={"train": 90, "test": 20},
        labels=["green", "brown"],
        config={"train": {"batch_size": 64}},
        git_commit="c" * 40,
    )
    return task


def test_list_says_what_stands_in_the_registry(two):
    second, first = two.json("list")
    assert list(second) == [
        "name", "version", "aliases", "created", "run_id", "content_hash", "data_fingerprint",
        "module", "metrics", "blessed", "uri",
    ]  # fmt: skip
    assert (first["version"], first["aliases"]) == ("1", ["champion"])
    assert (second["version"], second["aliases"]) == ("2", ["challenger"])
    printed = two.graft("list").output
    assert "accuracy" in printed and "0.9500" in printed and "challenger" in printed
    assert f"{two.serving}/2 holds version 2" in printed


def test_a_registry_with_nothing_in_it_is_an_empty_list(task):
    assert task.json("list") == []
    assert "has no version of it yet" in task.graft("list").output
    assert "has no versions of 'ripeness'" in task.refusal("show", "1")


def test_show_takes_number_alias_and_content_and_ends_with_the_card(two):
    content = newest(two.serving).content_hash
    for word in ("2", "challenger", content, content[:6]):
        assert two.json("show", word)["version"] == "2"
    shown = two.json("show", "1")
    assert shown["entry"]["intervals"] == {"accuracy": [0.85, 0.94]}
    assert "no plantains" in shown["card"]
    printed = two.graft("show", "champion").output
    assert "0.8500 to 0.9400" in printed and "no plantains" in printed
    assert f"{two.serving}/2" in two.graft("show", "2").output  # it is served


def test_a_version_that_is_not_there_is_answered_with_those_that_are(two):
    assert "'champoin'; did you mean 'champion'?" in two.refusal("show", "champoin")
    assert "there are: 2, challenger, 1, champion" in two.refusal("show", "77")
    assert "has no version ''" in two.refusal("promote", "")


def test_diff_says_what_differs_and_nothing_else(two):
    found = two.json("diff", "champion", "2")
    assert (found["a"], found["b"]) == ("1", "2")
    accuracy = found["metrics"]["accuracy"]
    assert accuracy["difference"] == pytest.approx(0.05) and accuracy["a_interval"] == [0.85, 0.94]
    assert found["metrics"]["log_loss"]["difference"] is None
    assert found["config"] == {"train.batch_size": ["32", "64"]}
    assert found["counts"] == {"train": [80, 90]}
    assert found["facts"] == {"git_commit": ["", "c" * 40]}
    assert found["labels"] == {"gained": ["brown"], "lost": ["ripe"]}
    printed = two.graft("diff", "1", "2").output
    assert "+0.0500" in printed and "train.batch_size" in printed and "gained: brown" in printed
    assert "same data, backbone, configuration and code" in two.graft("diff", "1", "1").output


def test_promote_makes_the_served_challenger_the_champion(two):
    said = two.json("promote", "challenger")
    assert said["champion"] == "2" and said["served"] == said["before"]
    assert two.registry.champions("ripeness") == ["1", "2"]


def test_rollback_says_before_and_after_what_is_served(two):
    printed = two.graft("rollback").output.splitlines()
    assert f"{two.serving}/2: version 2" in printed[1]
    assert "version 1 becomes the champion; it is pushed again" in printed[2]
    assert f"{two.serving}/3: version 1" in printed[3]
    assert "first champion" in two.refusal("rollback")


def test_rollback_and_promote_answer_in_json(two):
    bad = newest(two.serving).content_hash
    said = two.json("rollback")
    assert said["before"]["version"] == "2" and said["served"]["version"] == "1"
    assert said["served"]["path"] == said["path"] == f"{two.serving}/3"
    assert is_withdrawn(two.serving, bad)
    assert two.json("promote", "2")["path"] == f"{two.serving}/4"
    assert not is_withdrawn(two.serving, bad)


def test_delete_asks_and_keeps_what_an_alias_points_at(two):
    assert "version 1 is the champion" in two.refusal("delete", "1")
    two.graft("promote", "2")
    asked = two.graft("delete", "1", input="n\n")
    assert asked.exit_code == 1 and "Delete it?" in asked.output
    asked = two.graft("delete", "1", "--json", input="n\n")
    assert asked.exit_code == 1 and json.loads(asked.stdout)["error"]["kind"] == "Aborted"
    assert "deletes version 1 of ripeness" in asked.stderr and "Delete it?" in asked.stderr
    assert len(two.json("list")) == 2
    assert two.json("delete", "1", "--yes")["deleted"] == "1"
    assert [version["version"] for version in two.json("list")] == ["2"]


def test_delete_says_that_what_was_rolled_back_from_stays_away(two):
    two.graft("rollback")
    said = two.graft("delete", "2", "--yes").output
    assert "its pipeline does not push it again" in said and "trained anew" in said


def test_the_registry_is_the_one_that_the_last_run_used(tmp_path):
    elsewhere = {
        "registry_uri": f"sqlite:///{tmp_path}/else/mlflow.db",
        "destination": str(tmp_path / "served"),
    }
    task = Task(tmp_path, **elsewhere)
    task.bring("good", champion=True)
    assert task.json("list")[0]["uri"].startswith((tmp_path / "else").as_uri())
    assert task.json("promote", "1")["path"] == str(tmp_path / "served" / "1")


def test_of_kubeflow_the_configuration_says_which(two, monkeypatch):
    values = {
        **two.values,
        "kubeflow": {
            "metadata": {"uri": "mysql://db/graft"},
            "volume": {"mount_path": str(two.folder)},
        },
    }
    path = two.folder / "ripeness.yaml"
    path.write_text(yaml.safe_dump(values))
    words = ["registry", "list", "--kubeflow", str(path), "--json"]
    found = json.loads(CliRunner().invoke(main, words).stdout)
    assert [version["version"] for version in found] == ["2", "1"]


def test_a_task_that_registers_nothing_says_so(tmp_path):
    assert "register nothing" in Task(tmp_path, registry="none").refusal("list")


def test_a_folder_without_runs_says_so(tmp_path):
    result = CliRunner().invoke(main, ["registry", "list", "--runs", str(tmp_path)])
    assert result.exit_code == 2 and "there are no runs yet" in result.output


def test_questions_import_neither_tensorflow_nor_tfx_nor_mlflow(two):
    code = (
        "import sys\nfrom pipeline.cli import main\n"
        "try: main(['registry', *sys.argv[1:]])\n"
        "except SystemExit as e: assert not e.code, e\n"
        "assert not {'tensorflow', 'tfx', 'apache_beam', 'mlflow'} & set(sys.modules)"
    )
    for words in (["list"], ["show", "2"], ["diff", "1", "2"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words, "--runs", str(two.folder / "runs")],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
