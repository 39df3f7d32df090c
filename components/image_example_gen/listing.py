"""What a source holds: one entry a picture, without its bytes."""

import collections
import dataclasses
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

SPLITS = ("train", "eval", "test")

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "eval": "eval",
    "val": "eval",
    "valid": "eval",
    "validation": "eval",
    "dev": "eval",
    "test": "test",
    "testing": "test",
}
"""How people name the splits (in lower case), and which of ours each is."""


class Reject(NamedTuple):
    """An input that cannot be used, as the user knows it, and why."""

    path: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One picture of a source: where it lies and what is said of it.

    Attributes:
      path: what the user calls it: relative to the source's folder, or a URI. Always valid UTF-8;
        bytes of a file name that are not are written as \\xe9.
      label: its class.
      location: a local file (as the operating system names it), or a URI.
      record: its index in the TFRecord file `location`, or None where it is a file of its own.
      split: one of SPLITS where the source says so, else None.
      columns: what else a manifest says of it, by column name.
      size: bytes of the file, 0 where that is not known yet.
      id: 16 hexadecimal characters, unique in a listing: a hash of the path, and of how often
        that path came before.
      span: its span's number, where several are read together.
    """

    path: str
    label: str
    location: str
    record: int | None = None
    split: str | None = None
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    size: int = 0
    id: str = ""
    span: int = 0


@dataclasses.dataclass(frozen=True)
class Listing:
    """All that a source holds.

    Attributes:
      source: the folder, file or builtin:// name, spans and versions filled in.
      entries: the pictures; sorted by id, which mixes the classes, or in the order of the files
        of TFRecords.
      rejects: what was found unusable without opening it, sorted by path.
      notes: sentences on what was passed over or taken in a way that a user may not expect.
      columns: the names that `group_by` and slices may use.
      classes: the classes; a class folder without a picture is one too.
      fingerprint: 64 hexadecimal characters that change whenever something read has changed:
        SHA-256 over the sorted (path, `file_state`) of every file.
    """

    source: str
    entries: tuple[Entry, ...]
    rejects: tuple[Reject, ...]
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    fingerprint: str

    def labels(self) -> dict[str, int]:
        """Returns the number of entries a class, by sorted class name."""
        counts = collections.Counter(entry.label for entry in self.entries)
        return {label: counts[label] for label in self.classes}


class FileState(NamedTuple):
    """What a fingerprint knows of a file: its path, and a text that changes when the file does."""

    path: str
    state: str


def file_state(status: os.stat_result) -> str:
    """Returns a text that changes with a file: its size and two times, in ns.

    Two files that swap names keep size and modification time, which copying tools set as they
    please; the time of the last change to the file's entry is the system's own.
    """
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def display(path: str) -> str:
    """Returns a file name as valid UTF-8: bytes that are not UTF-8 become \\xe9 and the like."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:  # half a surrogate pair, as a JSON escape can spell it
        raw = path.encode("utf-8", "surrogatepass")
    return raw.decode("utf-8", "backslashreplace")


def fingerprint(files: Iterable[FileState]) -> str:
    """Returns SHA-256 over the sorted files, as 64 hexadecimal characters."""
    digest = hashlib.sha256()
    for path, state in sorted(set(files)):
        digest.update(f"{path}\0{state}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


class Ids:
    """Gives out the ids of one listing: `ids(path)` for each entry, in its order."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def __call__(self, path: str) -> str:
        """Returns the id for the next entry of this path."""
        before = self._seen.get(path, 0)
        self._seen[path] = before + 1
        return hashlib.sha256(f"{path}\0{before or ''}".encode()).hexdigest()[:16]
