"""A destination on this machine or on a mounted volume.

    <destination>/7/saved_model.pb ...   a version: appears and goes by one rename
    <destination>/7/.pushed.json         its content hash, and the files that make it whole
    <destination>/.versions.json         the last number given, and what was withdrawn; a copy lies
                                         beside the destination
    <destination>/.pushing-8             being written; swept by the next push if that was killed
    <destination>/.removing-2            being deleted; likewise

TensorFlow Serving and `newest` see numbered folders only. What is said of the functions in
push.py holds here; they raise OSError where the disk does.
"""

import json
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock

from components.content import content_hash as hash_of
from components.errors import ServingError
from components.files import copy_folder
from components.pusher.versions import MODEL_FILE, RECORD, Version, Withdrawn, record_of, too_old

STATE = ".versions.json"
LOCK_SECONDS = 600.0  # longer than any copy that is still alive


def push(
    model: str,
    destination: str,
    content_hash: str,
    keep: int,
    aliased: Collection[str] | None,
    unless_withdrawn: bool,
) -> str:
    """See push.py."""
    folder = Path(destination)
    with _locked(folder):
        gone = _withdrawn(folder)
        if unless_withdrawn and content_hash in gone:
            raise Withdrawn(destination)
        _sweep(folder)
        version = _present(folder, content_hash) or _publish(model, folder, content_hash)
        if gone.pop(content_hash, None) is not None:
            _remember(folder, withdrawn=gone)
        for number in too_old(_pushed(folder), keep, aliased):
            _remove(folder / str(number))
    return str(folder / str(version))


def newest(destination: str) -> Version | None:
    """See push.py."""
    for number, path in sorted(_versions(Path(destination)).items(), reverse=True):
        record = _read(path / RECORD)
        if _is_whole(path, record):
            return Version(number, str(path), record.get("content_hash") or hash_of(path))
    return None


def count(destination: str) -> int:
    """How many versions there are that were pushed from here."""
    return len(_pushed(Path(destination)))


def withdraw(destination: str, content_hash: str, aim: str) -> None:
    """See push.py."""
    folder = Path(destination)
    with _locked(folder):
        _remember(folder, withdrawn={**_withdrawn(folder), content_hash: aim})


def rolled_back_to(destination: str, content_hash: str) -> str | None:
    """See push.py."""
    return _withdrawn(Path(destination)).get(content_hash)


def _present(folder: Path, content_hash: str) -> int | None:
    """The number of the newest version if it is whole and holds this content."""
    found = newest(str(folder))
    if found and found.content_hash == content_hash and found.version == max(_versions(folder)):
        return found.version
    return None


def _publish(model: str, folder: Path, content_hash: str) -> int:
    number = _number(folder, content_hash)
    partial, final = folder / f".pushing-{number}", folder / str(number)
    try:
        copy_folder(model, partial)
        _write(partial / RECORD, record_of(partial, content_hash, model))
        for path in (partial, *partial.rglob("*")):
            _sync(path)
        # Before the rename: a number that a reader may have seen is never given to other content.
        _remember(folder, last=number, content_hash=content_hash)
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
    state = _state(folder)
    last = state.get("last", 0)
    if state.get("content_hash") == content_hash and last >= top:
        occupant = existing.get(last)
        if (
            occupant is None
            or _read(occupant / RECORD).get("content_hash") == content_hash
            or not (occupant / MODEL_FILE).exists()
        ):
            return last
    return max(top, last) + 1


def _states(folder: Path) -> tuple[Path, Path]:
    """Where the state is kept: one copy outlives the served folder, one moves with it."""
    return folder / STATE, folder.parent / f".{folder.name}{STATE}"


def _state(folder: Path) -> dict[str, Any]:
    return max((_read(path) for path in _states(folder)), key=lambda s: s.get("last", 0))


def _remember(folder: Path, **changes: Any) -> None:
    state = {**_state(folder), **changes}
    inside, beside = _states(folder)
    _write(inside, state)
    try:
        _write(beside, state)
    except OSError:
        pass  # the destination may be a mounted volume in a folder that is not ours


def _withdrawn(folder: Path) -> dict[str, str]:
    """What was withdrawn, and the content that it was rolled back to, or ""."""
    return _state(folder).get("withdrawn", {})


def _pushed(folder: Path) -> dict[int, str]:
    """The content hashes of what was pushed from here, by number."""
    return {
        number: _read(path / RECORD).get("content_hash") or hash_of(path)
        for number, path in _versions(folder).items()
        if (path / RECORD).exists()
    }


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
        return (version / MODEL_FILE).is_file()
    return all(_size(version / name) == size for name, size in files.items())


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


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
