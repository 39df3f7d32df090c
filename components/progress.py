"""How a running node tells how far it is: small files that whoever watches may read."""

import glob
import json
import os
import time
import uuid
from typing import Any

from components.files import in_bucket

_NAME = "progress-{}.json"
_SECONDS = 0.2


class Progress:
    """Counts work done into a file in a folder, at most five times a second.

    Beam's in-process runner gives no live metrics, hence a file. It lies in the execution's
    temporary folder, so it goes when the execution ends. A copy in another worker has a file of
    its own, and counts what that worker does. In a bucket nobody looks, and nothing is written.
    """

    def __init__(self, folder: str | None, unit: str = "images", total: int | None = None):
        """Args:
        folder: the execution's temporary folder, or None to report nothing.
        unit: what is counted, in the plural: "images", "steps".
        total: how many there will be, where that is known.
        """
        self._folder = None if folder and in_bucket(folder) else folder
        self._unit, self._total = unit, total
        self._start()

    def _start(self) -> None:
        self._name = _NAME.format(uuid.uuid4().hex[:12])
        self._done, self._note, self._written = 0, "", 0.0

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        self._start()

    def add(self, count: int, note: str = "") -> None:
        """Counts `count` more done; `note` is a short text such as "loss 0.31"."""
        self._done += count
        self._note = note or self._note
        if self._folder and time.monotonic() - self._written > _SECONDS:
            self._write(self._folder)

    def _write(self, folder: str) -> None:
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, self._name)
        told = {"done": self._done, "total": self._total, "unit": self._unit, "note": self._note}
        with open(f"{path}.partial", "w") as f:
            json.dump(told, f)
        os.replace(f"{path}.partial", path)
        self._written = time.monotonic()


def read_progress(pattern: str, since: float = 0.0) -> dict[str, Any] | None:
    """What is told in the folder with the newest of all progress files.

    Args:
      pattern: of folders, as `glob` takes it, ** for any depth.
      since: seconds since the epoch; what was told before, a killed run has left.

    Returns:
      {"done", "total", "unit", "note"}, summed over workers; None where nothing is told.
    """
    pattern = os.path.join(pattern, _NAME.format("*"))
    try:
        found = glob.glob(pattern, recursive=True, include_hidden=True)
        found = [path for path in found if os.path.getmtime(path) >= since]
        folder = os.path.dirname(max(found, key=os.path.getmtime))
        together: list[dict[str, Any]] = []
        for path in sorted(found, key=os.path.getmtime):
            if os.path.dirname(path) == folder:
                with open(path) as f:
                    together.append(json.load(f))
    except (ValueError, OSError):  # none yet, half gone, or just replaced
        return None
    return {**together[-1], "done": sum(one["done"] for one in together)}
