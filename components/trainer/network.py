"""The network: a backbone, dropout, the head, and in training the auxiliary head."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from components.backbone.backbone import Backbone
from components.backbone.handles import matching
from components.errors import BackboneError
from components.importing import import_object
from components.trainer.heads import AuxiliaryHead, squared_norm
from components.trainer.optimizers import layer_rates


class Outputs(NamedTuple):
    """What a training step needs of one forward pass."""

    logits: tf.Tensor
    """float32 [N, classes]."""
    auxiliary_logits: tf.Tensor | None
    """float32 [N, classes], or None without an auxiliary head or where it would train nothing."""
    regularization: tf.Tensor
    """Scalar: the L2 terms of what is being trained, and the backbone's own losses."""


class Trained(NamedTuple):
    """What a phase changes."""

    variables: list[tf.Variable]
    """What the optimizer moves."""
    rates: list[float]
    """The share of the learning rate that each of them gets, in (0, 1]."""
    parts: dict[str, Any]
    """What to checkpoint, by name; a head-only phase leaves the backbone as it was."""


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
          ConfigError: the head's import path leads nowhere.
        """
        super().__init__()
        self.backbone = backbone
        self._dropout, self._l2, self._seed = model["dropout"], model["l2"], seed
        self._endpoint: str = (model["auxiliary_head"] or {}).get("endpoint", "")

        shapes = endpoint_shapes(backbone, image_size)
        make_head = import_object(model["head"], "model.head")
        self._make_head = lambda classes: make_head(shapes["default"][-1], classes, seed)
        self.head: Any = self.new_head(classes)
        self.auxiliary_head: AuxiliaryHead | None = None
        if self._endpoint:
            backbone.check_endpoint(self._endpoint, spatial=True)
            check_room(self._endpoint, shapes, backbone.handle, image_size)
            self.auxiliary_head = AuxiliaryHead(shapes[self._endpoint], classes, seed)

    def new_head(self, classes: int) -> Any:
        """A head as the configuration asks for, with its initial weights, for so many classes."""
        return self._make_head(classes)

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
        return Outputs(logits, None, self._l2 * squared_norm(self.head))

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
            l2 += self._l2 * squared_norm(self.auxiliary_head)
        return Outputs(logits, auxiliary_logits, tf.add_n([l2, *losses]))

    def trained(self, train: str | Sequence[str], first_layer_rate: float = 1.0) -> Trained:
        """What a phase changes.

        Args:
          train: the phase's "head", "all", or patterns of the backbone's variables; with the
            latter two the auxiliary head is trained as well.
          first_layer_rate: see `optimizers.layer_rates`.

        Raises:
          BackboneError: a pattern that matches none of the backbone's trainable variables.
        """
        parts: dict[str, Any] = {"head": self.head}
        if train == "head":
            variables = list(self.head.trainable_variables)
            return Trained(variables, [1.0] * len(variables), parts)
        if self.auxiliary_head is not None:
            parts["auxiliary_head"] = self.auxiliary_head
        heads = [v for part in parts.values() for v in part.trainable_variables]
        parts["backbone"] = self.backbone
        inner = {v.name.partition(":")[0]: v for v in self.backbone.trainable_variables}
        rates = dict(zip(inner, layer_rates(list(inner), first_layer_rate), strict=True))
        chosen = list(inner) if train == "all" else matching(train, inner, self.backbone.handle)
        return Trained(
            [*heads, *(inner[name] for name in chosen)],
            [*(1.0 for _ in heads), *(rates[name] for name in chosen)],
            parts,
        )

    def _drop(self, features: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        if not self._dropout:
            return features
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(step, tf.int64)])
        return tf.nn.experimental.stateless_dropout(features, self._dropout, seed)


def endpoint_shapes(backbone: Backbone, image_size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """The endpoints' shapes without the batch, by running the backbone once.

    A module's own signature often leaves them open.
    """
    blank = tf.zeros([1, *image_size, 3])
    strategy = tf.distribute.get_strategy()  # in whose scope alone nothing can be run
    endpoints = strategy.run(lambda: backbone.endpoints(blank, training=False))
    first = {name: strategy.experimental_local_results(x)[0] for name, x in endpoints.items()}
    return {name: tuple(tensor.shape[1:]) for name, tensor in first.items()}


def check_room(
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
