"""What a person sees on a real terminal, a pseudo-terminal here, while libraries talk."""

import os
import pty
import subprocess
import sys

from components.progress import Progress

RUN = """
import logging, os, pathlib, sys, time, warnings
from pipeline.lineage import Node
from pipeline.terminal import Terminal, library_noise_to

with library_noise_to(pathlib.Path(sys.argv[1])) as stream:
    terminal = Terminal(stream)
    terminal.say("[bold]task[/]  run 1")
    with terminal.working("loading"):
        logging.basicConfig(level=logging.INFO)
        logging.info("noise of a logger")
        print("noise of a print")
        os.system("echo noise of a program; echo noise of an error >&2")
        time.sleep(0.5)
    with terminal.watching("Trainer", pathlib.Path(sys.argv[2])):
        warnings.warn("noise of a warning")
        time.sleep(1)
    terminal.node(Node("Trainer", "ran", 1.0))

class Late:
    def __del__(self):
        raise ValueError("noise of an ending")

late = Late()
"""


def seen_on_a_terminal(*arguments):
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # how Linux says that the other side has closed
        pass
    assert process.wait() == 0, seen.decode()
    return seen.decode()


def test_a_terminal_shows_what_goes_on_and_the_log_gets_the_noise(tmp_path):
    working = tmp_path / "artifacts" / "Trainer" / ".system" / "executor_execution" / "1"
    working.mkdir(parents=True)
    Progress(str(working), total=6400).add(640, "phase 1/2")
    seen = seen_on_a_terminal(tmp_path / "log", tmp_path / "artifacts")
    assert "loading" in seen
    assert "640 of 6,400 images" in seen and "phase 1/2" in seen
    assert "Trainer            ran" in seen
    assert "noise" not in seen
    log = (tmp_path / "log").read_text()
    for source in ("logger", "print", "program", "error", "warning", "ending"):
        assert source in log
