"""Puts a model where it is served from: whole or not at all, and once for each content.

A destination is a folder of numbered versions: on this machine, or on a mounted volume (folder.py).
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import ServingError
from components.files import absolute, in_bucket, names
from components.pusher import folder
from components.pusher.versions import Version, retraining

WITHDRAWN = "it was rolled back from; `graft registry promote` brings it back"
"""Why a content that was withdrawn is not pushed."""


def push(
    model_folder: str | Path,
    destination: str | Path,
    content_hash: str,
    keep: int = 5,
    aliased: Collection[str] | None = (),
) -> str:
    """Makes a model the newest version of a destination; does nothing if it already is.

    A number belongs to one content for ever, and numbers only grow: a newest version that was
    deleted or damaged comes back under its own number, any other content gets a higher one,
    whatever was deleted meanwhile. Readers see a version whole or not at all, also when this
    process is killed; two pushers wait for each other. A withdrawal of the content is taken back.

    Args:
      model_folder: the SavedModel, on a disk or in a bucket; it is only read.
      destination: the folder of versions; made if missing.
      content_hash: `components.content.content_hash` of the model.
      keep: how many versions stay, at least 1. Only what was pushed by this function is removed.
      aliased: content hashes that stay beyond those, whatever their age; None where nobody can
        tell: then nothing is removed.

    Returns:
      The folder `<destination>/<version>`, absolute.

    Raises:
      ServingError: the model is missing or is not what the hash says, or the destination cannot
        be written.
    """
    if not names(model_folder):
        raise ServingError(f"{model_folder}: there is no model to push; {retraining(model_folder)}")
    with _writing(destination, "the model cannot be pushed"):
        return folder.push(str(model_folder), absolute(destination), content_hash, keep, aliased)


def newest(destination: str | Path) -> Version | None:
    """Returns the newest whole version of a destination, or None if it has none.

    A version that was put there by other hands counts if it holds a `saved_model.pb`.
    """
    return folder.newest(absolute(destination))


def removable(destination: str | Path, keep: int) -> bool:
    """Whether another push could remove a version: only then it matters which have an alias."""
    return folder.count(absolute(destination)) >= keep


def withdraw(destination: str | Path, content_hash: str) -> None:
    """Notes that a content was rolled back from: no run pushes it again, until somebody does.

    What is served stays as it is. Whoever rolls back withdraws first and then pushes the earlier
    content: a run in between brings nothing back.

    Raises:
      ServingError: the destination cannot be written.
    """
    with _writing(destination, "the withdrawal cannot be noted"):
        folder.withdraw(absolute(destination), content_hash)


def is_withdrawn(destination: str | Path, content_hash: str) -> bool:
    """Whether a content was withdrawn, and not pushed since."""
    return folder.is_withdrawn(absolute(destination), content_hash)


@contextmanager
def _writing(destination: str | Path, failure: str) -> Iterator[None]:
    if in_bucket(destination):
        raise ServingError(
            f"{destination}: a model can be pushed to a folder only; mount it, and give its path"
        )
    try:
        yield
    except OSError as e:
        raise ServingError(
            f"{e.filename or destination}: {failure} ({e.strerror or e}); make room or access "
            "there, or set push.destination to another place"
        ) from e
