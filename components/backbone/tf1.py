"""Modules in the TF1 Hub format, fine-tuned in TF2.

Hub calls this unsupported, and `hub.KerasLayer` refuses. It goes because the loaded graph can be
pruned to a function of (images) -> (endpoints, update ops): that is differentiable, and running it
runs the update ops, which a call of the signature does not. A module has one graph to train and
one for inference, each with its own variables of the same names.
"""

import math
from collections.abc import Callable
from typing import Any, Literal

import tensorflow as tf
from tensorflow.core.framework import variable_pb2
from tensorflow.core.protobuf import saved_model_pb2

from components.backbone.handles import TF1_FORMAT, ModuleInfo, Shape, in_order, sizes
from components.errors import BackboneError

v1 = tf.compat.v1
_TRAIN, _INFERENCE = ("train",), ()
_MOMENTUM = "batch_norm_momentum"


class Tf1Module:
    """A module in the TF1 Hub format; see `backbone.HubModule` for the interface."""

    format = TF1_FORMAT

    def __init__(
        self, path: str, batch_norm: Literal["train", "inference"] | None, momentum: float | None
    ):
        """Loads the inference graph, and the training graph unless batch norm is "inference".

        Raises:
          BackboneError: it is no module of images, or cannot be trained as asked.
        """
        graphs = _read(path)
        signature = _signature(graphs, path)
        self.image_spec = _spec(signature.inputs[_image_input(signature)])
        self.endpoint_shapes = _shapes(signature)
        self.has_train_mode = _TRAIN in graphs
        if batch_norm == "train" and not self.has_train_mode:
            raise BackboneError(
                f'module {path}: has no graph tagged "train", so it cannot be fine-tuned with '
                "batch norm in training mode; set model.backbone.batch_norm to inference, or keep "
                "the backbone frozen"
            )
        serving = tf.saved_model.load(path, tags=[])
        self._serve = _prune(serving, signature)
        self._serving_variables = list(serving.variables)
        self._copied: list[tuple[tf.Variable, tf.Variable]] = []  # to the inference graph, from

        self._train: Callable | None = None
        trained = serving
        if self.has_train_mode and batch_norm != "inference":
            trained = tf.saved_model.load(path, tags=["train"])
            by_name = {v.name: v for v in trained.variables}
            self._copied = [(v, by_name[v.name]) for v in serving.variables if v.name in by_name]
            self._train = _prune_training(trained, graphs[_TRAIN], path, momentum)
        self._kept = (serving, trained)  # their functions hold the variables weakly
        self.variables = list(trained.variables)
        self.trainable_variables = [v for v in trained.variables if v.trainable]
        if batch_norm == "train" and not self.trainable_variables:
            raise BackboneError(
                f"module {path}: has no trainable variables, so there is nothing to fine-tune; "
                "keep the backbone frozen"
            )
        losses = trained.graph.get_collection(v1.GraphKeys.REGULARIZATION_LOSSES)
        self._losses = trained.prune([], losses) if losses else list

    def train(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The endpoints of the training graph; its update ops run."""
        assert self._train is not None
        return self._train(images)

    def infer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """The endpoints of the inference graph, from the current weights."""
        # At every call, so that no step, restored checkpoint or assignment can be missed; the
        # copies share memory until one side changes, which costs a few milliseconds.
        self._copy()
        return self._serve(images)

    def losses(self) -> list[tf.Tensor]:
        """The regularization losses of the graph that is trained."""
        return list(self._losses())

    def freeze(self) -> tuple[Callable, list[tf.Variable]]:
        """The inference graph as it is now, and its variables."""
        self._copy()
        return self._serve, self._serving_variables

    def _copy(self) -> None:
        for served, trained in self._copied:
            served.assign(trained)


def describe(path: str) -> ModuleInfo:
    """What the module offers, from its file alone; see `handles.describe`."""
    graphs = _read(path)
    signature = _signature(graphs, path)
    shape = _spec(signature.inputs[_image_input(signature)]).shape
    height, width = shape[1:3].as_list()
    trained = graphs.get(_TRAIN, graphs[_INFERENCE])
    variables = _variables(trained, v1.GraphKeys.GLOBAL_VARIABLES)
    return ModuleInfo(
        format=TF1_FORMAT,
        tags=sorted(list(tags) for tags in graphs),
        signatures=sorted({name for graph in graphs.values() for name in graph.signature_def}),
        endpoints=_shapes(signature),
        image_size=(height, width) if height and width else None,
        trainable=_TRAIN in graphs,
        variables=_variables(trained, v1.GraphKeys.TRAINABLE_VARIABLES),
        weights=sum(math.prod(shape) for shape in variables.values()),
    )


def _read(path: str) -> dict[tuple[str, ...], Any]:
    """The module's MetaGraphDefs by their tags, after what cannot be used is refused."""
    model = saved_model_pb2.SavedModel()
    try:
        with tf.io.gfile.GFile(f"{path}/saved_model.pb", "rb") as f:
            model.ParseFromString(f.read())
    except Exception as e:  # protobuf's DecodeError, or what the file system raises
        raise BackboneError(
            f"module {path}: saved_model.pb cannot be read ({e}); copy or download it again"
        ) from None
    graphs = {tuple(sorted(g.meta_info_def.tags)): g for g in model.meta_graphs}
    if _INFERENCE not in graphs:
        raise BackboneError(
            f"module {path}: has no graph without tags, which runs inference; there are the tag "
            f"sets {sorted(graphs)}. Export it again as a Hub module"
        )
    ops = {node.op for graph in graphs.values() for node in graph.graph_def.node}
    if ops & {"Variable", "VariableV2"}:
        raise BackboneError(
            f"module {path}: was saved with reference variables, which TensorFlow 2 cannot load; "
            "export it again under variable_scope(use_resource=True), or take a newer version"
        )
    return graphs


def _signature(graphs: dict[tuple[str, ...], Any], path: str) -> Any:
    """The signature of the inference graph that gives the endpoints."""
    signatures = graphs[_INFERENCE].signature_def
    # "default" last: in published modules it gives the feature vector alone, or logits.
    for name in ("image_feature_vector", "default"):
        signature = signatures.get(name)
        if signature is not None and _image_input(signature) and "default" in signature.outputs:
            rank = _spec(signature.outputs["default"]).shape.rank
            if rank in (None, 2):
                return signature
    found = "; ".join(
        f"{name}({', '.join(f'{k} {_spec(v).dtype.name}' for k, v in s.inputs.items())})"
        for name, s in sorted(signatures.items())
    )
    raise BackboneError(
        f"module {path}: gives no feature vectors of images; its signatures are: {found}. Take a "
        "module with the signature image_feature_vector"
    )


def _image_input(signature: Any) -> str | None:
    """The name of the input that takes images: float, [N, h, w, 3]."""
    for name, info in signature.inputs.items():
        spec = _spec(info)
        if spec.dtype == tf.float32 and spec.shape.rank == 4:
            return name
    return None


def _prune(loaded: Any, signature: Any) -> Callable:
    """(images) -> endpoints."""
    get = loaded.graph.get_tensor_by_name
    outputs = {key: get(info.name) for key, info in sorted(signature.outputs.items())}
    return loaded.prune([get(signature.inputs[_image_input(signature)].name)], outputs)


def _prune_training(loaded: Any, graph: Any, path: str, momentum: float | None) -> Callable:
    """(images) -> endpoints, which runs the update ops."""
    signature = _signature({_INFERENCE: graph}, path)
    get = loaded.graph.get_tensor_by_name
    feeds = [get(signature.inputs[_image_input(signature)].name)]
    values: list[tf.Tensor] = []
    hparams = graph.signature_def.get("image_feature_vector_with_bn_hparams")
    if momentum is not None and hparams is not None and _MOMENTUM in hparams.inputs:
        signature = hparams
        feeds = [get(signature.inputs[n].name) for n in (_image_input(signature), _MOMENTUM)]
        values = [tf.constant(momentum, tf.float32)]
    outputs = {key: get(info.name) for key, info in sorted(signature.outputs.items())}
    updates = loaded.graph.get_collection(v1.GraphKeys.UPDATE_OPS)
    pruned = loaded.prune(feeds, (outputs, updates))
    return lambda images: pruned(images, *values)[0]


def _variables(graph: Any, collection: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the variables in a collection of a MetaGraphDef."""
    shapes = {
        node.name: tf.TensorShape(node.attr["shape"].shape)
        for node in graph.graph_def.node
        if node.op == "VarHandleOp"
    }
    names = []
    for value in graph.collection_def[collection].bytes_list.value:
        variable = variable_pb2.VariableDef.FromString(value)
        names.append(variable.variable_name.removesuffix(":0"))
    return {name: tuple(shapes[name].as_list()) for name in names if name in shapes}


def _spec(info: Any) -> tf.TensorSpec:
    return tf.TensorSpec(tf.TensorShape(info.tensor_shape), tf.dtypes.as_dtype(info.dtype))


def _shapes(signature: Any) -> dict[str, Shape | None]:
    outputs = signature.outputs
    return {name: sizes(_spec(outputs[name]).shape) for name in in_order(outputs)}
