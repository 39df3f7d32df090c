"""A bucket that several processes share: a folder that keeps to what Cloud Storage can do.

It answers as `tf.io.gfile` does for gs://, as far as `components.files` asks: objects appear whole,
a rename is a copy and then a deletion, and a folder is there as long as something lies in it.
"""

import contextlib
import os
import shutil
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path


class BucketOnDisk:
    """Stands for `tf.io.gfile`; `gs://BUCKET/NAME` lies in `<root>/BUCKET/NAME`.

    Args:
      root: an empty folder.
      before: called with "write" or "delete" and an object's address before each such step.
    """

    def __init__(self, root: Path, before: Callable[[str, str], None] = lambda *_: None):
        self._root, self._partial, self.before = root / "objects", root / "partial", before
        self._partial.mkdir(parents=True)

    @contextlib.contextmanager
    def opened(self) -> Iterator["BucketOnDisk"]:
        """In place of `components.files._bucket`."""
        yield self

    def GFile(self, path, mode):  # noqa: N802, TensorFlow's name
        assert mode == "rb"
        return self.place(path).open(mode)

    def exists(self, path) -> bool:
        return self.place(path).is_file() or self.isdir(path)

    def isdir(self, path) -> bool:
        return any(files for _, _, files in os.walk(self.place(path)))

    def listdir(self, path) -> list[str]:
        place = self.place(path)
        found = [(name, f"{path}/{name}") for name in os.listdir(place)]
        return [name + "/" * self.isdir(inside) for name, inside in found if self.exists(inside)]

    def walk(self, path):
        place = str(self.place(path))
        for folder, folders, files in os.walk(place):
            yield str(path) + folder[len(place) :], folders, files

    def stat(self, path):
        return types.SimpleNamespace(length=self.place(path).stat().st_size)

    def makedirs(self, path) -> None:
        """There are no folders to be made."""

    def copy(self, source, target, overwrite=False) -> None:
        assert overwrite or not self.exists(target)
        if str(target).startswith("gs://"):
            self.before("write", str(target))
        place = self.place(target)
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, partial = tempfile.mkstemp(dir=self._partial)
        os.close(descriptor)
        shutil.copyfile(self.place(source), partial)
        os.replace(partial, place)

    def rename(self, source, target, overwrite=False) -> None:
        assert self.place(source).is_file(), "a folder cannot be moved at once"
        self.copy(source, target, overwrite)
        self.remove(source)

    def remove(self, path) -> None:
        self.before("delete", str(path))
        self.place(path).unlink()

    def rmtree(self, path) -> None:
        for folder, _, files in self.walk(path):
            for name in files:
                self.remove(f"{folder}/{name}")

    def place(self, path) -> Path:
        """Where an object lies on the disk; what is on the disk anyway lies where it says."""
        scheme, _, name = str(path).partition("gs://")
        return Path(scheme) if not name else self._root / name
