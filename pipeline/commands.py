"""How every command behaves: help in the order of use, mistakes as one message, a clean stop."""

import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import click

from components.errors import GraftError
from pipeline.shown import colour, echo, print_json
from pipeline.stopping import Stop

_SECTIONS = {
    "Run": ("run", "check", "config"),
    "Look at what came of it": ("report", "predict", "serve", "lineage", "augment"),
    "Registry": ("registry",),
    "Kubeflow Pipelines": ("compile", "submit", "schedule"),
    "Tools": ("module", "clean", "completion"),
}


class Commands(click.Group):
    """The command line: groups commands by use, and ends each way of going wrong alike.

    Errors go to stderr with exit code 2, and with --json to stdout, too, as {"error": {"kind",
    "message"}}, so that this holds JSON whatever happens. Ctrl-C ends with 130, SIGTERM with 143.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the commands in sections; one that no section names stands in the last."""
        named = {name for names in _SECTIONS.values() for name in names}
        others = tuple(name for name in self.commands if name not in named)
        *_, last = _SECTIONS
        for title, names in _SECTIONS.items():
            names += others if title == last else ()
            rows = [
                (name, self.commands[name].get_short_help_str(66))
                for name in names
                if name in self.commands
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def main(  # type: ignore[override]
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command and exits; see `click.Group.main`."""
        args = list(sys.argv[1:] if args is None else args)
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        stop = Stop(_command_line(args))
        extra = {"color": colour(), "obj": stop, **extra}
        with stop.heeded():
            try:
                code = super().main(args, prog_name, complete_var, False, **extra)
                code = code if isinstance(code, int) else 0
            except (GraftError, click.ClickException, click.Abort, KeyboardInterrupt) as e:
                with stop.held():
                    code = _tell(e, stop, "--json" in args)
            sys.exit(code)


def _tell(error: BaseException, stop: Stop, as_json: bool) -> int:
    """Says what went wrong, and returns the exit code."""
    if isinstance(error, click.ClickException):
        code, kind, message = error.exit_code, "UsageError", error.format_message()
        error.show()
    elif isinstance(error, GraftError):
        code, kind, message = 2, type(error).__name__, str(error)
        _say("error: ", "red", message)
    elif stop.number:
        code, kind = stop.exit_code, "Stopped"
        message = "stopped"
        _say("", None, message)
    else:  # a question that nobody answered, or answered with no
        code, kind, message = 1, "Aborted", "nothing was done"
        _say("", None, message)
    cause = error.__cause__ if isinstance(error, click.Abort) else None
    notes = [*getattr(error, "__notes__", ()), *getattr(cause, "__notes__", ())]
    for note in notes:
        echo(f"  {note}", err=True)
    if as_json:
        print_json({"error": {"kind": kind, "message": "; ".join([message, *notes])}})
    return code


def _say(before: str, tone: str | None, message: str) -> None:
    click.secho(before, fg=tone, nl=False, err=True, color=colour())
    echo(message, err=True, lines=True)


def _command_line(args: Sequence[str]) -> str:
    """What was typed, to be typed again."""
    by_module = os.path.basename(sys.argv[0]) == "__main__.py"
    typed = sys.orig_argv[: len(sys.orig_argv) - len(args)] if by_module else ["graft"]
    return shlex.join([*typed, *args])
