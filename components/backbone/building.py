"""Building a module's folder: whole or not at all, kept while it is current. No TensorFlow."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from components.errors import BackboneError

_STAMP = ".build"  # hidden: it is no part of the module's content hash


def is_current(folder: str | Path, stamp: str) -> bool:
    """Whether the folder holds what `build` made under this stamp."""
    path = Path(folder) / _STAMP
    return path.is_file() and path.read_text() == stamp


def build(folder: str | Path, stamp: str, write: Callable[[str], None]) -> bool:
    """Writes a module into its folder, or leaves it where it is current already.

    The folder appears whole or not at all; a build under another stamp is replaced.

    Args:
      folder: where the module shall lie.
      stamp: one line that says what is built; equal stamps mean equal modules.
      write: (folder that does not exist yet) writes the module there.

    Returns:
      Whether it was built.

    Raises:
      BackboneError: the folder holds something that was not built here, or cannot be written.
    """
    folder = Path(folder)
    if is_current(folder, stamp):
        return False
    if _is_in_the_way(folder):
        raise BackboneError(
            f"{folder}: is in the way and was not built by this command; move it or name another "
            "folder"
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        write(str(partial))
        (partial / _STAMP).write_text(stamp)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except OSError as e:
        raise BackboneError(f"{folder}: cannot be written ({e}); name another folder") from e
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def _is_in_the_way(folder: Path) -> bool:
    if (folder / _STAMP).is_file() or not os.path.lexists(folder):
        return False
    empty = folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    return not empty
