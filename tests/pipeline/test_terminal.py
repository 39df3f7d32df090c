"""What a person sees on a real terminal, a pseudo-terminal here, while libraries talk."""

import re
import subprocess
import sys

import pytest
from pseudo_terminal import PseudoTerminal

from pipeline.run_lines import summary_lines
from pipeline.terminal import Terminal

RUN = """
import logging, os, pathlib, sys, time, warnings
from components.progress import Progress
from pipeline.lineage import Node
from pipeline.live_table import LiveTable
from pipeline.stopping import Stop
from pipeline.terminal import Terminal, library_noise_to, real_stderr

log, artifacts = map(pathlib.Path, sys.argv[1:])
with real_stderr() as errors, library_noise_to(log) as stream:
    terminal = Terminal(stream, errors=errors)
    table = LiveTable(terminal, str(artifacts), Stop())
    terminal.say("[bold]task[/]  run 1")
    with table.shown():
        with table.doing("loading"):
            logging.basicConfig(level=logging.INFO)
            logging.info("noise of a logger")
            print("noise of a print")
            os.system("echo noise of a program; echo noise of an error >&2")
            time.sleep(0.5)
        table.expect(["First", "Trainer", *(f"Later{i}" for i in range(9))], {"Later1": 2.5})
        table.ended(Node("First", "cached"))
        with table.running("Trainer"):
            working = artifacts / "Trainer" / ".system" / "executor_execution" / "1"
            Progress(str(working), total=6400).add(640, "phase 1/2")
            warnings.warn("noise of a warning")
            time.sleep(1)
        table.ended(Node("Trainer", "failed", 1.0))
        table.not_reached()
    terminal.fail("[red]error:[/] it broke")

class Late:
    def __del__(self):
        raise ValueError("noise of an ending")

late = Late()
"""
END = """task  run 1
  = First              cached
  ✗ Trainer            failed                                 1.0 s
  · Later0             skipped
"""
ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def on_a_terminal(tmp_path):
    """on_a_terminal(columns, rows, **environment) -> all that was written to the terminal."""

    def run(columns=80, rows=24, **environment):
        command = [sys.executable, "-c", RUN, tmp_path / "log", tmp_path / "artifacts"]
        terminal = PseudoTerminal(command, columns, rows, **environment)
        assert terminal.end() == 0, terminal.seen
        return terminal.seen

    return run


def left_behind(seen):
    """What stands there once each erased line is gone."""
    lines = []
    for part in re.split(r"(\x1b\[1A|\x1b\[2K|\n)", seen):
        if part == "\x1b[1A":
            lines.pop()
        elif part == "\x1b[2K":
            lines[-1:] = [""]
        elif part == "\n":
            lines.append("")
        else:
            lines = lines or [""]
            lines[-1] += ANSI.sub("", part).replace("\r", "")
    return "\n".join(lines)


def test_a_terminal_shows_what_goes_on_and_the_log_gets_the_noise(on_a_terminal, tmp_path):
    seen = on_a_terminal()
    assert "loading" in seen and COLOUR.search(seen)
    assert "640 of 6,400 images · phase 1/2" in ANSI.sub("", seen)
    assert "Later0             waiting\n" in ANSI.sub("", seen)
    assert "Later1             waiting                last time       2.5 s\n" in ANSI.sub("", seen)
    assert "1 of 11 nodes, " in seen
    assert "noise" not in seen
    log = (tmp_path / "log").read_text()
    for source in ("logger", "print", "program", "error", "warning", "ending"):
        assert source in log


def test_it_leaves_behind_the_lines_of_a_log(on_a_terminal):
    seen = left_behind(on_a_terminal())
    assert seen.startswith(END)
    assert "waiting" not in seen and " of 11 nodes" not in seen
    assert seen.endswith("  · Later8             skipped\nerror: it broke\n")


def test_a_small_window_shows_the_running_node_and_how_many_wait(on_a_terminal):
    frames = on_a_terminal(columns=50, rows=7).split("\x1b[2K")
    drawn = [ANSI.sub("", frame) for frame in frames if "Trainer" in frame]
    running = [frame for frame in drawn if "640 of 6,400 images" in frame]
    assert running
    for frame in running:
        more = re.search(r"· and (\d) more wait\n", frame)
        assert more and frame.count("  waiting") + int(more[1]) == 9, frame
    assert all(frame.count("\n") < 7 for frame in drawn)
    assert all(len(line) < 50 for frame in drawn for line in frame.split("\n") if "━" in line)


@pytest.mark.parametrize("variable", [{"TERM": "dumb"}, {"CI": "true"}])
def test_lines_do_not_change_where_none_can_see_them_change(on_a_terminal, variable):
    seen = on_a_terminal(**variable)
    assert ANSI.sub("", seen).startswith(END)
    assert "waiting" not in seen and "\x1b[2K" not in seen


def test_no_color_leaves_colour_out_of_the_table(on_a_terminal):
    seen = on_a_terminal(NO_COLOR="1")
    assert "640 of 6,400" in seen and not COLOUR.search(seen)


@pytest.mark.parametrize("forced", [False, True])
def test_a_pipe_gets_plain_lines(tmp_path, forced, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1" if forced else "")
    monkeypatch.delenv("NO_COLOR", raising=False)
    command = [sys.executable, "-c", RUN, str(tmp_path / "log"), str(tmp_path / "artifacts")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ("\x1b[" in done.stdout) == forced
    assert COLOUR.sub("", done.stdout).startswith(END)
    assert COLOUR.sub("", done.stderr) == "error: it broke\n"


def test_a_sentence_is_one_line_where_nobody_knows_how_wide_the_window_is(tmp_path):
    with (tmp_path / "piped").open("w") as stream:
        width = Terminal(stream).width
    sentence = "a fresh process scores as the evaluation did; " * 20
    summary = {
        "metrics": {"accuracy": 0.9}, "images": {"test": 10}, "warnings": [sentence], "checks": [],
        "error": None, "unchanged": False, "blessed": True, "pushed": None, "registered": None,
        "report": "r", "seconds": 1.0,
    }  # fmt: skip
    assert sum(sentence.strip() in line for line in summary_lines(summary, "log", width)) == 1
