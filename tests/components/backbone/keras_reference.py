"""Plain Keras models to compare our networks with: they share no code that computes."""

import numpy as np
import tf_keras

from components.backbone.architectures import ARCHITECTURES


def keras_network(name, weights=None, momentum=None):
    """A Keras model with random weights, batch norm's too: the ones and zeros that Keras starts
    with would hide what is mixed up. Nothing is dropped in training."""
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(1)
    build = getattr(tf_keras.applications, name)
    model = build(include_top=False, weights=weights, input_shape=(None, None, 3))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if weights is None:
            layer.set_weights([w if w.ndim != 1 else _near(w, rng) for w in layer.get_weights()])
        if isinstance(layer, tf_keras.layers.Dropout):
            layer.rate = 0.0
        if isinstance(layer, tf_keras.layers.BatchNormalization) and momentum:
            layer.momentum = momentum
    return model


def with_endpoints(model, name):
    """The model with all endpoints, and the feature vector, as outputs by name."""
    endpoints = {e: model.get_layer(x).output for e, x in ARCHITECTURES[name].endpoints.items()}
    mean = tf_keras.layers.GlobalAveragePooling2D(keepdims=True)(model.output)
    if ARCHITECTURES[name].global_pool:
        endpoints[ARCHITECTURES[name].global_pool] = mean
    endpoints["default"] = tf_keras.layers.Flatten()(mean)
    return tf_keras.Model(model.input, endpoints)


def in_range(images, name):
    """Images in [0, 1] as Keras wants them."""
    low, high = ARCHITECTURES[name].input_range
    return images * (high - low) + low


def by_name(model, name):
    """The model's variables under the names that they have in a module."""
    return {
        f"{name}/{layer.name}/{weight.name.split('/')[-1].removesuffix(':0')}": weight
        for layer in model.layers
        for weight in layer.weights
        if weight.dtype.is_floating
    }


def distance(ours, theirs):
    """Relative L2 distance of two arrays."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-12)


def _near(values, rng):
    noise = 0.1 * rng.standard_normal(values.shape)
    return (values + (np.abs(noise) if np.all(values == 1) else noise)).astype(np.float32)
