"""A network that begins with the weights of an earlier model instead of the Hub module's."""

import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from components.errors import TrainingError
from components.files import read_json, write_json
from components.trainer.network import Network

_LABELS = "labels.json"


def weights_folder(model_uri: str) -> str:
    """Where in the artifact `model` the weights lie, beside the SavedModel."""
    return os.path.join(model_uri, "weights")


def save_weights(folder: str, network: Network, labels: Sequence[str], frozen: bool) -> None:
    """Writes the weights for a later training; a frozen backbone's are the module's own.

    Args:
      folder: see `weights_folder`; made.
      network: trained.
      labels: its classes, in the order of the logits.
      frozen: whether no phase has trained the backbone.
    """
    tf.io.gfile.makedirs(folder)
    parts = (
        {"head": network.head} if frozen else {"head": network.head, "backbone": network.backbone}
    )
    tf.train.Checkpoint(**parts).write(os.path.join(folder, "weights"))
    write_json(folder, _LABELS, list(labels))


def begin_from(folder: str, network: Network, labels: Sequence[str], frozen: bool) -> None:
    """Gives a network the weights of an earlier one, on the same module and with the same head.

    A class that the earlier one did not know keeps its initial weights.

    Args:
      folder: as `save_weights` wrote it.
      network: is changed.
      labels: its classes.
      frozen: whether no phase will train the backbone: then it stays the module's own.

    Raises:
      TrainingError: they are the weights of another network.
    """
    path = os.path.join(folder, "weights")
    try:
        _restore(path, network, read_json(os.path.join(folder, _LABELS)), labels, frozen)
    except (AssertionError, ValueError) as e:
        raise TrainingError(
            f"train.warm_start: the weights in {folder} do not fit this network ({e}); set "
            "train.warm_start to false for one run"
        ) from None


def _restore(
    path: str, network: Network, known: list[str], labels: Sequence[str], frozen: bool
) -> None:
    def read(**part: Any) -> None:
        status = tf.train.Checkpoint(**part).read(path)
        status.assert_existing_objects_matched().expect_partial()

    if not frozen:
        read(backbone=network.backbone)
    if known == list(labels):
        read(head=network.head)
        return
    earlier = network.new_head(len(known))
    read(head=earlier)
    both = [label for label in labels if label in known]
    to, of = [labels.index(label) for label in both], [known.index(label) for label in both]
    for variable, value in zip(network.head.variables, earlier.variables, strict=True):
        if variable.shape == value.shape:
            variable.assign(value)
        elif both and variable.shape[:-1] == value.shape[:-1]:
            columns = variable.numpy()
            columns[..., to] = value.numpy()[..., of]
            variable.assign(columns)
