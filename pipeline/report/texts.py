"""How values become text on a page: figures with their units, and what is too long made short."""

import datetime
from pathlib import Path
from typing import Any

import jinja2

from components.harmless import harmless
from pipeline.shown import spelt

LONGEST_TEXT = 300


def environment() -> jinja2.Environment:
    """The templates, which escape whatever they are given."""
    loader = jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates")
    found = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    found.filters |= {
        "short": short,
        "tail": tail,
        "percent": percent,
        "number": number,
        "duration": duration,
        "moment": moment,
    }
    return found


def short(value: Any, most: int = LONGEST_TEXT) -> str:
    """The beginning of a text, and how long it is where that is not all.

    Marks of writing direction and what cannot be seen show as \\u202e and the like: by what it
    looks like, a name that they turn round is found nowhere.
    """
    text = harmless(value, lines=True)
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def tail(path: Any, most: int = 44) -> str:
    """The end of a path, which tells one picture from the next."""
    text = harmless(path)
    return text if len(text) <= most else f"…{text[-most:]}"


def percent(value: Any) -> str:
    """A share in [0, 1] as "95.5 %"; "–" for None."""
    return "–" if value is None else f"{100 * value:.1f} %"


def number(value: Any) -> str:
    """A number with three digits or as a whole one; what is none as it is, "–" for None."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–" if value is None else str(value)
    whole = float(value).is_integer() or abs(value) >= 1000
    return f"{value:,.0f}" if whole else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as `spelt` has them; below a second as "350 ms"."""
    return f"{1000 * seconds:.0f} ms" if 0 < seconds < 0.9995 else spelt(seconds)


def moment(seconds: float) -> str:
    """Seconds since the epoch as "2026-11-24 20:13 UTC"."""
    found = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return found.strftime("%Y-%m-%d %H:%M UTC")
