"""What a version is, wherever it lies: its number, its record, when it may go."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from components.content import content_hash as hash_of
from components.errors import ServingError
from components.files import absolute

RECORD = ".pushed.json"
MODEL_FILE = "saved_model.pb"
"""Without it neither TensorFlow nor TensorFlow Serving sees a model in a folder."""


WITHDRAWN = "it was rolled back from; `graft registry promote` brings it back"
"""Why a content that was withdrawn is not pushed."""


class Withdrawn(ServingError):
    """A run would have pushed what somebody rolled back from."""

    def __init__(self, destination: str):
        super().__init__(f"{destination}: the model was not pushed: {WITHDRAWN}")


class Version(NamedTuple):
    """One whole version: its number, its folder, and the hash of what it holds."""

    version: int
    path: str
    content_hash: str


def record_of(model: Path, content_hash: str, said: str) -> dict[str, Any]:
    """Returns the record of a version: its content hash, and the files that make it whole.

    Args:
      model: the SavedModel, on a disk.
      content_hash: what it must hold.
      said: where it was taken from, for the message.

    Raises:
      ServingError: it holds something else.
    """
    if hash_of(model) != content_hash:
        raise ServingError(
            f"{said}: its content is not {content_hash}, which was trained and evaluated; it was "
            f"changed since, so it is not pushed; {retraining(said)}"
        )
    # Hidden files do not count for the hash either.
    files = (p for p in model.rglob("*") if p.is_file() and not p.name.startswith("."))
    sizes = {path.relative_to(model).as_posix(): path.stat().st_size for path in files}
    return {"content_hash": content_hash, "files": sizes}


def too_old(pushed: Mapping[int, str], keep: int, aliased: Collection[str] | None) -> list[int]:
    """Returns the numbers of the versions that may be removed, the oldest first.

    Args:
      pushed: content hashes by number, of what was pushed from here.
      keep: how many of the newest stay, at least 1.
      aliased: content hashes that stay, whatever their age; None: all do.
    """
    if aliased is None:
        return []
    return [number for number in sorted(pushed)[: -max(keep, 1)] if pushed[number] not in aliased]


def retraining(model_folder: str | Path) -> str:
    """What to do where a trained model is lost or damaged; running again alone takes the cache.

    Args:
      model_folder: the SavedModel in the Trainer's artifact.
    """
    artifact = os.path.dirname(absolute(model_folder))
    return (
        f"delete the Trainer's folder {artifact} and run again: without it the model is trained "
        "anew, not taken from the cache"
    )
