"""What the executor hands to a training function, and what it expects of it."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from components.files import write_json
from components.progress import Progress


@dataclasses.dataclass(frozen=True)
class FnArgs:
    """All that a `run_fn(fn_args) -> None` may know.

    It must write a SavedModel with the signatures that `signatures.export` gives to
    `serving_model`, whole or not at all, and `history.json` into `model_run` (see `write_history`).
    It may keep checkpoints in `checkpoints`; that folder is the same when the same work is started
    again after a kill.
    """

    train_files: tuple[str, ...]
    """TFRecords (gzip) of transformed Examples: `image`, `label`, `id`."""
    eval_files: tuple[str, ...]
    """TFRecords (gzip) of raw Examples of the eval split; may be empty."""
    train_feature_files: tuple[str, ...]
    """TFRecords (gzip) of {feature, label, id, view}, train split, one view a file; empty unless
    FeatureExtractor ran. For the head-only phases in front, whose epoch e learns from view e mod
    the number of views."""
    eval_feature_files: tuple[str, ...]
    """The same of the eval split, view 0 alone; may be empty."""
    preprocessing: str
    """ImageTransform's folder: labels.json, preprocessing.json, augmentation/."""
    model: dict[str, Any]
    """Section `model` of the configuration."""
    train: dict[str, Any]
    """Section `train` of the configuration, `max_epochs` already applied to the phases."""
    seed: int
    """The run's seed, in [0, 2**31)."""
    checkpoints: str
    """Folder for checkpoints, this work's own; deleted once the execution is on record."""
    serving_model: str
    """Where the SavedModel goes. Does not exist yet."""
    model_run: str
    """Folder for `history.json` and `logs/`, TensorBoard's."""
    weights: str = ""
    """Folder for what `warm_start.save_weights` writes, from which a later training may begin; ""
    for none."""
    warm_start: str = ""
    """The `weights` of the model to begin from; "" to begin from the module."""
    progress: Callable[[int], Progress] = lambda total: Progress(None, total=total)
    """Given how many pictures will be trained on, makes the Progress to count them into."""

    @property
    def logs(self) -> str:
        """Folder of TensorBoard's event files."""
        return os.path.join(self.model_run, "logs")


def write_calibration(folder: str, temperature: float) -> None:
    """Writes `calibration.json`: {"temperature": what the served logits are divided by}.

    Args:
      folder: FnArgs.model_run.
      temperature: 1 where nothing was calibrated.
    """
    write_json(folder, "calibration.json", {"temperature": temperature})


def write_history(folder: str, history: list[dict[str, Any]]) -> None:
    """Writes `history.json`: a list with one entry an epoch.

    Args:
      folder: FnArgs.model_run.
      history: entries `phase` (from 0), `train` (as in the configuration), `epoch` (from 0 in each
        phase), `steps`, `images`, `loss` (everything that is minimised), `accuracy`,
        `auxiliary_loss` (None without that head), `eval_loss` (cross-entropy alone),
        `eval_accuracy` (both None without an eval split), `learning_rate` (of the last step),
        `seconds` (of the whole epoch), `input_seconds` (of these, what the steps waited for
        pictures) and `eval_seconds` (what the look at the eval split took).
    """
    write_json(folder, "history.json", history)
