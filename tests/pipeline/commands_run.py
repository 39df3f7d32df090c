"""Commands as a user gives them, and the record of a run for them to find."""

from click.testing import CliRunner

from pipeline.cli import main
from pipeline.lineage import Node, Run, record_start
from pipeline.stores import open_store


def refusal(graft, *arguments):
    """The one message of a mistake; `run` gives the same as `check`, before it makes anything."""
    code, printed = graft(*arguments)
    assert code == 2, printed
    assert printed.startswith("error: ")
    return printed


def run_alone(*arguments):
    """The exit code and output of a command that takes no --runs."""
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def record(runs, name, destination=None, run_id="1"):
    """Notes the start of one run, as the runner does before any node."""
    (runs / name).mkdir(parents=True, exist_ok=True)
    config = {"name": name, "push": {"destination": destination}}
    run = Run(run_id, config, "0" * 12, 0.0, {}, [Node("Trainer", "skipped")])
    record_start(open_store(runs / name / "metadata.db"), run, name)
