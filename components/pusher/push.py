"""Puts a model into a served folder: whole or not at all, and once for each content.

    <destination>/7/saved_model.pb ...   a version: appears and goes by one rename
    <destination>/7/.pushed.json         its content hash, and the files that make it whole
    <destination>/.versions.json         the last number given; a copy lies beside the destination
    <destination>/.pushing-8             being written; swept by the next push if that was killed
    <destination>/.removing-2            being deleted; likewise

TensorFlow Serving and `newest` see numbered folders only.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import filelock

from components.content import content_hash as hash_of
from components.errors import ServingError
from components.files import absolute, copy_folder, in_bucket, names

RECORD = ".pushed.json"
STATE = ".versions.json"
LOCK_SECONDS = 600.0  # longer than any copy that is still alive


class Version(NamedTuple):
    """One whole version: its number, its folder, and the hash of what it holds."""

    version: int
    path: str
    content_hash: str


def push(
    model_folder: str | Path, destination: str | Path, content_hash: str, keep: int = 5
) -> str:
    """Makes a model the newest version of a served folder; does nothing if it already is.

    A number belongs to one content for ever, and numbers only grow: a newest version that was
    deleted or damaged comes back under its own number, any other content gets a higher one,
    whatever was deleted meanwhile. Readers see a version whole or not at all, also when this
    process is killed; two pushers wait for each other.

    Args:
      model_folder: the SavedModel, on a disk or in a bucket; it is only read.
      destination: the served folder, on this machine or a mounted volume; made if missing.
      content_hash: `components.content.content_hash` of the model.
      keep: how many versions stay, at least 1. Only what was pushed by this function is removed.

    Returns:
      The folder `<destination>/<version>`, absolute.

    Raises:
      ServingError: the model is missing or is not what the hash says, or the destination cannot
        be written.
    """
    model, folder = str(model_folder), Path(os.path.abspath(destination))
    if in_bucket(destination):
        raise ServingError(
            f"{destination}: a model can be pushed to a folder only; mount it, and give its path"
        )
    if not names(model):
        raise ServingError(f"{model}: there is no model to push; {retraining(model)}")
    try:
        with _locked(folder):
            _sweep(folder)
            version = _present(folder, content_hash) or _publish(model, folder, content_hash)
            _remove_old(folder, keep)
    except OSError as e:
        raise ServingError(
            f"{e.filename or folder}: the model cannot be pushed ({e.strerror or e}); make room "
            "or access there, or set push.destination to another folder"
        ) from e
    return str(folder / str(version))


def newest(destination: str | Path) -> Version | None:
    """Returns the newest whole version of a served folder, or None if it has none.

    A version that was put there by other hands counts if it holds a `saved_model.pb`.
    """
    folder = Path(os.path.abspath(destination))
    for number, path in sorted(_versions(folder).items(), reverse=True):
        record = _read(path / RECORD)
        if _is_whole(path, record):
            return Version(number, str(path), record.get("content_hash") or hash_of(path))
    return None


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


def _present(folder: Path, content_hash: str) -> int | None:
    """The number of the newest version if it is whole and holds this content."""
    found = newest(folder)
    if found and found.content_hash == content_hash and found.version == max(_versions(folder)):
        return found.version
    return None


def _publish(model: str, folder: Path, content_hash: str) -> int:
    number = _number(folder, content_hash)
    partial, final = folder / f".pushing-{number}", folder / str(number)
    try:
        copy_folder(model, partial)
        if hash_of(partial) != content_hash:
            raise ServingError(
                f"{model}: its content is not {content_hash}, which was trained and evaluated; "
                f"it was changed since, so it is not pushed; {retraining(model)}"
            )
        sizes = {p.relative_to(partial).as_posix(): p.stat().st_size for p in _files(partial)}
        _write(partial / RECORD, {"content_hash": content_hash, "files": sizes})
        for path in (partial, *partial.rglob("*")):
            _sync(path)
        # Before the rename: a number that a reader may have seen is never given to other content.
        _remember(folder, number, content_hash)
        if final.exists():  # damaged, see _number
            _remove(final)
        os.rename(partial, final)
        _sync(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return number


def _number(folder: Path, content_hash: str) -> int:
    """The number for a content: its own if it was the last one given, else the next."""
    existing = _versions(folder)
    top = max(existing, default=0)
    state = max((_read(path) for path in _states(folder)), key=lambda s: s.get("last", 0))
    last = state.get("last", 0)
    if state.get("content_hash") == content_hash and last >= top:
        occupant = existing.get(last)
        if (
            occupant is None
            or _read(occupant / RECORD).get("content_hash") == content_hash
            or not (occupant / "saved_model.pb").exists()
        ):
            return last
    return max(top, last) + 1


def _states(folder: Path) -> tuple[Path, Path]:
    """Where the last number is kept: one copy outlives the served folder, one moves with it."""
    return folder / STATE, folder.parent / f".{folder.name}{STATE}"


def _remember(folder: Path, number: int, content_hash: str) -> None:
    state = {"last": number, "content_hash": content_hash}
    inside, beside = _states(folder)
    _write(inside, state)
    try:
        _write(beside, state)
    except OSError:
        pass  # the destination may be a mounted volume in a folder that is not ours


def _remove_old(folder: Path, keep: int) -> None:
    pushed = {n: p for n, p in _versions(folder).items() if (p / RECORD).exists()}
    for number in sorted(pushed)[: -max(keep, 1)]:
        _remove(pushed[number])


def _remove(version: Path) -> None:
    gone = version.with_name(f".removing-{version.name}")
    os.rename(version, gone)
    shutil.rmtree(gone)


def _sweep(folder: Path) -> None:
    """Deletes what killed pushes left behind."""
    for leftover in (*folder.glob(".pushing-*"), *folder.glob(".removing-*")):
        shutil.rmtree(leftover)


def _versions(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    return {
        int(p.name): p for p in folder.iterdir() if re.fullmatch("[0-9]+", p.name) and p.is_dir()
    }


def _is_whole(version: Path, record: dict) -> bool:
    files = record.get("files")
    if files is None:
        return (version / "saved_model.pb").is_file()
    return all(_size(version / name) == size for name, size in files.items())


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _files(folder: Path) -> list[Path]:
    """All files but the hidden ones, which a content hash does not count either."""
    return [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")]


def _sync(path: Path) -> None:
    """Brings a file, or a folder's list of names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _write(path: Path, value: dict) -> None:
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w") as f:
        json.dump(value, f, sort_keys=True)
        f.flush()
        os.fsync(f.fileno())
    os.replace(partial, path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # The lock is the kernel's: it goes with a killed process.
        with filelock.FileLock(folder / ".lock", timeout=LOCK_SECONDS):
            yield
    except filelock.Timeout:
        raise ServingError(
            f"{folder}: another push has held it for {LOCK_SECONDS:.0f} s; end that one first"
        ) from None
