"""The JSON body of a `predict` request to the message that it stands for.

What TensorFlow Serving refuses is refused here; it takes the same liberties with base64.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from components.serving_check.messages import SIGNATURE
from pipeline.try_it.model import Model


def read_request(asked: Any, model: Model) -> tuple[predict_pb2.PredictRequest, bool]:
    """The request that a JSON body stands for.

    Returns:
      The request, and whether it came by rows.

    Raises:
      ValueError: it is not what its signature takes.
    """
    if not isinstance(asked, dict):
        raise ValueError("the body is no JSON object")
    if ("instances" in asked) == ("inputs" in asked):
        raise ValueError("the body must have one of 'inputs' and 'instances', and not both")
    name = _signature_name(asked, model)
    specs = model.signatures[name].structured_input_signature[1]
    by_rows = "instances" in asked
    values = _by_rows(asked["instances"], specs) if by_rows else _columns(asked["inputs"], specs)
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model.name, name
    for key, value in values.items():
        request.inputs[key].CopyFrom(tensor_of_json(value, specs[key]))
    return request, by_rows


def tensor_of_json(value: Any, spec: tf.TensorSpec) -> Any:
    """A tensor's message of a JSON value: a number, a text, or lists of them, nested evenly.

    Args:
      value: the value; bytes are {"b64": TEXT}.
      spec: what the signature takes.

    Raises:
      ValueError: the lists are uneven or not of the shape, or a value is not of the type, or
        outside its range.
    """
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    flat: list[Any] = []
    try:
        # Neither the call of a signature nor the model would see to it.
        if not spec.shape.is_compatible_with(shape):
            raise ValueError(f"its shape is {shape}, and not {spec.shape}")
        _gather(value, shape, spec.dtype, flat)
        return tf.make_tensor_proto(_array(flat, spec.dtype).reshape(shape))
    except (ValueError, OverflowError) as e:
        raise ValueError(f"input '{spec.name}': {e}") from None


def _signature_name(asked: Mapping[str, Any], model: Model) -> str:
    name = asked.get("signature_name") or SIGNATURE
    if not isinstance(name, str):
        raise ValueError("'signature_name' is no text")
    if name not in model.signatures:
        known = ", ".join(sorted(model.signatures))
        raise ValueError(f'Serving signature name: "{name}" not found; the model has {known}')
    return name


def _by_rows(instances: Any, specs: Mapping[str, tf.TensorSpec]) -> dict[str, list[Any]]:
    """The columns of a list of instances."""
    if not isinstance(instances, list):
        raise ValueError("'instances' must be a list")
    if not instances:
        raise ValueError("no values in 'instances'")
    if not _is_named(instances[0]):
        if len(specs) > 1:
            raise ValueError(f"each instance must be an object with the inputs {_listed(specs)}")
        if any(map(_is_named, instances)):
            raise ValueError("'instances' has objects with inputs beside plain values")
        return {next(iter(specs)): instances}
    for number, each in enumerate(instances):
        if not _is_named(each) or set(each) != set(specs):
            raise ValueError(
                f"instance {number} must be an object with the inputs {_listed(specs)}"
            )
    return {name: [each[name] for each in instances] for name in specs}


def _columns(inputs: Any, specs: Mapping[str, tf.TensorSpec]) -> dict[str, Any]:
    if not _is_named(inputs):
        if len(specs) > 1:
            raise ValueError(f"'inputs' must be an object with {_listed(specs)}")
        return {next(iter(specs)): inputs}
    missing = [name for name in specs if name not in inputs]
    if missing:
        raise ValueError(f"'inputs' lacks {', '.join(missing)}; it takes {_listed(specs)}")
    return {name: inputs[name] for name in specs}


def _is_named(value: Any) -> bool:
    """Whether it is an object of inputs, and not one of base64."""
    return isinstance(value, dict) and not (set(value) == {"b64"} and isinstance(value["b64"], str))


def _listed(specs: Mapping[str, tf.TensorSpec]) -> str:
    return ", ".join(f"{name} ({spec.dtype.name})" for name, spec in sorted(specs.items()))


def _gather(value: Any, shape: list[int], dtype: tf.DType, flat: list[Any]) -> None:
    """Appends the values in lists of this shape."""
    if isinstance(value, list) != bool(shape) or (shape and len(value) != shape[0]):
        raise ValueError("its lists are not nested evenly")
    if shape:
        for each in value:
            _gather(each, shape[1:], dtype, flat)
    elif dtype == tf.string:
        flat.append(_bytes(value))
    else:
        wanted = (int, float) if dtype.is_floating else bool if dtype.is_bool else int
        if not isinstance(value, wanted) or isinstance(value, bool) != dtype.is_bool:
            raise ValueError(f"{json.dumps(value)[:40]} is no {dtype.name}")
        flat.append(value)


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if not isinstance(value, dict) or _is_named(value):
        raise ValueError(f"{json.dumps(value)[:40]} is neither a text nor {{'b64': …}}")
    text = "".join(value["b64"].split())
    try:  # The server does without padding, too.
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as e:
        raise ValueError(f"the base64 cannot be decoded ({e})") from None


def _array(flat: list[Any], dtype: tf.DType) -> np.ndarray:
    """The values as an array of the type, where it can hold them."""
    if dtype == tf.string:
        return np.array(flat, object)
    if dtype.is_integer and flat and not dtype.min <= min(flat) <= max(flat) <= dtype.max:
        raise ValueError(f"a number is outside of {dtype.name}")
    if not dtype.is_floating:
        return np.array(flat, dtype.as_numpy_dtype)
    exact = np.array(flat, np.float64)
    with np.errstate(over="ignore"):
        array = exact.astype(dtype.as_numpy_dtype)
    if (np.isinf(array) & np.isfinite(exact)).any():
        raise ValueError(f"a number is outside of {dtype.name}")
    return array
