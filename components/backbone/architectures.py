"""The networks that `graft module build` knows: endpoints and settings. No TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """What tells one network of `tf_keras.applications` from another.

    Attributes:
      name: of the function in `tf_keras.applications`; also before all names of weights.
      input_range: what the network wants instead of pixels in [0, 1].
      weight_decay: factor of half the kernels' squares in the regularization loss.
      decayed: last parts of the names of the weights that it counts.
      endpoints: names to the layers whose outputs they are, in the network's order.
      global_pool: name of the mean over the image as [N, 1, 1, D], where slim has it, else None.
    """

    name: str
    input_range: tuple[float, float]
    weight_decay: float
    decayed: tuple[str, ...]
    endpoints: Mapping[str, str]
    global_pool: str | None


def _inception_v3() -> Architecture:
    # slim's names, which the published module inception_v3/feature_vector/1 has.
    layers = {
        "Conv2d_1a_3x3": "activation",
        "Conv2d_2a_3x3": "activation_1",
        "Conv2d_2b_3x3": "activation_2",
        "MaxPool_3a_3x3": "max_pooling2d",
        "Conv2d_3b_1x1": "activation_3",
        "Conv2d_4a_3x3": "activation_4",
        "MaxPool_5a_3x3": "max_pooling2d_1",
    }
    blocks = ["5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"]
    layers |= {f"Mixed_{block}": f"mixed{number}" for number, block in enumerate(blocks)}
    return Architecture(
        name="InceptionV3",
        input_range=(-1, 1),
        weight_decay=4e-5,  # slim, nets/inception_utils.py: inception_arg_scope
        decayed=("kernel",),
        endpoints={f"InceptionV3/{name}": layer for name, layer in layers.items()},
        global_pool="InceptionV3/global_pool",
    )


def _mobilenet_v2() -> Architecture:
    # slim counts its layers from the first convolution on; a block's output is its sum, if any.
    added = {2, 4, 5, 7, 8, 9, 11, 12, 14, 15}
    blocks = [f"block_{n}_{'add' if n in added else 'project_BN'}" for n in range(1, 17)]
    layers = ["Conv1_relu", "expanded_conv_project_BN", *blocks, "out_relu"]
    return Architecture(
        name="MobileNetV2",
        input_range=(-1, 1),
        weight_decay=4e-5,  # slim, nets/mobilenet: training_scope; depthwise kernels are left out
        decayed=("kernel",),
        endpoints={f"MobilenetV2/layer_{n}": layer for n, layer in enumerate(layers, start=1)},
        global_pool="MobilenetV2/global_pool",
    )


def _resnet50_v2() -> Architecture:
    units = {1: 3, 2: 4, 3: 6, 4: 3}
    blocks = {
        f"resnet_v2_50/block{block}": f"conv{block + 1}_block{unit}_out"
        for block, unit in units.items()
    }
    return Architecture(
        name="ResNet50V2",
        input_range=(-1, 1),
        weight_decay=1e-4,  # slim, nets/resnet_utils.py: resnet_arg_scope
        decayed=("kernel",),
        endpoints={"resnet_v2_50/conv1": "conv1_conv", **blocks},
        global_pool="resnet_v2_50/global_pool",
    )


def _efficientnet_b0() -> Architecture:
    # The first block of a stage changes the size and so has no sum.
    repeats = [1, 2, 2, 3, 3, 4, 1]
    blocks = [
        f"block{stage}{letter}_{'project_bn' if letter == 'a' else 'add'}"
        for stage, count in enumerate(repeats, start=1)
        for letter in "abcd"[:count]
    ]
    layers = {
        "stem": "stem_activation",
        **{f"block_{number}": layer for number, layer in enumerate(blocks)},
        "head": "top_activation",
    }
    return Architecture(
        name="EfficientNetB0",
        input_range=(0, 255),
        weight_decay=1e-5,  # EfficientNet's: on all that is trained, but for batch norm
        decayed=("kernel", "depthwise_kernel", "bias"),
        endpoints={f"EfficientNetB0/{name}": layer for name, layer in layers.items()},
        global_pool=None,
    )


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (_inception_v3(), _mobilenet_v2(), _resnet50_v2(), _efficientnet_b0())
}
