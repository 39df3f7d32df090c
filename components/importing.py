"""Functions and classes that a configuration names by import path: a head, a loss, a run_fn."""

import hashlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from components.errors import ConfigError


def import_object(path: str, key: str) -> Any:
    """Imports what a configuration names.

    Args:
      path: package.module.name, where the module is on Python's path or in the working folder.
      key: of the configuration, for the message.

    Raises:
      ConfigError: it cannot be imported, or cannot be called.
    """
    module, _, name = path.rpartition(".")
    try:
        _look_in_working_folder()
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as e:
        raise ConfigError(
            f"{key}: {path!r} cannot be imported ({e}); give package.module.name of a module on "
            "Python's path or in the working folder"
        ) from None
    if not callable(found):
        raise ConfigError(f"{key}: {path!r} is a {type(found).__name__}, and cannot be called")
    return found


def source_hash(paths: list[str]) -> str:
    """A hash of the files that hold a user's own code, so that a change of it is seen.

    Args:
      paths: import paths; those of this package itself do not count.

    Returns:
      12 hexadecimal characters, or nothing where none is a user's own.
    """
    _look_in_working_folder()
    modules = sorted({p.rpartition(".")[0] for p in paths if not p.startswith("components.")})
    specs = [importlib.util.find_spec(module) for module in modules]
    files = [spec.origin for spec in specs if spec and spec.origin]
    content = b"".join(hashlib.sha256(Path(file).read_bytes()).digest() for file in files)
    return hashlib.sha256(content).hexdigest()[:12] if content else ""


def _look_in_working_folder() -> None:
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
