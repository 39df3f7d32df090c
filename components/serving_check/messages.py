"""Requests and responses of TensorFlow Serving, put to a model that is loaded in this process.

Besides numpy and TensorFlow it imports the messages of `tensorflow-serving-api` alone, which hold
nothing that a model could need. What a real server refuses is refused here: an input of another
name or type, an answer that JSON cannot hold.
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

INPUT, SIGNATURE = "image_bytes", "serving_default"

Outputs = dict[str, np.ndarray]


def make_request(pictures: Sequence[bytes], model: str = "model") -> predict_pb2.PredictRequest:
    """Returns what a client sends for N encoded pictures.

    Args:
      pictures: their bytes; N may be 0.
      model: the name under which the server has the model.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, SIGNATURE
    tensor = tf.make_tensor_proto(list(pictures), tf.string, [len(pictures)])
    request.inputs[INPUT].CopyFrom(tensor)
    return request


def answer(signature: Any, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
    """Returns what a server gives for a request.

    Args:
      signature: one of a loaded SavedModel's.
      request: a client's.

    Raises:
      ValueError: the inputs are not the signature's.
      tf.errors.OpError: the model fails on them.
    """
    wanted = {name: spec.dtype for name, spec in signature.structured_input_signature[1].items()}
    given = {name: tf.dtypes.as_dtype(tensor.dtype) for name, tensor in request.inputs.items()}
    if given != wanted:
        raise ValueError(f"the request holds {_said(given)}; the signature takes {_said(wanted)}")
    inputs = {name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()}
    response = predict_pb2.PredictResponse(model_spec=request.model_spec)
    for name, value in signature(**inputs).items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
    return response


def read_response(response: predict_pb2.PredictResponse) -> Outputs:
    """Returns the outputs by name, as a client decodes them; texts are numpy's own."""
    arrays = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
    return {name: _text(a) if a.dtype == object else a for name, a in arrays.items()}


def request_of_json(text: str) -> predict_pb2.PredictRequest:
    """Returns the request that a JSON body stands for, where each instance is one picture.

    An instance is {"b64": …}, or {"image_bytes": {"b64": …}}.

    Raises:
      ValueError: there is no instance, or one is neither of these. Like the server, it does not
        take an empty batch in JSON.
    """
    instances = json.loads(text).get("instances")
    if not instances:
        raise ValueError("no values in 'instances'")
    try:
        encoded = [each.get(INPUT, each)["b64"] for each in instances]
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"an instance is no {{'b64': …}}, nor one under {INPUT!r}") from None
    return make_request([base64.b64decode(each, validate=True) for each in encoded])


def json_of_response(response: predict_pb2.PredictResponse) -> str:
    """Returns the JSON body of a response: one object by output's name for each picture.

    Raises:
      ValueError: an output has no row for each picture, or holds what is no JSON: NaN, infinity, a
        text that is not UTF-8. A server would write these as they are, and clients stumble.
    """
    by_picture = rows_of_columns(columns_of_response(response))
    return json.dumps({"predictions": by_picture}, ensure_ascii=False, allow_nan=False)


def columns_of_response(response: predict_pb2.PredictResponse) -> dict[str, Any]:
    """Returns each output as JSON has it: numbers and texts in nested lists.

    Raises:
      ValueError: a text is not UTF-8, and its output's name does not end in `_bytes`, which stands
        for base64.
    """
    columns: dict[str, Any] = {}
    for name, tensor in response.outputs.items():
        array = tf.make_ndarray(tensor)
        if array.dtype == object and name.endswith("_bytes"):
            columns[name] = [{"b64": base64.b64encode(v).decode()} for v in array.flat]
        elif array.dtype == object:
            columns[name] = np.array([v.decode() for v in array.flat]).reshape(array.shape).tolist()
        else:
            columns[name] = array.tolist()
    return columns


def rows_of_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns one object by output's name for each picture.

    Raises:
      ValueError: an output has no row for each picture.
    """
    rows = {name: len(c) if isinstance(c, list) else None for name, c in columns.items()}
    if None in rows.values() or len(set(rows.values())) != 1:
        raise ValueError(f"the outputs have not one row a picture each, but {rows}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(array: np.ndarray) -> np.ndarray:
    """Strings as numpy's own text: arrays of objects would have to be pickled."""
    decoded = [v.decode(errors="backslashreplace") for v in array.flat]
    return np.array(decoded, dtype=np.str_).reshape(array.shape)


def _said(inputs: dict[str, tf.DType]) -> str:
    return ", ".join(f"{name} ({dtype.name})" for name, dtype in sorted(inputs.items())) or "none"
