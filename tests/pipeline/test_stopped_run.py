"""Ctrl-C and SIGTERM at any moment of a run, typed at a terminal as a person would."""

import os
import re
import signal
import sys
import time

import pytest
from pseudo_terminal import CTRL_C, PseudoTerminal
from test_whole_run import Task
from test_whole_run import images as images

pytestmark = pytest.mark.slow

# The report is open until a file is there, so that it can be met while it is written.
SLOW_REPORT = """
import os, sys, time
import pipeline.finish as finish
write = finish.write_report
def wait_and_write(*arguments):
    open(sys.argv[1] + ".begun", "w").close()
    while not os.path.exists(sys.argv[1]):
        time.sleep(0.1)
    return write(*arguments)
finish.write_report = wait_and_write
from pipeline.cli import main
main(sys.argv[2:], prog_name="graft")
"""


@pytest.fixture
def task(tmp_path, images):
    return Task(tmp_path, images)


def run(task, *words, program=("-m", "pipeline")):
    words = ["run", task.config, "--runs", task.runs, *words]
    return PseudoTerminal([sys.executable, *program, *words], columns=200)


def ended(terminal, *codes):
    assert terminal.end() in codes, terminal.seen
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.seen)
    assert "Traceback" not in seen and "Exception" not in seen
    assert "stopped" in seen
    return seen


def test_while_tensorflow_is_loaded_there_is_nothing_to_keep(task):
    terminal = run(task)
    terminal.wait_for("loading TensorFlow Extended")
    terminal.type(CTRL_C)
    seen = ended(terminal, 130)
    assert "before the first node" in seen and f"-m pipeline run {task.config}" in seen
    assert re.search(rf"log +{task.home}/logs/.*\.log\n", seen)
    assert not (task.home / "summary.json").exists()


def test_in_a_node_it_says_where_and_the_next_run_goes_on(task):
    for node in ("ImageTransform", "Trainer"):  # by Beam, and not
        terminal = run(task)
        terminal.wait_for(node)
        wait_for(task.home / "artifacts" / node, terminal)
        terminal.type(CTRL_C)
        seen = ended(terminal, 130)
        assert f"stopped in {node}\n" in seen and "go on " in seen
        assert f"✗ {node:<18} failed" in seen and "Pusher             skipped" in seen
        summary = task.summary()
        assert summary["error"] == {"node": node, "message": "interrupted"}
        assert os.path.exists(summary["report"])
    assert task.run()["blessed"]


def test_sigterm_does_the_same(task):
    terminal = run(task, "--json")
    wait_for(task.home / "artifacts" / "StatisticsGen", terminal)
    terminal.process.send_signal(signal.SIGTERM)
    seen = ended(terminal, 143)
    assert '"message": "interrupted"' in seen and "stopped in StatisticsGen" in seen


@pytest.mark.parametrize("times", [1, 2])
def test_while_the_report_is_written(task, tmp_path, times):
    go = tmp_path / "go"
    terminal = run(task, program=("-c", SLOW_REPORT, go))
    wait_for(tmp_path / "go.begun", terminal)
    for _ in range(times):
        terminal.type(CTRL_C)
        terminal.read_for(1.5)
    if times == 1:
        go.touch()
    seen = ended(terminal, 130)
    assert "the run had ended, and nothing is left to do" in seen
    assert task.summary()["status"] == "succeeded"
    assert os.path.exists(task.summary()["report"]) == (times == 1)
    assert ("`graft report " in seen) == (times == 2)


def test_twice_in_a_node_leaves_no_traceback(task):
    terminal = run(task)
    wait_for(task.home / "artifacts" / "ImageExampleGen", terminal)
    terminal.type(CTRL_C)
    terminal.read_for(1.2)
    terminal.type(CTRL_C)
    # The second may meet an interpreter that is ending, which it kills; a shell calls both 130.
    ended(terminal, 130, -signal.SIGINT)
    assert task.summary()["error"] == {"node": "ImageExampleGen", "message": "interrupted"}


def wait_for(path, terminal):
    """Waits while the terminal is read, or what runs there would wait for its reader."""
    deadline = time.monotonic() + 240
    while not path.exists():
        assert time.monotonic() < deadline and terminal.process.poll() is None, terminal.seen
        terminal.read_for(0.1)
