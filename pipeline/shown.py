"""What may be shown to a person: text from data made harmless, and colour where it is wanted.

Labels, paths and messages come from anywhere. A terminal obeys control characters in them, and
marks of writing direction turn a line round, so both are shown as what they are.
"""

import json
import os
import re
from typing import Any, TextIO

import click

# Controls, line separators, marks of direction, invisible ones, and halves of characters, by which
# Python keeps the bytes of a file name that are no UTF-8.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def harmless(text: Any, lines: bool = False) -> str:
    r"""Text from data as it may be shown: what a terminal would obey stands there as \x1b, \u202e.

    Args:
      text: anything; `str` of it is shown.
      lines: whether line breaks stay, as in a message of several lines.
    """
    return _HARMFUL.sub(lambda found: _escaped(found[0], lines), str(text))


def _escaped(character: str, lines: bool) -> str:
    if lines and character == "\n":
        return character
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


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
    text = json.dumps(value, indent=2, ensure_ascii=False)
    click.echo(_HARMFUL.sub(_json_escape, text))


def _json_escape(found: re.Match[str]) -> str:
    return found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}"


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
