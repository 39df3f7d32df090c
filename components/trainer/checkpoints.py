"""How a training that was killed goes on: one small folder of checkpoints a phase."""

import json
import os
import time
from typing import Any

import tensorflow as tf

SHARE = 1 / 50
"""Of the training's time that checkpoints may take; a kill loses what was done since the last."""
EXPECTED_SECONDS = 0.2
"""What a checkpoint is taken to cost before the first: so that comes after ten seconds."""


class History(tf.train.experimental.PythonState):
    """What has been trained, in a checkpoint beside the weights that it speaks of.

    Attributes:
      epochs: the entries of history.json; see `fn_args.write_history`.
      seconds: what the unfinished epoch has taken so far.
      input_seconds: what of that was spent waiting for pictures.
    """

    def __init__(self) -> None:
        """Nothing has been trained."""
        self.epochs: list[dict[str, Any]] = []
        self.seconds = self.input_seconds = 0.0

    def serialize(self) -> str:
        """For tf.train.Checkpoint."""
        return json.dumps([self.epochs, self.seconds, self.input_seconds])

    def deserialize(self, string_value: str) -> None:
        """For tf.train.Checkpoint."""
        self.epochs, self.seconds, self.input_seconds = json.loads(string_value)


def best_epoch(entries: list[dict[str, Any]], phase: int) -> tuple[int | None, int]:
    """Finds the best epoch of a phase.

    Args:
      entries: as in History.epochs.
      phase: from 0.

    Returns:
      The epoch, from 0, with the lowest eval loss, the earliest where several have it, and how
      many there were since; None and 0 before the first epoch, or without an eval split.
    """
    losses = [e["eval_loss"] for e in entries if e["phase"] == phase]
    if not losses or None in losses:
        return None, 0
    best = losses.index(min(losses))
    return best, len(losses) - 1 - best


class PhaseCheckpoint:
    """The newest checkpoint of one phase.

    A phase has its own, because it has its own optimizer and its own parts that change. Phases
    are restored in their order, so a later one finds what an earlier one left. A kill while one
    is written leaves the one before it.
    """

    def __init__(self, folder: str, phase: int, weights: dict[str, Any], **state: Any):
        """Args:
        folder: of the whole training; it is made where it is missing.
        phase: from 0.
        weights: the parts that the phase trains, by name.
        state: what else the training needs to go on; anything that tf.train.Checkpoint takes.
        """
        self._checkpoint = tf.train.Checkpoint(**weights, **state)
        self._weights = tf.train.Checkpoint(**weights)
        self._manager, self._best = (
            tf.train.CheckpointManager(checkpoint, os.path.join(folder, name), max_to_keep=1)
            for checkpoint, name in (
                (self._checkpoint, f"phase-{phase}"),
                (self._weights, f"phase-{phase}-best"),
            )
        )
        self._saved, self._cost = time.monotonic(), EXPECTED_SECONDS

    def restore(self) -> None:
        """Restores the parts, or leaves them as they are where nothing was saved yet."""
        if path := self._manager.latest_checkpoint:
            self._checkpoint.restore(path).assert_existing_objects_matched()

    def save(self) -> None:
        """Saves the parts and drops the checkpoint before."""
        began = time.monotonic()
        self._manager.save()
        self._saved = time.monotonic()
        self._cost = self._saved - began

    def save_best(self) -> None:
        """Saves the parts as those of the best epoch so far."""
        self._best.save()

    def restore_best(self) -> None:
        """Restores what `save_best` saved last, without the optimizer's place in the phase."""
        if path := self._best.latest_checkpoint:
            self._weights.restore(path).assert_existing_objects_matched()

    def due(self) -> bool:
        """Whether so much has been done since the last save that another costs at most SHARE."""
        return (time.monotonic() - self._saved) * SHARE >= self._cost
