"""Networks of `tf_keras.applications` and their weights: downloaded, from a file, or random."""

import contextlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
import tf_keras

from components.errors import BackboneError

# Keras's constants of the same names in its EfficientNet.
_IMAGENET_DEVIATIONS = [0.229, 0.224, 0.225]

_INITIALIZERS = {"kernel": "kernel_initializer", "depthwise_kernel": "depthwise_initializer"}


def keras_model(name: str, weights: str | None = None) -> tf_keras.Model:
    """The Keras model without classifier, for images of any size.

    Its layers are numbered from the start: state that Keras keeps for the process is cleared.
    """
    tf_keras.backend.clear_session()
    build = getattr(tf_keras.applications, name)
    return build(include_top=False, weights=weights, input_shape=(None, None, 3))


def short_name(weight: tf.Variable) -> str:
    """The last part of a Keras weight's name: "kernel" of "conv2d_3/kernel:0"."""
    return weight.name.split("/")[-1].split(":")[0]


def get_weights(model: tf_keras.Model, name: str, weights: str, seed: int) -> dict[str, np.ndarray]:
    """The weights of a network by name, such as InceptionV3/conv2d_3/kernel; float32.

    Args:
      model: the network, as `keras_model` builds it.
      name: of the network.
      weights, seed: as in `applications.blueprint`.

    Raises:
      BackboneError: the weights cannot be had, or are another network's.
    """
    if weights == "none":
        return _random(model, name, seed)
    if weights == "imagenet":
        return _corrected(_named(model, name, _downloaded(model, name)))
    return _corrected(_named(model, name, _read(model, name, weights)))


def _random(model: tf_keras.Model, name: str, seed: int) -> dict[str, np.ndarray]:
    """Kernels drawn as each layer says; all else at the values that Keras starts with."""
    values = []
    for layer in model.layers:
        own_seed = zlib.crc32(f"{seed}/{layer.name}".encode()) & 0x7FFFFFFF
        values.append([_initial(layer, weight, own_seed) for weight in layer.weights])
    return _named(model, name, values)


def _initial(layer: tf_keras.layers.Layer, weight: tf.Variable, seed: int) -> np.ndarray:
    if short_name(weight) not in _INITIALIZERS:
        return weight.numpy()
    initializer = getattr(layer, _INITIALIZERS[short_name(weight)])
    seeded = type(initializer).from_config({**initializer.get_config(), "seed": seed})
    return seeded(weight.shape).numpy()


def _named(model: tf_keras.Model, name: str, values: list[list[Any]]) -> dict[str, np.ndarray]:
    """By name, what is given by layers; counters, the only integers, are left out."""
    return {
        f"{name}/{layer.name}/{short_name(weight)}": np.asarray(value, np.float32)
        for layer, layer_values in zip(model.layers, values, strict=True)
        for weight, value in zip(layer.weights, layer_values, strict=True)
        if weight.dtype.is_floating
    }


def _corrected(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Squares the "variances" of EfficientNet's ImageNet weights, which are standard deviations.

    Keras divides by their roots and, for these weights alone, once more in an extra layer.
    """
    for name, value in weights.items():
        if name.endswith("/variance") and np.allclose(value, _IMAGENET_DEVIATIONS, atol=1e-3):
            weights[name] = value**2
    return weights


def _downloaded(model: tf_keras.Model, name: str) -> list[list[Any]]:
    try:
        trained = keras_model(name, "imagenet")
    except Exception as e:  # whatever the network, the proxy or a broken file makes of it
        said = next(iter(str(e).strip().splitlines()), type(e).__name__)
        raise BackboneError(
            f"weights of {name}: cannot be downloaded ({said}); bring the file by other means and "
            "give it with --weights FILE, or take --weights none"
        ) from e
    # By name: with these weights Keras adds a layer, which has none, to EfficientNet.
    return [trained.get_layer(layer.name).get_weights() for layer in model.layers]


def _read(model: tf_keras.Model, name: str, path: str) -> list[list[Any]]:
    """The weights in a file, by the model's layers."""
    try:
        with _open(path) as file:
            found = _by_class(model, file) or _in_order(model, file)
    except (OSError, KeyError, zipfile.BadZipFile) as e:
        raise BackboneError(
            f"weights {path}: cannot be read as Keras weights ({str(e).strip()}); give a file .h5 "
            "or .keras that Keras has saved"
        ) from None
    for layer, values in zip(model.layers, found, strict=True):
        expected, shapes = [tuple(w.shape) for w in layer.weights], [np.shape(v) for v in values]
        if shapes != expected:
            raise BackboneError(
                f"weights {path}: are not those of {name}, whose layer {layer.name} has "
                f"{expected} where the file has {shapes}; give weights of the same network"
            )
    return found


@contextlib.contextmanager
def _open(path: str) -> Iterator[h5py.Group]:
    """The HDF5 file, or the one within a .keras archive."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            source: Any = io.BytesIO(archive.read("model.weights.h5"))
    else:
        source = path
    with h5py.File(source, "r") as file:
        yield file.get("model_weights", file)


def _in_order(model: tf_keras.Model, file: h5py.Group) -> list[list[Any]]:
    """From a .h5 file: layers in the order of the network, named as the writer's process did."""
    names = [_text(name) for name in file.attrs["layer_names"]]
    groups = [file[name] for name in names if len(file[name].attrs["weight_names"])]
    stored = iter([[g[_text(n)][()] for n in g.attrs["weight_names"]] for g in groups])
    # A classifier comes last, and is left.
    return [next(stored, []) if layer.weights else [] for layer in model.layers]


def _by_class(model: tf_keras.Model, file: h5py.Group) -> list[list[Any]]:
    """From a .keras or .weights.h5 file: layers counted by class; [] where it is no such file."""
    layers = file.get("_layer_checkpoint_dependencies", file.get("layers"))
    if layers is None:
        return []
    counts: dict[str, int] = {}
    found: list[list[Any]] = []
    for layer in model.layers:
        kind = tf_keras.src.utils.generic_utils.to_snake_case(type(layer).__name__)
        number = counts[kind] = counts.get(kind, -1) + 1
        group = layers.get(f"{kind}_{number}/vars" if number else f"{kind}/vars", {})
        found.append([group[key][()] for key in sorted(group, key=int)])
    return found


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else name
