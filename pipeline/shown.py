"""What a terminal is shown: text from data made harmless, and colour where it is wanted."""

import os
from typing import Any, TextIO

import click

from components.harmless import harmless, harmless_json


def as_data(text: Any) -> str:
    """The same for a line with rich's markup: harmless, and no markup itself."""
    from rich.markup import escape

    return escape(harmless(text))


def echo(text: Any = "", err: bool = False, nl: bool = True, lines: bool = False) -> None:
    """Prints a line, whatever is in it; see `harmless`."""
    click.echo(harmless(text, lines), err=err, nl=nl)


def spelt(seconds: float, digits: int = 1) -> str:
    """A time in its two largest units: 12.3 s, 3 min 05 s, 2 h 10 min.

    Args:
      seconds: how long it took.
      digits: of the seconds below a minute; none while they still go by.
    """
    if round(seconds, digits) < 60:
        return f"{seconds:.{digits}f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def print_json(value: Any) -> None:
    """Prints a value as indented JSON, the same characters as its escapes: it reads back alike."""
    click.echo(harmless_json(value, indent=2))


def colour() -> bool | None:
    """Whether to colour, by NO_COLOR, FORCE_COLOR and TERM; None: where there is a terminal."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return False if os.environ.get("TERM") in ("dumb", "unknown") else None


def is_live(stream: TextIO) -> bool:
    """Whether lines may change on a stream: at a terminal that can, and not under CI."""
    unattended = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown") and not unattended
