"""Writes a network with its weights as a Hub module, in either format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1

IMAGES = tf.TensorSpec([None, None, None, 3], tf.float32, "images")


class Network(Protocol):
    """A network as a function of its variables, that runs in a TF1 graph and in TF2 alike."""

    def __call__(
        self,
        images: tf.Tensor,
        variables: Mapping[str, tf.Variable],
        training: bool,
        momentum: float | tf.Tensor,
        update: Callable[[tf.Variable, tf.Tensor], Any],
    ) -> dict[str, tf.Tensor]:
        """Computes the endpoints.

        Args:
          images: [N, h, w, 3] float32, RGB in [0, 1].
          variables: by the names of `Blueprint.weights`.
          training: batch norm by the batch's own moments, instead of the moving averages.
          momentum: decay of the moving averages, in (0, 1).
          update: (moving average, its new value) sets it; called in training only.

        Returns:
          The endpoints by name: "default" [N, D], the feature vector, and the inner ones.
        """


@dataclass(frozen=True)
class Blueprint:
    """All that makes a module, whatever its format.

    Attributes:
      weights: float32 arrays by name, such as "InceptionV3/conv2d_3/kernel".
      trainable: names of the weights that gradients move; the others are moving averages and the
        like.
      network: computes the endpoints.
      weight_decay: (variables by name) -> the regularization loss, a scalar.
      momentum: decay of the moving averages where a consumer gives none, in (0, 1).
    """

    weights: Mapping[str, np.ndarray]
    trainable: frozenset[str]
    network: Network
    weight_decay: Callable[[Mapping[str, tf.Variable]], tf.Tensor]
    momentum: float


def write_tf2(folder: str, module: Blueprint) -> None:
    """Writes the module as a TF2 SavedModel with the reusable interface.

    `__call__(images, training=False, batch_norm_momentum=…, return_endpoints=False)` gives the
    feature vector, or the dictionary of endpoints.
    """
    variables = {
        name: tf.Variable(value, trainable=name in module.trainable, name=name)
        for name, value in module.weights.items()
    }

    @tf.function
    def call(images, training=False, batch_norm_momentum=module.momentum, return_endpoints=False):
        endpoints = module.network(
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
    saved = tf.train.Checkpoint()
    saved.__call__ = call
    saved.variables = list(variables.values())
    saved.trainable_variables = [v for v in variables.values() if v.trainable]
    saved.regularization_losses = [tf.function(lambda: module.weight_decay(variables), [])]
    tf.saved_model.save(saved, folder)


def write_tf1(folder: str, module: Blueprint) -> None:
    """Writes the module in the TF1 Hub format: a graph for inference and one tagged "train".

    Signatures: default, image_feature_vector (with the endpoints), and
    image_feature_vector_with_bn_hparams, which takes batch_norm_momentum beside the images.
    """
    builder = v1.saved_model.Builder(folder)
    for tags in ([], ["train"]):
        with tf.Graph().as_default(), v1.Session() as session:
            variables = {
                name: v1.get_variable(
                    name,
                    value.shape,
                    initializer=v1.zeros_initializer(),
                    trainable=name in module.trainable,
                    use_resource=True,
                )
                for name, value in module.weights.items()
            }
            signatures = _tf1_signatures(module, variables, training=bool(tags))
            if tags:
                builder.add_meta_graph(tags, signatures, strip_default_attrs=True)
                continue
            # Fed, so that the weights stand in the checkpoint alone and not in the graph as well.
            session.run(
                v1.global_variables_initializer(),
                {v.initial_value: module.weights[name] for name, v in variables.items()},
            )
            builder.add_meta_graph_and_variables(
                session, tags, signatures, strip_default_attrs=True
            )
    builder.save()
    # What makes it a Hub module: a ModuleDef whose field 1, the format, is 3.
    (Path(folder) / "tfhub_module.pb").write_bytes(b"\x08\x03")


def _tf1_signatures(module, variables, training):
    """Builds the network in the current graph, fills the collections, returns the signatures."""
    images = v1.placeholder(IMAGES.dtype, IMAGES.shape, "images")
    momentum = v1.placeholder_with_default(module.momentum, [], "batch_norm_momentum")
    endpoints = module.network(
        images,
        variables,
        training,
        momentum,
        lambda v, value: v1.add_to_collection(v1.GraphKeys.UPDATE_OPS, v1.assign(v, value)),
    )
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, module.weight_decay(variables))

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
