"""The network: a backbone, dropout, the head, and in training the auxiliary head."""

from typing import Any, NamedTuple

import tensorflow as tf

from components.backbone.backbone import Backbone
from components.errors import BackboneError
from components.trainer.heads import AuxiliaryHead, Head


class Outputs(NamedTuple):
    """What a training step needs of one forward pass."""

    logits: tf.Tensor
    """float32 [N, classes]."""
    auxiliary_logits: tf.Tensor | None
    """float32 [N, classes], or None without an auxiliary head or where it would train nothing."""
    regularization: tf.Tensor
    """Scalar: the L2 terms of what is being trained, and the backbone's own losses."""


class Network(tf.Module):
    """Backbone and heads with their weights. Checkpoint it to resume; export takes parts of it."""

    def __init__(
        self,
        backbone: Backbone,
        classes: int,
        model: dict[str, Any],
        image_size: tuple[int, int],
        seed: int,
    ):
        """Args:
        backbone: of either format.
        classes: number of classes.
        model: section `model` of the configuration.
        image_size: (height, width) of the backbone's input in pixels.
        seed: of the heads' weights and of dropout.

        Raises:
          BackboneError: the auxiliary head's endpoint is missing or has no room for it.
        """
        super().__init__()
        self.backbone = backbone
        self._dropout, self._l2, self._seed = model["dropout"], model["l2"], seed
        self._endpoint: str = (model["auxiliary_head"] or {}).get("endpoint", "")

        shapes = _shapes(backbone, image_size)
        self.head = Head(shapes["default"][-1], classes, seed)
        self.auxiliary_head: AuxiliaryHead | None = None
        if self._endpoint:
            backbone.check_endpoint(self._endpoint, spatial=True)
            _check_room(self._endpoint, shapes, backbone.handle, image_size)
            self.auxiliary_head = AuxiliaryHead(shapes[self._endpoint], classes, seed)

    def features(self, images: tf.Tensor) -> tf.Tensor:
        """Images float32 [N, h, w, 3] in [0, 1] -> feature vectors [N, D], inference mode."""
        return tf.stop_gradient(self.backbone.endpoints(images, training=False)["default"])

    def train_head(self, features: tf.Tensor, step: tf.Tensor) -> Outputs:
        """The forward pass of a head-only step, from feature vectors [N, D].

        Args:
          features: of the frozen backbone.
          step: scalar int, counts over the whole training; draws the dropout.
        """
        logits = self.head(self._drop(features, step))
        return Outputs(logits, None, self._l2 * self.head.squared_norm())

    def train_all(self, images: tf.Tensor, step: tf.Tensor) -> Outputs:
        """The forward pass of a step that trains everything, in training mode.

        Moves the backbone's moving averages, where it has them and they are to move.

        Args:
          images: float32 [N, h, w, 3] in [0, 1].
          step: as in `train_head`.
        """
        endpoints, losses = self.backbone.endpoints_and_losses(images, training=True)
        logits, _, l2 = self.train_head(endpoints["default"], step)
        auxiliary_logits = None
        if self.auxiliary_head is not None:
            auxiliary_logits = self.auxiliary_head(endpoints[self._endpoint])
            l2 += self._l2 * self.auxiliary_head.squared_norm()
        return Outputs(logits, auxiliary_logits, tf.add_n([l2, *losses]))

    def trained(self, train: str) -> tuple[list[tf.Variable], dict[str, tf.Module]]:
        """What a phase changes.

        Args:
          train: the phase's "head" or "all".

        Returns:
          The variables that the optimizer moves, and the parts to checkpoint: a head-only
          phase leaves the backbone as it was, so its checkpoints are small.
        """
        parts: dict[str, Any] = {"head": self.head}
        if train == "all":
            parts["backbone"] = self.backbone
            if self.auxiliary_head is not None:
                parts["auxiliary_head"] = self.auxiliary_head
        return [v for part in parts.values() for v in part.trainable_variables], parts

    def _drop(self, features: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        if not self._dropout:
            return features
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(step, tf.int64)])
        return tf.nn.experimental.stateless_dropout(features, self._dropout, seed)


def _shapes(backbone: Backbone, image_size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """The endpoints' shapes without the batch. A module's own signature often leaves them open."""
    blank = tf.zeros([1, *image_size, 3])
    endpoints = backbone.endpoints(blank, training=False)
    return {name: tuple(tensor.shape[1:]) for name, tensor in endpoints.items()}


def _check_room(
    name: str, shapes: dict[str, tuple[int, ...]], handle: str, image_size: tuple[int, int]
) -> None:
    """Raises BackboneError where the endpoint is too small for the auxiliary head's pool."""
    least = AuxiliaryHead.SMALLEST_SIDE
    roomy = [n for n, shape in shapes.items() if len(shape) == 3 and min(shape[:2]) >= least]
    if name in roomy:
        return
    size = "x".join(map(str, shapes[name][:2]))
    instead = f"take one of: {', '.join(roomy)}" if roomy else "remove model.auxiliary_head"
    raise BackboneError(
        f"model.auxiliary_head.endpoint: {name!r} of module {handle} is {size} for images of "
        f"{image_size[0]}x{image_size[1]} pixels, and the auxiliary head needs at least "
        f"{least}x{least}; {instead}"
    )
