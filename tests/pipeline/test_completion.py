"""The shell completes commands, options, configurations and runs, and no library is loaded."""

import os
import shutil
import subprocess
import sys

import pytest

COMPLETE = """
import sys
from pipeline.cli import main
try:
    main(prog_name="graft")
finally:
    heavy = {"tensorflow", "tfx", "apache_beam", "ml_metadata", "pydantic", "numpy"}
    assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.fixture
def complete(tmp_path):
    """complete(*words) -> what the last word may become, in a folder with two tasks' runs."""
    for name, runs in (("bananas", ("20260101-1", "20260102-2")), ("apples", ("20260103-3",))):
        (tmp_path / "runs" / name / "logs").mkdir(parents=True)
        (tmp_path / "runs" / name / "metadata.db").touch()
        for run in runs:
            (tmp_path / "runs" / name / "logs" / f"{run}.log").touch()
    (tmp_path / "configs").mkdir()
    for file in ("configs/digits.yaml", "configs/README", "my.yml"):
        (tmp_path / file).touch()

    def complete(*words):
        asked = {
            "_GRAFT_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("graft", *words)),
            "COMP_CWORD": str(len(words)),
        }
        done = subprocess.run(
            [sys.executable, "-c", COMPLETE],
            env={**os.environ, **asked, "PYTHONPATH": os.getcwd()},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    return complete


def test_commands_and_options_are_completed(complete):
    assert complete("re") == ["registry", "report"]
    assert complete("registry", "ro") == ["rollback"]
    assert complete("run", "--q") == ["--quiet"]


def test_configurations_are_completed(complete):
    assert complete("run", "") == ["configs/digits.yaml", "my.yml"]
    assert complete("check", "conf") == ["configs/digits.yaml"]
    assert complete("check", "/tm") == ["/tm"]  # and the shell goes on from there


def test_runs_and_names_are_completed(complete):
    assert complete("lineage", "") == ["last", "20260103-3", "20260102-2", "20260101-1"]
    assert complete("lineage", "--name", "bananas", "2") == ["20260102-2", "20260101-1"]
    assert complete("lineage", "--runs", "none", "2") == []
    assert complete("report", "--name", "") == ["apples", "bananas"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_of_its_shell(shell, tmp_path):
    command = [sys.executable, "-m", "pipeline", "completion", shell]
    script = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"_GRAFT_COMPLETE={shell}_complete" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)
