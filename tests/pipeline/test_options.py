"""What commands share: whose runs, which of them, and where to write."""

import pytest
from click.testing import CliRunner
from commands_run import record, refusal, run_alone

from pipeline.cli import main


def test_predict_and_report_ask_which_of_several_tasks(graft, images, tmp_path):
    for name in ("apples", "bananas"):
        record(tmp_path / "runs", name)
    for command in (("predict", str(images / "ripe" / "0.png")), ("report",)):
        assert "apples, bananas" in refusal(graft, *command)
        assert "'pears'" in refusal(graft, *command, "--name", "pears")


@pytest.mark.parametrize(
    "command",
    [("lineage", "last"), ("clean", "--keep", "1"), ("registry", "list")],
    ids=lambda words: words[0],
)
def test_an_option_that_has_no_effect_is_refused(write, graft, command):
    code, said = graft(*command, "--set", "push.registry=mlflow")
    assert code == 2 and "--set: goes with --kubeflow only" in said
    config = write()
    code, said = graft(*command, "--kubeflow", config)
    assert code == 2 and "--runs and --name: do not go with --kubeflow" in said
    code, said = run_alone(*command, "--kubeflow", config, "--name", "ripeness")
    assert code == 2 and "do not go with --kubeflow" in said


def test_a_run_that_is_not_known_is_said_with_those_that_are(graft, tmp_path):
    record(tmp_path / "runs", "bananas")
    for command in (("report", "7"), ("report", "compare", "1", "7")):
        assert "knows no run 7; it has: 1" in refusal(graft, *command)


@pytest.mark.parametrize("out", ["none/config.yaml", "file/config.yaml"])
def test_a_file_that_cannot_be_written_is_named(graft, tmp_path, out):
    (tmp_path / "file").touch()
    record(tmp_path / "runs", "bananas")
    for result in (
        graft("report", "--out", str(tmp_path / out)),
        run_alone("config", "--out", str(tmp_path / out)),
    ):
        assert result[0] == 2
        assert result[1].startswith(f"error: {tmp_path / out}: cannot be written (")


def test_an_empty_folder_for_runs_is_refused(write):
    result = CliRunner().invoke(main, ["check", write(), "--runs", ""])
    assert result.exit_code == 2 and "--runs: is empty" in result.output


def test_a_folder_for_runs_that_cannot_be_made_is_named(write, tmp_path):
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["run", write(), "--runs", str(tmp_path / "file")])
    assert result.exit_code == 2
    assert f"{tmp_path / 'file' / 'ripeness'}: cannot be made" in result.output


def test_a_damaged_metadata_store_is_named(graft, tmp_path):
    (tmp_path / "runs" / "bananas").mkdir(parents=True)
    (tmp_path / "runs" / "bananas" / "metadata.db").write_text("no database at all")
    message = refusal(graft, "report")
    assert "metadata.db: cannot be opened" in message and "move it away" in message
