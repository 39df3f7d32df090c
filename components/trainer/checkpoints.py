"""How a training that was killed goes on: one small folder of checkpoints a phase."""

import json
import os
import time
from typing import Any

import tensorflow as tf


class History(tf.train.experimental.PythonState):
    """What has been trained, in a checkpoint beside the weights that it speaks of.

    Attributes:
      epochs: the entries of history.json; see `fn_args.write_history`.
      seconds: what the unfinished epoch has taken so far.
    """

    def __init__(self) -> None:
        """Nothing has been trained."""
        self.epochs: list[dict[str, Any]] = []
        self.seconds = 0.0

    def serialize(self) -> str:
        """For tf.train.Checkpoint."""
        return json.dumps([self.epochs, self.seconds])

    def deserialize(self, string_value: str) -> None:
        """For tf.train.Checkpoint."""
        self.epochs, self.seconds = json.loads(string_value)


class PhaseCheckpoint:
    """The newest checkpoint of one phase.

    A phase has its own, because it has its own optimizer and its own parts that change. Phases
    are restored in their order, so a later one finds what an earlier one left. A kill while one
    is written leaves the one before it.
    """

    def __init__(self, folder: str, phase: int, **parts: Any):
        """Args:
        folder: of the whole training; it is made where it is missing.
        phase: from 0.
        parts: what to save, by name; anything that tf.train.Checkpoint takes.
        """
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, os.path.join(folder, f"phase-{phase}"), max_to_keep=1
        )
        self._saved = time.monotonic()

    def restore(self) -> None:
        """Restores the parts, or leaves them as they are where nothing was saved yet."""
        if path := self._manager.latest_checkpoint:
            self._checkpoint.restore(path).assert_existing_objects_matched()

    def save(self) -> None:
        """Saves the parts and drops the checkpoint before."""
        self._manager.save()
        self._saved = time.monotonic()

    def age(self) -> float:
        """Seconds since the last save, or since this was made."""
        return time.monotonic() - self._saved
