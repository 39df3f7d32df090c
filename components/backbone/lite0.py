"""Builds the default backbone, EfficientNet-Lite0 with ImageNet weights, in both Hub formats.

`python -m components.backbone.lite0 [FOLDER=modules]` writes FOLDER/efficientnet_lite0 (TF2
SavedModel) and FOLDER/efficientnet_lite0_tf1 (TF1 Hub format), in seconds, unless they are there.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from components.backbone.handles import TF1_FORMAT, TF2_FORMAT
from components.backbone.lite0_network import MOMENTUM, imagenet_weights, network, weight_decay
from components.errors import BackboneError

v1 = tf.compat.v1

TF2_FOLDER = "efficientnet_lite0"
TF1_FOLDER = "efficientnet_lite0_tf1"
VERSION = "1"  # raise it when what is built changes; older builds are then replaced
IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, "images")


def write_tf2(folder: str) -> None:
    """Writes the module as a TF2 SavedModel with the reusable interface.

    `__call__(images, training=False, batch_norm_momentum=0.99, return_endpoints=False)` gives the
    feature vector, or the dictionary of endpoints.
    """
    variables = {
        name: tf.Variable(value, trainable="/moving_" not in name, name=name)
        for name, value in imagenet_weights().items()
    }

    @tf.function
    def call(images, training=False, batch_norm_momentum=MOMENTUM, return_endpoints=False):
        endpoints = network(
            images, variables, training, batch_norm_momentum, lambda v, value: v.assign(value)
        )
        return endpoints if return_endpoints else endpoints["default"]

    for training in (False, True):
        for return_endpoints in (False, True):
            call.get_concrete_function(
                IMAGES,
                training=training,
                batch_norm_momentum=tf.TensorSpec([], tf.float32, "batch_norm_momentum"),
                return_endpoints=return_endpoints,
            )
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.variables = list(variables.values())
    module.trainable_variables = [v for v in variables.values() if v.trainable]
    module.regularization_losses = [tf.function(lambda: weight_decay(variables), [])]
    tf.saved_model.save(module, folder)


def write_tf1(folder: str) -> None:
    """Writes the module in the TF1 Hub format: a graph for inference and one tagged "train".

    Signatures: default, image_feature_vector (with the endpoints), and
    image_feature_vector_with_bn_hparams, which takes batch_norm_momentum beside the images.
    """
    weights = imagenet_weights()
    builder = v1.saved_model.Builder(folder)
    for tags in ([], ["train"]):
        with tf.Graph().as_default(), v1.Session() as session:
            variables = {
                name: v1.get_variable(
                    name,
                    value.shape,
                    initializer=v1.zeros_initializer(),
                    trainable="/moving_" not in name,
                    use_resource=True,
                )
                for name, value in weights.items()
            }
            signatures = _tf1_signatures(variables, training=bool(tags))
            if tags:
                builder.add_meta_graph(tags, signatures, strip_default_attrs=True)
                continue
            # Fed, so that the weights stand in the checkpoint alone and not in the graph as well.
            session.run(
                v1.global_variables_initializer(),
                {v.initial_value: weights[name] for name, v in variables.items()},
            )
            builder.add_meta_graph_and_variables(
                session, tags, signatures, strip_default_attrs=True
            )
    builder.save()
    # What makes it a Hub module: a ModuleDef whose field 1, the format, is 3.
    (Path(folder) / "tfhub_module.pb").write_bytes(b"\x08\x03")


def _tf1_signatures(variables, training):
    """Builds the network in the current graph, fills the collections, returns the signatures."""
    images = v1.placeholder(IMAGES.dtype, IMAGES.shape, "images")
    momentum = v1.placeholder_with_default(MOMENTUM, [], "batch_norm_momentum")
    endpoints = network(
        images,
        variables,
        training,
        momentum,
        lambda v, value: v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign(v, value)),
    )
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, weight_decay(variables))

    def signature(inputs, outputs):
        inputs, outputs = (
            {key: v1.saved_model.build_tensor_info(tensor) for key, tensor in tensors.items()}
            for tensors in (inputs, outputs)
        )
        return v1.saved_model.build_signature_def(inputs, outputs, "image_feature_vector")

    hparams = {"images": images, "batch_norm_momentum": momentum}
    return {
        "default": signature({"images": images}, {"default": endpoints["default"]}),
        "image_feature_vector": signature({"images": images}, endpoints),
        "image_feature_vector_with_bn_hparams": signature(hparams, endpoints),
    }


def build(folder: str | Path, write: Callable[[str], None]) -> bool:
    """Builds one module with `write_tf1` or `write_tf2`, or leaves it where it is already.

    The folder appears whole or not at all; a build of another version is replaced.

    Returns:
      Whether it was built.

    Raises:
      BackboneError: the folder holds something that was not built here.
    """
    folder = Path(folder)
    stamp = folder / ".build"  # hidden: it is no part of the module's content hash
    if stamp.is_file() and stamp.read_text() == VERSION:
        return False
    if folder.exists() and not stamp.is_file():
        raise BackboneError(
            f"{folder}: is in the way and was not built by this command; move it or name another "
            "folder"
        )
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        write(str(partial))
        (partial / ".build").write_text(VERSION)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return True


def main(arguments: list[str]) -> None:
    """Builds both modules below the folder named first, by default `modules`; one line each."""
    tf.get_logger().setLevel("ERROR")  # TensorFlow calls the TF1 writer deprecated, at length
    parent = Path(arguments[0] if arguments else "modules")
    for name, form, write in (
        (TF2_FOLDER, TF2_FORMAT, write_tf2),
        (TF1_FOLDER, TF1_FORMAT, write_tf1),
    ):
        start = time.monotonic()
        built = build(parent / name, write)
        what = f"built in {time.monotonic() - start:.1f} s" if built else "is there already"
        print(f"{parent / name}: EfficientNet-Lite0, {form}, {what}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BackboneError as e:
        sys.exit(f"error: {e}")
