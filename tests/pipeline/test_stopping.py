"""Ctrl-C and SIGTERM: a command ends at once where it may, without a traceback, and says so."""

import json
import os
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import contextlib, signal, sys, time
import click
from pipeline.commands import Commands
from pipeline.stopping import Stop

@click.group(cls=Commands)
def main(): pass

def wait():
    print("begun", flush=True)
    time.sleep(60)

def sent(stop, number=signal.SIGINT):
    signal.raise_signal(number)
    time.sleep(1.1)

@main.command()
@click.option("--json", is_flag=True)
def plain(json):
    with contextlib.suppress(ZeroDivisionError):
        wait()

@main.command()
@click.pass_obj
def twice(stop):
    try:
        wait()
    finally:
        signal.raise_signal(signal.SIGINT)  # as make sends it on
        print("cleaned", flush=True)

@main.command()
@click.pass_obj
def held(stop):
    with stop.held():
        sent(stop)
        sent(stop)
        print("held", flush=True)
        with stop.at_once():
            print("never", flush=True)

@main.command()
@click.pass_obj
def again(stop):
    with stop.held():
        with stop.if_again():
            sent(stop)
            print("noted", flush=True)
            sent(stop)
            print("never", flush=True)

@main.command()
@click.pass_obj
def swallowed(stop):
    try:
        sent(stop)
    except:
        print("swallowed", flush=True)
    stop.check()
    print("never", flush=True)

main(prog_name="graft")
"""


def start(*arguments, ignored=False):
    def heed():  # which a shell's background job, and all that it starts, passes over
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed,
        start_new_session=True,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["plain", "twice"])
def test_a_signal_ends_a_command_with_its_own_exit_code(command, number, code):
    process = start(command)
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (code, "stopped")
    assert out == ("cleaned\n" if command == "twice" else "")


@pytest.mark.parametrize("command", ["held", "again", "swallowed"])
def test_a_signal_takes_effect_where_it_may(command):
    process = start(command)
    out, err = process.communicate(timeout=60)
    said = {"held": "held\n", "again": "noted\n", "swallowed": "swallowed\n"}[command]
    assert (process.returncode, out, err.strip()) == (130, said, "stopped")


def test_a_background_job_goes_on_where_its_shell_had_it_ignore_ctrl_c():
    process = start("swallowed", ignored=True)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "never\n", "")


def test_a_stop_is_told_in_json():
    process = start("plain", "--json")
    assert process.stdout.readline() == "begun\n"
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert json.loads(out) == {"error": {"kind": "Stopped", "message": "stopped"}}
    assert process.returncode == 130


def test_ctrl_c_before_anything_is_loaded_leaves_no_traceback():
    program = (
        "import signal, pipeline.__main__ as entry, sys\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'pipeline.cli': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "entry.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
