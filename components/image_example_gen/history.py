"""Which group each picture was given, kept beside the facts for later runs."""

import json
import os
from collections.abc import Sequence

import tensorflow as tf

from components.files import read_json, write_json
from components.image_example_gen.grouping import Earlier
from components.image_example_gen.listing import SPLITS
from components.image_example_gen.work import Place

CONTENTS = "contents.json"
"""In the folder of `facts`: {split: [hash of a picture's bytes]}, in the order of its records."""
FILE = "groups.jsonl"
"""In the folder of `facts`: one {"path", "content", "near", "group"} a line, the earliest first."""


def read_history(uri: str) -> list[Earlier]:
    """The pictures of the run that wrote these facts, and of those before it.

    Args:
      uri: of an artifact `facts`, or "" for none.
    """
    if not uri:
        return []
    with tf.io.gfile.GFile(os.path.join(uri, FILE)) as file:
        return [Earlier(**json.loads(line)) for line in file]


def write_contents(uri: str, places: Sequence[Place]) -> None:
    """Writes down which pictures stand in which split, beside the facts.

    Args:
      uri: of the artifact `facts`.
      places: the pictures.
    """
    splits = {split: [p.found.content for p in places if p.split == split] for split in SPLITS}
    write_json(uri, CONTENTS, splits)


def read_contents(uri: str, split: str) -> set[str] | None:
    """The hashes of the pictures of a split, or None where nobody has written them down.

    Args:
      uri: of an artifact `facts`.
      split: train, eval or test.
    """
    try:
        return set(read_json(os.path.join(uri, CONTENTS))[split])
    except FileNotFoundError:
        return None


def write_history(uri: str, places: Sequence[Place], history: Sequence[Earlier]) -> None:
    """Writes down the pictures of this run behind those that were known before."""
    known = {one.content for one in history}
    rows = list(history)
    for place in sorted(places, key=lambda place: (place.entry.span, place.entry.path)):
        if place.found.content not in known:
            known.add(place.found.content)
            rows.append(
                Earlier(place.entry.path, place.found.content, place.found.near, place.group)
            )
    with tf.io.gfile.GFile(os.path.join(uri, FILE), "w") as file:
        for row in rows:
            file.write(json.dumps(row._asdict(), ensure_ascii=False) + "\n")
