"""Puts a model where it is served from: whole or not at all, and once for each content.

A destination is a folder of numbered versions: on this machine or a mounted volume (folder.py), or
in a bucket (bucket.py).
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from components.errors import ServingError
from components.files import absolute, exists, in_bucket
from components.pusher import bucket, folder
from components.pusher.versions import MODEL_FILE, Version, Withdrawn, retraining


def push(
    model_folder: str | Path,
    destination: str | Path,
    content_hash: str,
    keep: int = 5,
    aliased: Collection[str] | None = (),
    unless_withdrawn: bool = False,
) -> str:
    """Makes a model the newest version of a destination; does nothing if it already is.

    A number belongs to one content for ever, and numbers only grow, whatever was deleted
    meanwhile. Readers see a version whole or not at all, also when this process is killed.

    In a folder two pushers wait for each other, and a newest version that was deleted or damaged
    comes back under its own number. In a bucket they get numbers of their own, and what comes back
    gets a higher one.

    Args:
      model_folder: the SavedModel, on a disk or in a bucket; it is only read.
      destination: the folder of versions; made if missing.
      content_hash: `components.content.content_hash` of the model.
      keep: how many versions stay, at least 1. Only what was pushed by this function is removed.
      aliased: content hashes that stay beyond those, whatever their age; None where nobody can
        tell: then nothing is removed.
      unless_withdrawn: whether a withdrawn content stays away, as every run asks; else its
        withdrawal is taken back, as by whoever promotes it.

    Returns:
      The folder `<destination>/<version>`, absolute.

    Raises:
      Withdrawn: it was withdrawn, though perhaps a moment ago, and shall stay away then.
      ServingError: the model is missing or is not what the hash says, or the destination cannot
        be written.
    """
    if unless_withdrawn and is_withdrawn(destination, content_hash):
        raise Withdrawn(str(destination))  # also where the model itself was cleaned away
    if not exists(os.path.join(model_folder, MODEL_FILE)):
        raise ServingError(f"{model_folder}: there is no model to push; {retraining(model_folder)}")
    with _sentences(destination, "the model cannot be pushed"):
        return _place(destination).push(
            str(model_folder),
            _absolute(destination),
            content_hash,
            keep,
            aliased,
            unless_withdrawn,
        )


def newest(destination: str | Path) -> Version | None:
    """Returns the newest whole version of a destination, or None if it has none.

    A version that was put there by other hands counts if it holds a `saved_model.pb`.

    Raises:
      ServingError: the destination cannot be read.
    """
    with _sentences(destination, "what was pushed cannot be read"):
        return _place(destination).newest(_absolute(destination))


def removable(destination: str | Path, keep: int) -> bool:
    """Whether another push could remove a version: only then it matters which have an alias."""
    with _sentences(destination, "what was pushed cannot be read"):
        return _place(destination).count(_absolute(destination)) >= keep


def withdraw(destination: str | Path, content_hash: str, aim: str = "") -> None:
    """Notes that a content was left for another: no run pushes it again, until somebody does.

    What is served stays as it is. Whoever rolls back withdraws first and then pushes the earlier
    content: a run in between brings nothing back.

    Args:
      destination: the folder of versions.
      content_hash: what is left.
      aim: the earlier content that a rollback leads to; "" where something else is
        promoted.

    Raises:
      ServingError: the destination cannot be written.
    """
    with _sentences(destination, "the withdrawal cannot be noted"):
        _place(destination).withdraw(_absolute(destination), content_hash, aim)


def is_withdrawn(destination: str | Path, content_hash: str) -> bool:
    """Whether a content was withdrawn, and not promoted since."""
    return rolled_back_to(destination, content_hash) is not None


def rolled_back_to(destination: str | Path, content_hash: str) -> str | None:
    """The content that a withdrawn one was rolled back to.

    Returns:
      "" where something else was promoted instead; None where it is not withdrawn.
    """
    with _sentences(destination, "what was pushed cannot be read"):
        return _place(destination).rolled_back_to(_absolute(destination), content_hash)


def _place(destination: str | Path) -> ModuleType:
    return bucket if in_bucket(destination) else folder


def _absolute(destination: str | Path) -> str:
    return str(destination).rstrip("/") if in_bucket(destination) else absolute(destination)


@contextmanager
def _sentences(destination: str | Path, failure: str) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise ServingError(
            f"{e.filename or destination}: {failure} ({e.strerror or e}); make room or access "
            "there, or set push.destination to another place"
        ) from e
