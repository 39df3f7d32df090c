"""What sits on the backbone: the classifier, and the auxiliary classifier of Inception."""

from typing import Any

import tensorflow as tf
import tf_keras

# slim, research/slim/nets/inception_v3.py and inception_utils.py
_BATCH_NORM_DECAY = 0.9997
_BATCH_NORM_EPSILON = 1e-3


class Head(tf.Module):
    """One dense layer from the feature vector to the classes.

    It starts near zero, so that the first steps of a fine-tuning do not shake the backbone.
    """

    def __init__(self, features: int, classes: int, seed: int):
        """Args:
        features: length of the feature vector.
        classes: number of classes.
        seed: of the initial weights.
        """
        super().__init__()
        initial = tf.random.stateless_truncated_normal([features, classes], [seed, 0], stddev=0.01)
        self.kernel = tf.Variable(initial, name="kernel")
        self.bias = tf.Variable(tf.zeros([classes]), name="bias")

    def __call__(self, features: tf.Tensor) -> tf.Tensor:
        """Features float32 [N, D] -> logits float32 [N, classes]."""
        return tf.linalg.matmul(features, self.kernel) + self.bias


class AuxiliaryHead(tf.Module):
    """A second classifier on an inner endpoint, for training only.

    Average pool 5x5, stride 3 -> 1x1 convolution to 128 -> k x k convolution to 768, k the
    smaller of 5 and what the pool left -> 1x1 convolution to the classes. The first two have
    batch norm (without scale) and ReLU; nothing is padded. It is never run in inference mode.

    Source: slim's inception_v3, `AuxLogits`. One thing more than slim: where more than one
    position is left before the classes (large images), their mean is taken; slim fails there.
    """

    SMALLEST_SIDE = 5
    """Height and width in positions below which the pool has no place to stand."""

    def __init__(self, endpoint: tuple[int, ...], classes: int, seed: int):
        """Args:
        endpoint: height, width and channels of the inner output; the first two at least 5.
        classes: number of classes.
        seed: of the initial weights.
        """
        super().__init__()
        layers = tf_keras.layers
        spread = tf_keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal", seed)
        pooled = [(side - 5) // 3 + 1 for side in endpoint[:2]]
        kernel = [min(5, side) for side in pooled]
        self._layers = [
            layers.AveragePooling2D(5, 3, "valid"),
            layers.Conv2D(128, 1, use_bias=False, kernel_initializer=spread),
            _batch_norm(),
            layers.ReLU(),
            layers.Conv2D(768, kernel, use_bias=False, kernel_initializer=_normal(0.01, seed)),
            _batch_norm(),
            layers.ReLU(),
            layers.Conv2D(classes, 1, kernel_initializer=_normal(0.001, seed)),
        ]
        shape = tf.TensorShape([None, *endpoint])
        for layer in self._layers:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def __call__(self, endpoint: tf.Tensor) -> tf.Tensor:
        """Endpoint float32 [N, H, W, C] -> logits float32 [N, classes], in training mode."""
        x = endpoint
        for layer in self._layers:
            batch_norm = isinstance(layer, tf_keras.layers.BatchNormalization)
            x = layer(x, training=True) if batch_norm else layer(x)
        return tf.reduce_mean(x, [1, 2])


def squared_norm(head: Any) -> tf.Tensor:
    """Half the sum of a head's squared kernels: what is trained and is no vector.

    Biases and batch norm do not count, as in slim.
    """
    kernels = [v for v in head.trainable_variables if v.shape.rank > 1]
    return tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels]) if kernels else tf.zeros([])


def _batch_norm() -> tf_keras.layers.BatchNormalization:
    return tf_keras.layers.BatchNormalization(
        momentum=_BATCH_NORM_DECAY, epsilon=_BATCH_NORM_EPSILON, scale=False
    )


def _normal(stddev: float, seed: int) -> tf_keras.initializers.Initializer:
    return tf_keras.initializers.TruncatedNormal(stddev=stddev, seed=seed)
