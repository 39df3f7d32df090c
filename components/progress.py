"""How a running node tells how far it is: a small file that whoever watches may read."""

import json
import os
import time

FILE = "progress.json"


class Progress:
    """Counts work done into `<folder>/progress.json`, at most five times a second.

    Beam's in-process runner gives no live metrics, hence a file. It lies in the execution's
    temporary folder, so it goes when the execution ends.
    """

    def __init__(self, folder: str | None, unit: str = "images", total: int | None = None):
        """Args:
        folder: the execution's temporary folder, or None to report nothing.
        unit: what is counted, in the plural: "images", "steps".
        total: how many there will be, where that is known.
        """
        self._path = os.path.join(folder, FILE) if folder else None
        self._unit, self._total = unit, total
        self._done, self._note, self._written = 0, "", 0.0

    def add(self, count: int, note: str = "") -> None:
        """Counts `count` more done; `note` is a short text such as "loss 0.31"."""
        self._done += count
        self._note = note or self._note
        if self._path and time.monotonic() - self._written > 0.2:
            self._write(self._path)

    def _write(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        partial = f"{path}.{os.getpid()}"
        with open(partial, "w") as f:
            json.dump(
                {"done": self._done, "total": self._total, "unit": self._unit, "note": self._note},
                f,
            )
        os.replace(partial, path)
        self._written = time.monotonic()
