"""A folder of class folders: which files are pictures, and what is passed over or refused."""

import collections
import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from components.errors import DataError
from components.image_example_gen.listing import (
    SPLIT_NAMES,
    Entry,
    FileState,
    Ids,
    Listing,
    Reject,
    display,
    file_state,
    fingerprint,
)

USABLE = frozenset("jpg jpeg jpe jfif png gif bmp dib webp tif tiff".split())

PICTURES = USABLE | frozenset(
    "heic heif hif avif jp2 j2k jxl ico svg psd tga ppm pgm pbm "
    "raw dng cr2 cr3 nef arw orf rw2 raf".split()
)
"""Extensions of pictures. Those that are not USABLE are refused one by one, not passed over."""

_LITTER = frozenset(["thumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"])


def list_folder(root: str) -> Listing:
    """Lists a folder whose subfolders are the classes, or are train, eval and test of classes.

    Below a class folder every depth counts. Links are followed; a folder is visited once a class.
    Hidden files and what systems leave behind (Thumbs.db, __MACOSX) do not exist; files without a
    picture's extension are passed over and counted in the notes. Broken links, links to a folder
    that they lie in, and pictures outside every class folder are rejected.

    Raises:
      DataError: it has no class folders.
    """
    walk = _Walk(root)
    names, loose = walk.top("")
    places: list[tuple[str | None, str, str]] = [(None, name, name) for name in names]
    notes = []
    splits = {name: SPLIT_NAMES.get(name.lower()) for name in names}
    if len(names) > 1 and "train" in splits.values() and all(splits.values()):
        # The layout that other tools export; as classes it would teach train from test.
        inner = {name: walk.top(name) for name in names}
        if any(classes for classes, _ in inner.values()):
            places = [(splits[s], c, os.path.join(s, c)) for s in names for c in inner[s][0]]
            loose += [name for _, files in inner.values() for name in files]
            notes = [f"{', '.join(names)} are taken as splits, the folders in them as classes"]
    if not places:
        found = f"{len(loose)} pictures, but no" if loose else "no"
        raise DataError(
            f"{display(root)}: there are {found} class folders in it; put the pictures of each "
            "class into a folder of the class's name, or list them in a .csv or .jsonl manifest"
        )
    for name in loose:
        walk.rejects.append(Reject(name, "lies outside every class folder: has no label"))
    ids = Ids()
    entries = [
        Entry(
            path=picture.path,
            label=display(label),
            location=picture.location,
            split=split,
            size=picture.size,
            id=ids(picture.path),
        )
        for split, label, folder in places
        for picture in walk.pictures(folder)
    ]
    return Listing(
        source=display(root),
        entries=tuple(sorted(entries, key=lambda entry: entry.id)),
        rejects=tuple(sorted(walk.rejects)),
        notes=(*notes, *walk.notes()),
        columns=(),
        classes=tuple(sorted({display(label) for _, label, _ in places})),
        fingerprint=fingerprint(walk.files),
    )


class _Picture(NamedTuple):
    path: str  # relative to the root, fit to be shown
    location: str
    size: int


class _Walk:
    """A walk over a folder: gathers the files' states, what is refused, what is passed over."""

    def __init__(self, root: str):
        self.rejects: list[Reject] = []
        self.files: list[FileState] = []
        self._root = root
        self._passed: collections.Counter[str] = collections.Counter()
        self._above = frozenset(_identities_up(root))

    def top(self, folder: str) -> tuple[list[str], list[str]]:
        """Returns the names of the folders in `folder`, and the relative paths of its pictures."""
        folders, pictures = self._read(folder, self._above)
        return [os.path.basename(name) for name, _, _ in folders], [p.path for p in pictures]

    def pictures(self, folder: str) -> Iterator[_Picture]:
        """Yields each picture at any depth below `folder`."""
        visited: set[tuple[int, int]] = set()
        identity = _identity(os.stat(os.path.join(self._root, folder)))
        pending = collections.deque([(folder, identity, self._above)])
        linked: collections.deque = collections.deque()
        while pending or linked:
            # Links last: what can be reached without one keeps its own path.
            name, identity, above = pending.popleft() if pending else linked.popleft()
            if identity in visited:
                continue
            visited.add(identity)
            above = above | {identity}
            folders, pictures = self._read(name, above)
            yield from pictures
            for inner, inner_identity, is_link in folders:
                (linked if is_link else pending).append((inner, inner_identity, above))

    def notes(self) -> list[str]:
        """Returns a sentence on the files that were passed over, if any."""
        most = sorted(self._passed.items(), key=lambda item: (-item[1], item[0]))[:5]
        kinds = ", ".join(f"{count} {kind}" for kind, count in most)
        return [f"passed over, for their names are no picture's: {kinds}"] if kinds else []

    def _read(
        self, folder: str, above: frozenset
    ) -> tuple[list[tuple[str, tuple[int, int], bool]], list[_Picture]]:
        """One folder: its folders as (path, identity, is a link), and its pictures."""
        folders, pictures = [], []
        try:
            with os.scandir(os.path.join(self._root, folder)) as scan:
                found = sorted(scan, key=lambda item: item.name)
        except OSError as e:
            self._reject(folder, f"cannot be read ({e.strerror})")
            return [], []
        for item in found:
            if item.name.startswith(".") or item.name.lower() in _LITTER:
                continue
            name = os.path.join(folder, item.name)
            try:
                status = item.stat()
            except OSError as e:
                self._reject(name, _why_no_status(e, item))
                continue
            if stat.S_ISDIR(status.st_mode):
                if _identity(status) in above:
                    self._reject(name, "is a link to a folder that it lies in")
                else:
                    folders.append((name, _identity(status), item.is_symlink()))
            elif (extension := os.path.splitext(name)[1].lower()[1:]) not in PICTURES:
                self._passed[f".{display(extension)}" if extension else "without extension"] += 1
            elif not stat.S_ISREG(status.st_mode):
                self._reject(name, "is no regular file")
            else:
                shown = display(name)
                self.files.append(FileState(shown, file_state(status)))
                pictures.append(_Picture(shown, item.path, status.st_size))
        return folders, pictures

    def _reject(self, name: str, reason: str) -> None:
        self.rejects.append(Reject(display(name), reason))
        self.files.append(FileState(display(name), reason))


def _why_no_status(error: OSError, item: os.DirEntry) -> str:
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    if error.errno == errno.ENOENT and item.is_symlink():
        return f"is a broken link to {display(os.readlink(item.path))}"
    return f"cannot be read ({error.strerror})"


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _identities_up(folder: str) -> Iterator[tuple[int, int]]:
    """The identities of a folder and of all that it lies in."""
    path = os.path.realpath(folder)
    while True:
        yield _identity(os.stat(path))
        parent = os.path.dirname(path)
        if parent == path:
            return
        path = parent
