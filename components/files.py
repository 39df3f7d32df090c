"""What is done alike with the files of artifacts, on a disk or in a bucket (gs://BUCKET/PATH).

A bucket is TensorFlow's to reach, and its import takes seconds: here it is imported for a bucket
alone, so that whoever only looks at a run on a disk does without. What goes wrong in a bucket is
an OSError, as on a disk.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def in_bucket(path: str | Path) -> bool:
    """Whether a path is the address of something that is not on this machine's disks."""
    return "://" in str(path)


def absolute(path: str | Path) -> str:
    """A path from the root of the disk; one in a bucket as it stands."""
    return str(path) if in_bucket(path) else os.path.abspath(path)


def exists(path: str | Path) -> bool:
    """Whether there is a file or a folder of that name."""
    if in_bucket(path):
        with _bucket() as gfile:
            return gfile.exists(path)
    return os.path.exists(path)


def names(folder: str | Path) -> list[str]:
    """The names in a folder, sorted; none where there is no such folder."""
    if in_bucket(folder):
        with _bucket() as gfile:
            # Of a folder inside a folder, some file systems give the name with a slash behind.
            found = gfile.listdir(folder) if gfile.isdir(folder) else []
            return sorted(name.rstrip("/") for name in found)
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def split_files(folder: str) -> list[str]:
    """Returns the TFRecord files in the folder of one split, sorted; hidden files left out.

    A folder that is not there holds none: not every artifact has every split.
    """
    return [os.path.join(folder, name) for name in names(folder) if not name.startswith(".")]


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[BinaryIO]:
    """A file, open to read its bytes.

    Raises:
      FileNotFoundError: there is none.
    """
    if in_bucket(path):
        with _bucket() as gfile, gfile.GFile(path, "rb") as file:
            yield file
    else:
        with open(path, "rb") as file:
            yield file


def read_json(path: str | Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
      FileNotFoundError: there is none.
    """
    with reading(path) as file:
        return json.loads(file.read())


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[str]:
    """A path on this machine to write a file or a folder to; it becomes `path` once it is whole.

    On a disk it does so by one rename, and what was there goes. A bucket knows no rename: a file
    appears whole, since a bucket takes objects only whole, but a folder file by file. Whoever must
    not see half a folder goes by what the metadata store says of the artifact.
    """
    if in_bucket(path):
        with tempfile.TemporaryDirectory() as temporary:
            here = os.path.join(temporary, os.path.basename(str(path).rstrip("/")))
            yield here
            with _bucket() as gfile:
                if os.path.isdir(here):
                    remove(path)
                    _copy_tree(gfile, here, str(path))
                else:
                    upload(here, path)
        return
    partial = f"{str(path).rstrip('/')}.partial"
    _remove_folder(partial)
    yield partial
    _remove_folder(path)
    os.replace(partial, path)


def write_json(folder: str, name: str, value: Any) -> None:
    """Writes a value as a JSON file, in Unicode and over several lines: whole or not at all."""
    with writing(os.path.join(folder, name)) as path:
        text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
        Path(path).write_text(text, encoding="utf-8")


def empty(folder: str) -> None:
    """Makes an artifact's folder, or clears it: a killed execution's retry is given the same
    folder, leftovers and all."""
    remove(folder)
    if in_bucket(folder):
        with _bucket() as gfile:
            gfile.makedirs(folder)
    else:
        os.makedirs(folder)


def remove(path: str | Path) -> None:
    """Removes a file, or a folder with all that is in it; nothing where there is neither."""
    if in_bucket(path):
        with _bucket() as gfile:
            if gfile.isdir(path):
                gfile.rmtree(path)
            elif gfile.exists(path):
                gfile.remove(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.remove(path)


def size(path: str | Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 where there is neither."""
    if in_bucket(path):
        with _bucket() as gfile:
            if not gfile.isdir(path):
                return gfile.stat(path).length if gfile.exists(path) else 0
            walked = [(folder, names) for folder, _, names in gfile.walk(path)]
            files = [os.path.join(folder, name) for folder, names in walked for name in names]
            return sum(gfile.stat(file).length for file in files)
    if os.path.isdir(path):
        return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return os.path.getsize(path) if os.path.exists(path) else 0


def copy_folder(source: str | Path, target: Path) -> None:
    """Copies what is not hidden into a new folder on this machine."""
    if in_bucket(source):
        with _bucket() as gfile:
            _copy_tree(gfile, str(source), str(target))
        return
    target.mkdir()
    for path in sorted(Path(source).rglob("*")):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        elif not path.name.startswith("."):
            shutil.copyfile(path, place)


def upload(source: str | Path, target: str | Path) -> None:
    """Copies a file of this machine to a bucket, where it appears whole."""
    with _bucket() as gfile:
        gfile.makedirs(os.path.dirname(str(target)))
        gfile.copy(str(source), str(target), overwrite=True)


def move(source: str, target: str) -> None:
    """Moves a file inside a bucket: whole, and without bringing it here."""
    with _bucket() as gfile:
        gfile.makedirs(os.path.dirname(target))
        gfile.rename(source, target, overwrite=True)


@contextlib.contextmanager
def on_disk(path: str | Path) -> Iterator[Path]:
    """A file or a folder where what knows disks alone can read it: itself, or a copy for a while.

    Raises:
      FileNotFoundError: it is in a bucket, and is not there.
    """
    if not in_bucket(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory() as temporary:
        here = Path(temporary, os.path.basename(str(path).rstrip("/")))
        with _bucket() as gfile:
            if gfile.isdir(path):
                _copy_tree(gfile, str(path), str(here))
            else:
                gfile.copy(path, str(here))
        yield here


def _copy_tree(gfile: Any, source: str, target: str) -> None:
    source = source.rstrip("/")
    for folder, _, files in gfile.walk(source):
        place = target + folder.rstrip("/")[len(source) :]
        gfile.makedirs(place)
        for name in files:
            if not name.startswith("."):
                gfile.copy(os.path.join(folder, name), os.path.join(place, name), overwrite=True)


def _remove_folder(path: str | Path) -> None:
    """A folder does not make way for a rename; a file does."""
    if os.path.isdir(path):
        shutil.rmtree(path)


@contextlib.contextmanager
def _bucket() -> Iterator[Any]:
    """TensorFlow's own functions for files, with Python's errors."""
    import tensorflow as tf

    try:
        yield tf.io.gfile
    except tf.errors.NotFoundError as e:
        raise FileNotFoundError(e.message) from None
    except tf.errors.OpError as e:
        raise OSError(e.message) from e
