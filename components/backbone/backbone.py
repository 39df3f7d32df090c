"""A Hub module of either format as a backbone: endpoints, losses, variables, export."""

from collections.abc import Callable
from typing import Literal, Protocol

import tensorflow as tf

from components.backbone import handles

Endpoints = dict[str, tf.Tensor]


def load_backbone(
    handle: str,
    *,
    batch_norm: Literal["train", "inference"] | None = None,
    batch_norm_momentum: float | None = None,
) -> "Backbone":
    """Loads a module of either format.

    Args:
      handle: a folder, or what `handles.resolve` knows.
      batch_norm: how batch norm behaves while the backbone is trained. "train": by the moments of
        the batch, and the moving averages follow. "inference": by the moving averages, which stay;
        gradients flow. None: "train" where the module has that mode; a module that has not can
        then only be used frozen. Say "inference" for a backbone that stays frozen: of a module in
        the TF1 Hub format only one graph is loaded then.
      batch_norm_momentum: decay of the moving averages, in (0, 1), where the module lets it be
        set; None for the module's own.

    Raises:
      BackboneError: the handle leads to no module of images, or to one that cannot be trained as
        asked.
    """
    path = handles.resolve(handle)
    module: HubModule
    if handles.find_format(path) == handles.TF1_FORMAT:
        from components.backbone.tf1 import Tf1Module

        module = Tf1Module(path, batch_norm, batch_norm_momentum)
    else:
        from components.backbone.tf2 import Tf2Module

        module = Tf2Module(path, batch_norm, batch_norm_momentum)
    return Backbone(handle, path, module, batch_norm)


class HubModule(Protocol):
    """What a Backbone needs of a module of either format."""

    format: str
    image_spec: tf.TensorSpec
    endpoint_shapes: dict[str, handles.Shape | None]
    variables: list[tf.Variable]
    trainable_variables: list[tf.Variable]
    has_train_mode: bool

    def train(self, images: tf.Tensor) -> Endpoints:
        """The endpoints by the batch's moments; the moving averages follow."""

    def infer(self, images: tf.Tensor) -> Endpoints:
        """The endpoints by the moving averages, from the current weights."""

    def losses(self) -> list[tf.Tensor]:
        """The regularization losses, scalars."""

    def freeze(self) -> tuple[Callable[[tf.Tensor], Endpoints], list[tf.Variable]]:
        """A function like `infer` that can be saved, and every variable that it reads."""


class Backbone(tf.Module):
    """A loaded module. `tf.train.Checkpoint(backbone=...)` saves and restores its weights.

    Attributes:
      handle: as it was given. path: the folder where the module lies.
      format: "TF1 Hub format" or "TF2 SavedModel".
    """

    def __init__(
        self,
        handle: str,
        path: str,
        module: HubModule,
        batch_norm: Literal["train", "inference"] | None,
    ):
        """Use `load_backbone`."""
        super().__init__(name="backbone")
        self.handle, self.path, self.format = handle, path, module.format
        self._module, self._batch_norm = module, batch_norm
        self._weights = list(module.variables)  # tracked, for checkpoints

    @property
    def endpoint_shapes(self) -> dict[str, handles.Shape | None]:
        """Endpoint names to shapes, as in `handles.ModuleInfo`."""
        return dict(self._module.endpoint_shapes)

    @property
    def variables(self) -> list[tf.Variable]:
        """All weights, moving averages among them."""
        return list(self._module.variables)

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        """The weights that gradients reach with `training=True`."""
        return list(self._module.trainable_variables)

    def endpoints_and_losses(
        self, images: tf.Tensor, training: bool
    ) -> tuple[Endpoints, list[tf.Tensor]]:
        """Runs the module.

        Args:
          images: [N, h, w, 3] float32, RGB in [0, 1].
          training: False for a frozen backbone, in evaluation and in serving. True runs batch
            norm as `load_backbone` was told; by the batch's moments, the call moves the moving
            averages, in a tf.function too.

        Returns:
          The endpoints, "default" [N, D] and the inner ones; and the regularization losses,
          scalars, none unless training.

        Raises:
          BackboneError: training a module that has no such mode, or images of another size than
            the module's, where that is fixed.
        """
        self._check_size(images)
        if not training:
            return self._module.infer(images), []
        if self._batch_norm == "inference":
            return self._module.infer(images), self._module.losses()
        handles.check_train_mode(self._module.has_train_mode, self.handle)
        return self._module.train(images), self._module.losses()

    def endpoints(self, images: tf.Tensor, training: bool) -> Endpoints:
        """The endpoints alone; see `endpoints_and_losses`."""
        return self.endpoints_and_losses(images, training)[0]

    def losses(self) -> list[tf.Tensor]:
        """The regularization losses of the current weights, scalars."""
        return self._module.losses()

    def check_endpoint(self, name: str, *, spatial: bool = False) -> None:
        """Raises BackboneError unless there is such an endpoint; see `handles.check_endpoint`."""
        handles.check_endpoint(name, self.endpoint_shapes, self.handle, spatial=spatial)

    def export(self) -> "Exported":
        """The backbone in inference mode, with the weights as they are now, for a SavedModel.

        It shares the backbone's memory: save it before training goes on.
        """
        return Exported(*self._module.freeze(), self._module.image_spec)

    def _check_size(self, images: tf.Tensor) -> None:
        expected = self._module.image_spec.shape
        if not expected.is_compatible_with(images.shape):
            height, width = expected[1:3]
            handles.check_size((height, width), tuple(images.shape[1:3]), self.handle)


class Exported(tf.Module):
    """A backbone that only runs: images [N, h, w, 3] float32 in [0, 1] -> endpoints."""

    def __init__(
        self,
        call: Callable[[tf.Tensor], Endpoints],
        variables: list[tf.Variable],
        image_spec: tf.TensorSpec,
    ):
        """Use `Backbone.export`."""
        super().__init__(name="backbone")
        self._weights = variables  # a saved function's variables must hang on the saved object
        self._run = call
        self.__call__.get_concrete_function(image_spec)  # saving keeps what has been traced

    @tf.function(autograph=False)
    def __call__(self, images: tf.Tensor) -> Endpoints:
        """The endpoints of the images."""
        return self._run(images)
