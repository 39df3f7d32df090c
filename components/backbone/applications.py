"""Networks of `tf_keras.applications` as functions of named variables, for either Hub format.

Keras builds the network once, for its plan: which layer follows which, with what settings. The
plan is then computed by plain ops over given variables, for a Keras layer cannot be told the
momentum at each call, nor leave its moving averages to the update ops of a TF1 graph.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tf_keras

from components.backbone.architectures import ARCHITECTURES, Architecture
from components.backbone.keras_weights import get_weights, keras_model, short_name
from components.backbone.writer import Blueprint
from components.errors import BackboneError

Variables = Mapping[str, tf.Variable]  # of one layer, by short names such as "kernel"


class Layer(NamedTuple):
    """A layer of the plan.

    name: Keras's, such as "conv2d_3". kind: its class. config: its settings, as Keras saves them.
    inputs: names of the layers whose outputs it takes.
    """

    name: str
    kind: str
    config: dict[str, Any]
    inputs: tuple[str, ...]


def blueprint(name: str, weights: str = "imagenet", seed: int = 0) -> Blueprint:
    """A network with its weights, to be written as a module.

    Stochastic depth and dropout are left out, so that a training step is a function of its batch.

    Args:
      name: one of `ARCHITECTURES`.
      weights: "imagenet" for those that `tf_keras.applications` brings, "none" for random ones, or
        a file of weights of the same network, with or without its classifier.
      seed: of the random weights; equal seeds give equal weights.

    Raises:
      BackboneError: the weights cannot be had, or are another network's.
    """
    architecture = ARCHITECTURES[name]
    model = keras_model(name)
    layers = plan(model)
    trainable = frozenset(
        f"{name}/{layer.name}/{short_name(weight)}"
        for layer in model.layers
        for weight in layer.trainable_weights
    )

    def network(images, variables, training, momentum, update):
        return compute(architecture, layers, images, variables, training, momentum, update)

    def weight_decay(variables):
        kernels = [v for n, v in variables.items() if n.split("/")[-1] in architecture.decayed]
        return architecture.weight_decay * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])

    return Blueprint(
        weights=get_weights(model, name, weights, seed),
        trainable=trainable,
        network=network,
        weight_decay=weight_decay,
        momentum=next(x.config["momentum"] for x in layers if x.kind == "BatchNormalization"),
    )


def plan(model: tf_keras.Model) -> list[Layer]:
    """The layers of a functional Keras model, each after those it takes.

    Raises:
      BackboneError: a layer has a class or setting that is not known here.
    """
    made = {id(layer.output): layer.name for layer in model.layers}
    layers = []
    for layer in model.layers:
        kind, config = type(layer).__name__, layer.get_config()
        inputs = () if kind == "InputLayer" else tuple(tf.nest.flatten(layer.input))
        if kind not in ("InputLayer", "BatchNormalization", *_OPS):
            raise BackboneError(
                f"network {model.name}: layer {layer.name} is of the class {kind}, which is not "
                "known here; add it to components/backbone/applications.py"
            )
        if config.get("activation", "linear") not in _ACTIVATIONS:
            raise BackboneError(
                f"network {model.name}: layer {layer.name} has the activation "
                f"{config['activation']}, which is not known here; take one of: "
                f"{', '.join(_ACTIVATIONS)}"
            )
        layers.append(Layer(layer.name, kind, config, tuple(made[id(x)] for x in inputs)))
    return layers


def compute(
    architecture: Architecture,
    layers: list[Layer],
    images: tf.Tensor,
    variables: Variables,
    training: bool,
    momentum: float | tf.Tensor,
    update: Callable[[tf.Variable, tf.Tensor], Any],
) -> dict[str, tf.Tensor]:
    """Computes the endpoints of a network by its plan; see `writer.Network`.

    Images are RGB in [0, 1]; the network's own range is made of them here.
    """
    low, high = architecture.input_range
    of_layer: dict[str, dict[str, tf.Variable]] = {layer.name: {} for layer in layers}
    for name, variable in variables.items():
        _, layer_name, short = name.split("/")
        of_layer[layer_name][short] = variable

    outputs: dict[str, tf.Tensor] = {}
    for layer in layers:
        weights, inputs = of_layer[layer.name], [outputs[name] for name in layer.inputs]
        if layer.kind == "InputLayer":
            x = images * (high - low) + low
        elif layer.kind == "BatchNormalization":
            x = _batch_norm(layer.config, weights, inputs[0], training, momentum, update)
        else:
            x = _OPS[layer.kind](layer.config, weights, *inputs)
        outputs[layer.name] = x

    endpoints = {name: outputs[layer] for name, layer in architecture.endpoints.items()}
    if architecture.global_pool:
        endpoints[architecture.global_pool] = tf.reduce_mean(x, [1, 2], keepdims=True)
    return endpoints | {"default": tf.reduce_mean(x, [1, 2])}


def _batch_norm(config, weights, x, training, momentum, update):
    mean, variance, beta = (weights[n] for n in ("moving_mean", "moving_variance", "beta"))
    gamma = weights["gamma"] if config["scale"] else tf.ones_like(beta)
    norm = tf.compat.v1.nn.fused_batch_norm
    if not training:
        x, *_ = norm(x, gamma, beta, mean, variance, config["epsilon"], is_training=False)
        return x
    # The batch's variance comes as it is to be averaged: times n / (n - 1), as in Keras.
    x, batch_mean, batch_variance, *_ = norm(
        x, gamma, beta, epsilon=config["epsilon"], is_training=True
    )
    update(mean, momentum * mean + (1 - momentum) * batch_mean)
    update(variance, momentum * variance + (1 - momentum) * batch_variance)
    return x


def _convolution(config, weights, x):
    _refuse(config, groups=1)
    x = tf.nn.conv2d(
        x,
        weights["kernel"],
        config["strides"],
        config["padding"].upper(),
        dilations=config["dilation_rate"],
    )
    return _bias_and_activation(config, weights, x)


def _depthwise_convolution(config, weights, x):
    x = tf.nn.depthwise_conv2d(
        x,
        weights["depthwise_kernel"],
        [1, *config["strides"], 1],
        config["padding"].upper(),
        dilations=config["dilation_rate"],
    )
    return _bias_and_activation(config, weights, x)


def _dense(config, weights, x):
    return _bias_and_activation(config, weights, tf.linalg.matmul(x, weights["kernel"]))


def _bias_and_activation(config, weights, x):
    if config["use_bias"]:
        x = tf.nn.bias_add(x, weights["bias"])
    return _ACTIVATIONS[config["activation"]](x)


def _relu(config, _, x):
    _refuse(config, negative_slope=0, threshold=0)
    most = config["max_value"]
    if most is None:
        return tf.nn.relu(x)
    return tf.nn.relu6(x) if most == 6 else tf.minimum(tf.nn.relu(x), most)


def _pool(op: Callable) -> Callable:
    return lambda config, _, x: op(
        x, config["pool_size"], config["strides"], config["padding"].upper()
    )


def _normalize(_, weights, x):
    # The least deviation, so that a channel without any does not divide by nothing, is Keras's.
    deviation = tf.maximum(tf.sqrt(weights["variance"]), 1e-7)
    return (x - weights["mean"]) / deviation


def _multiply(config, _, *inputs):
    product = inputs[0]
    for x in inputs[1:]:
        product *= x
    return product


def _refuse(config: dict[str, Any], **expected: Any) -> None:
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise BackboneError(
                f"layer {config['name']}: has {key} = {config[key]}, which is not known here; "
                "add it to components/backbone/applications.py"
            )


# (settings, weights, input ...) -> output
_OPS: dict[str, Callable[..., tf.Tensor]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise_convolution,
    "Dense": _dense,
    "Activation": lambda config, _, x: _ACTIVATIONS[config["activation"]](x),
    "ReLU": _relu,
    "ZeroPadding2D": lambda config, _, x: tf.pad(x, [(0, 0), *config["padding"], (0, 0)]),
    "MaxPooling2D": _pool(tf.nn.max_pool2d),
    "AveragePooling2D": _pool(tf.nn.avg_pool2d),
    "GlobalAveragePooling2D": lambda config, _, x: tf.reduce_mean(
        x, [1, 2], keepdims=config["keepdims"]
    ),
    "Concatenate": lambda config, _, *inputs: tf.concat(inputs, config["axis"]),
    "Add": lambda config, _, *inputs: tf.add_n(inputs),
    "Multiply": _multiply,
    "Reshape": lambda config, _, x: tf.reshape(x, [tf.shape(x)[0], *config["target_shape"]]),
    "Rescaling": lambda config, _, x: x * config["scale"] + config["offset"],
    "Normalization": _normalize,
    "Dropout": lambda config, _, x: x,
}

_ACTIVATIONS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": lambda x: x,
    "relu": tf.nn.relu,
    "sigmoid": tf.nn.sigmoid,
    # Not tf.nn.silu: its own gradient would be lost in a module in the TF1 Hub format.
    "swish": lambda x: x * tf.nn.sigmoid(x),
}
