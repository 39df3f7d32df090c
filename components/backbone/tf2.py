"""Modules as TF2 SavedModels with Hub's reusable interface."""

import inspect
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf

from components.backbone.handles import TF2_FORMAT, ModuleInfo, Shape, in_order, sizes
from components.errors import BackboneError

_MOMENTUM = "batch_norm_momentum"


class Tf2Module:
    """A TF2 SavedModel; see `backbone.HubModule` for the interface."""

    format = TF2_FORMAT

    def __init__(
        self, path: str, batch_norm: Literal["train", "inference"] | None, momentum: float | None
    ):
        """Loads the module and asks it for its endpoints.

        Raises:
          BackboneError: it is no module of images, or cannot be trained as asked.
        """
        self._path = path
        self._loaded = _load(path)
        self._arguments = set(inspect.signature(self._loaded.__call__).parameters)
        self._momentum = momentum if _MOMENTUM in self._arguments else None
        self.image_spec = _image_spec(self._loaded, path)
        self.endpoint_shapes = self._trace(self.infer)
        self.variables = list(getattr(self._loaded, "variables", []))
        self.trainable_variables = list(getattr(self._loaded, "trainable_variables", []))
        self.has_train_mode = "training" in self._arguments and bool(self.trainable_variables)
        if batch_norm == "train":
            if not self.has_train_mode:
                lack = (
                    "has no trainable variables"
                    if "training" in self._arguments
                    else "its call takes no argument `training`"
                )
                raise BackboneError(
                    f"module {path}: {lack}, so it cannot be fine-tuned with batch norm in "
                    "training mode; set model.backbone.batch_norm to inference, or keep the "
                    "backbone frozen"
                )
            self._trace(self.train)

    def train(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The endpoints in training mode; the moving averages follow."""
        momentum = {} if self._momentum is None else {_MOMENTUM: self._momentum}
        return self._call(images, training=True, **momentum)

    def infer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The endpoints in inference mode."""
        return self._call(images, **({"training": False} if "training" in self._arguments else {}))

    def losses(self) -> list[tf.Tensor]:
        """The module's own regularization losses."""
        return [loss() for loss in getattr(self._loaded, "regularization_losses", [])]

    def freeze(self) -> tuple[Callable, list[tf.Variable]]:
        """`infer`, whose variables are the module's own."""
        return self.infer, self.variables

    def _call(self, images: tf.Tensor, **arguments: Any) -> dict[str, tf.Tensor]:
        # Undocumented, and not in every module: without it there is the feature vector alone.
        if "return_endpoints" in self._arguments:
            arguments["return_endpoints"] = True
        result = self._loaded(images, **arguments)
        return dict(result) if isinstance(result, dict) else {"default": result}

    def _trace(self, function: Callable) -> dict[str, Shape | None]:
        """The shapes that a function of images gives, without running it."""
        try:
            outputs = tf.function(function, autograph=False).get_concrete_function(self.image_spec)
        except (TypeError, ValueError) as e:
            raise BackboneError(
                f"module {self._path}: cannot be called as Hub's reusable interface says "
                f"({str(e).strip().splitlines()[0]}); take a module that can"
            ) from e
        shapes = {name: t.shape for name, t in outputs.structured_outputs.items()}
        if "default" not in shapes or shapes["default"].rank not in (None, 2):
            raise BackboneError(
                f"module {self._path}: gives no feature vector, which would be an output "
                f"`default` of shape [N, D], but {shapes}; take a module that does"
            )
        return {name: sizes(shapes[name]) for name in in_order(shapes)}


def describe(path: str) -> ModuleInfo:
    """What the module offers; loads it. See `handles.describe`."""
    module = Tf2Module(path, None, None)
    height, width = module.image_spec.shape[1:3].as_list()
    return ModuleInfo(
        format=TF2_FORMAT,
        tags=[["serve"]],
        signatures=sorted(module._loaded.signatures),
        endpoints=module.endpoint_shapes,
        image_size=(height, width) if height and width else None,
        trainable=module.has_train_mode,
        variables={
            v.name.removesuffix(":0"): tuple(v.shape.as_list()) for v in module.trainable_variables
        },
        weights=sum(v.shape.num_elements() for v in module.variables),
    )


def _load(path: str) -> Any:
    try:
        loaded = tf.saved_model.load(path)
    except Exception as e:  # whatever the parser, the file system or the graph importer raises
        raise BackboneError(
            f"module {path}: cannot be loaded ({str(e).strip().splitlines()[0]}); it is broken, or "
            "no TF2 SavedModel (a module in the TF1 Hub format holds tfhub_module.pb too)"
        ) from e
    if not callable(loaded) or not hasattr(loaded.__call__, "concrete_functions"):
        raise BackboneError(
            f"module {path}: is a SavedModel that cannot be called, with nothing but the "
            f"signatures {sorted(getattr(loaded, 'signatures', {}))}; take one with Hub's reusable "
            "interface"
        )
    return loaded


def _image_spec(loaded: Any, path: str) -> tf.TensorSpec:
    """What the module takes: float32 [N, h, w, 3], the sizes None where they are free."""
    found = []
    for function in loaded.__call__.concrete_functions:
        spec = next(iter(function.structured_input_signature[0]), None)
        found.append(spec)
        if isinstance(spec, tf.TensorSpec) and spec.dtype == tf.float32 and spec.shape.rank == 4:
            return tf.TensorSpec(spec.shape, spec.dtype)
    raise BackboneError(
        f"module {path}: takes no images, which are float32 [N, h, w, 3], but {found[:1]}; take a "
        "module of image feature vectors"
    )
