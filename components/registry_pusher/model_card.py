"""The model card: what somebody must know of a registered version before using it, as markdown.

The headings are those of the model cards that people know (Mitchell et al. 2019).
"""

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.harmless import harmless

if TYPE_CHECKING:
    from components.registry_pusher.registry import Entry

MOST_LABELS = 50
MOST_ROWS = 20
MOST_METRICS = 4  # of a slice; more make a table that no page is wide enough for
_UNKNOWN = "not stated"
# MLflow's page shows a backslash before ">" as one; entities, every reader of markdown knows.
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# By the last character of each, that page knows an address, a person (@name), or :emoji:.
_LINKED = re.compile(r"(?i)(?<=http)s?:(?=//)|(?<=ftp):(?=//)|(?<=www)\.|@|:(?=[\w+-]+:)")


def model_card(entry: "Entry") -> str:
    """Returns the card of a version: equal entries give equal cards.

    What users wrote stands in it escaped, but for the texts of `entry.card`, which are their own
    markdown. Long lists are cut, and say so.

    Args:
      entry: what the registry is told.
    """
    card = entry.card
    return (
        "\n\n".join(
            [
                f"# {_escaped(entry.name)}",
                card.get("description") or "What it is for is not stated.",
                _summary(entry),
                "## How to call it",
                _call(entry),
                "## Training data",
                _data(entry),
                "## Evaluation",
                _evaluation(entry),
                *_slices(entry),
                "## What the gate said",
                _gate(entry),
                "## Limits",
                card.get("limits") or f"Limits are {_UNKNOWN}.",
                "## Licences",
                f"- Images: {card.get('data_licence') or _UNKNOWN}\n"
                f"- Backbone: {card.get('module_licence') or _UNKNOWN}",
                "## Where it comes from",
                _lineage(entry),
            ]
        )
        + "\n"
    )


def _summary(entry: "Entry") -> str:
    size = f" at {' × '.join(map(str, entry.image_size))} pixels" if entry.image_size else ""
    return (
        f"It sorts pictures into {len(entry.labels)} classes: a head on the backbone "
        f"{_escaped(entry.module_handle, links=True) or _UNKNOWN}, which sees them{size}."
    )


def _call(entry: "Entry") -> str:
    return (
        "The SavedModel takes encoded pictures (JPEG, PNG, GIF or BMP) and does all the rest:\n\n"
        "```python\n"
        'answer = tf.saved_model.load(FOLDER).signatures["serving_default"]\n'
        'answer(image_bytes=tf.constant([open("picture.jpg", "rb").read()]))\n'
        "```\n\n"
        "It gives, a picture, `label`, its probability `score`, `error` (empty, or why it cannot "
        "be read), and `probabilities` of all classes in this order: "
        f"{_listed(entry.labels, MOST_LABELS)}."
    )


def _data(entry: "Entry") -> str:
    source = entry.config.get("data", {}).get("source", "")
    rows = [[_escaped(split), f"{count:,}"] for split, count in entry.counts.items()]
    span = {} if entry.span is None else {"Span": str(entry.span)}
    facts = {
        "Source": _escaped(source, links=True),
        **span,
        "Fingerprint": _code(entry.data_fingerprint),
    }
    return f"{_bullets(facts)}\n\n{_table(['Split', 'Images'], rows)}"


def _evaluation(entry: "Entry") -> str:
    rows = [
        [_escaped(name), _figure(value), _interval(entry.intervals.get(name))]
        for name, value in entry.metrics.items()
    ]
    pictures = entry.counts.get("test")
    on = f" of {pictures:,} pictures" if pictures is not None else ""
    return (
        f"On the test split{on}, none of which it was trained on:\n\n"
        f"{_table(['Metric', 'Value', '95 % interval'], rows)}"
    )


def _slices(entry: "Entry") -> list[str]:
    """A table a slice: the weakest values first where not all of them have room."""
    parts = []
    for slice_, values in entry.slices.items():
        names = [
            name
            for row in values.values()
            for name, value in row.items()
            if name not in ("images", "groups") and isinstance(value, int | float)
        ]
        metrics = list(dict.fromkeys(names))[:MOST_METRICS]
        rows = list(values.items())
        cut = ""
        if len(rows) > MOST_ROWS and metrics:
            rows.sort(key=lambda row: _order(row[1].get(metrics[0])))
            cut = f"\n\nThe {MOST_ROWS} with the lowest {metrics[0]} of {len(rows):,}."
            rows = rows[:MOST_ROWS]
        cells = [
            [_escaped(value) or "(none)", f"{row.get('images', 0):,}"]
            + [_figure(row.get(name)) for name in metrics]
            for value, row in rows
        ]
        header = [_escaped(slice_), "Images", *map(_escaped, metrics)]
        parts += [f"### By {_escaped(slice_)}", _table(header, cells) + cut]
    return parts


def _gate(entry: "Entry") -> str:
    verdict = "It was blessed." if entry.blessed else "It was not blessed."
    return "\n".join([verdict, "", *(f"- {_escaped(said)}" for said in entry.blessing_reasons)])


def _lineage(entry: "Entry") -> str:
    return _bullets(
        {
            "Content": _code(entry.content_hash),
            "Pipeline": _escaped(entry.pipeline),
            "Run": _escaped(entry.run_id),
            "Backbone's content": _code(entry.module_hash),
            "Code": _escaped(entry.git_commit),
        }
    )


def _bullets(facts: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value or _UNKNOWN}" for name, value in facts.items())


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return f"Nothing of it is known ({', '.join(header).lower()})."
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, rule, *rows))


def _listed(words: Sequence[str], most: int) -> str:
    shown = ", ".join(map(_escaped, words[:most]))
    return f"{shown}, and {len(words) - most:,} more" if len(words) > most else shown or _UNKNOWN


def _interval(ends: Sequence[float] | None) -> str:
    return " to ".join(map(_figure, ends)) if ends else "–"


def _figure(value: Any) -> str:
    if isinstance(value, int | float) and not math.isfinite(value):
        return "–"
    return f"{value:.4f}" if isinstance(value, int | float) else "–"


def _order(value: Any) -> float:
    """Where a value stands among weak and strong ones; what is not known stands last."""
    return value if isinstance(value, int | float) and math.isfinite(value) else math.inf


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _escaped(text: Any, links: bool = False) -> str:
    """A text as it stands, in one line: nothing in it is markdown or HTML, or turns the line.

    Args:
      text: `str` of it is meant.
      links: whether an address in it may become a link, where a page makes them of addresses.
    """
    line = harmless(" ".join(str(text).split()))
    line = re.sub(r"([\\`*|\[\]~#])", r"\\\1", line)
    for character, entity in _ENTITIES.items():
        line = line.replace(character, entity)
    if not links:
        line = _LINKED.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", line)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)  # inside a word it is only itself
