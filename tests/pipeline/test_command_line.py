"""How every command behaves: help, mistakes in JSON too, colour where it is wanted."""

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner
from commands_run import run_alone

from pipeline.cli import main
from pipeline.commands import Commands


def test_check_and_help_do_not_pay_for_tensorflow(write):
    program = (
        "import sys, click; from click.testing import CliRunner; from pipeline.cli import main\n"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'ml_metadata'}\n"
        "for_help = {'pydantic', 'yaml', 'rich', 'PIL', 'numpy', 'jinja2', 'filelock', *heavy}\n"
        "def print_help(*words):\n"
        "    assert CliRunner().invoke(main, [*words, '--help']).exit_code == 0\n"
        "print_help()\n"
        "for name, command in main.commands.items():\n"
        "    print_help(name)\n"
        "    for below in getattr(command, 'commands', ()): print_help(name, below)\n"
        "assert not for_help & set(sys.modules), for_help & set(sys.modules)\n"
        f"for words in (['check', {write()!r}], ['config']):\n"
        "    assert CliRunner().invoke(main, words).exit_code == 0\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_help_lists_every_command_once_in_80_columns():
    code, printed = run_alone("--help")
    assert code == 0 and max(map(len, printed.splitlines())) <= 80
    listed = [line.split()[0] for line in printed.splitlines() if line.startswith("  ")]
    assert all(listed.count(name) == 1 for name in main.commands)
    assert printed.index("\nRun:") < printed.index("\nRegistry:") < printed.index("Examples:")


def test_a_command_that_no_section_names_is_listed_with_the_tools():
    group = Commands(commands={name: click.Command(name, help=name) for name in ("run", "new")})
    assert "Tools:\n  new" in CliRunner().invoke(group, ["--help"]).output


def test_a_mistyped_command_is_said_with_the_nearest():
    code, printed = run_alone("chek")
    assert code == 2 and "'check'" in printed


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("check", "none.yaml"), "ConfigError"),
        (("run", "none.yaml"), "ConfigError"),
        (("predict", "none.png", "--runs", "none"), "ConfigError"),
        (("registry", "list", "--runs", "none"), "ConfigError"),
        (("lineage", "last", "--runs", "none"), "ConfigError"),
        (("submit", "none.yaml"), "ConfigError"),
        (("check", "--no-such-option"), "UsageError"),
    ],
    ids=lambda words: words[0] if isinstance(words, tuple) else words,
)
def test_with_json_a_mistake_is_json_too(words, kind):
    result = CliRunner().invoke(main, [*words, "--json"])
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["kind"] == kind and error["message"] in result.stderr


@pytest.mark.parametrize("variable", ["NO_COLOR", "TERM"])
def test_colour_is_left_out_where_nobody_wants_it(write, monkeypatch, variable):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    warned = write(train={"batch_size": 4})
    for config, code in (("none.yaml", "\x1b[31m"), (warned, "\x1b[33m")):
        with monkeypatch.context() as patch:
            assert code in CliRunner().invoke(main, ["check", config], color=True).output
            patch.setenv(variable, "dumb")
            assert "\x1b" not in CliRunner().invoke(main, ["check", config], color=True).output


def test_colour_is_kept_in_a_pipe_where_somebody_wants_it(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in CliRunner().invoke(main, ["check", "none.yaml"]).output
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m" in CliRunner().invoke(main, ["check", "none.yaml"]).output
