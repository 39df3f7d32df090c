"""TensorFlow Serving's REST interface, put to one model: JSON in, JSON out.

As https://www.tensorflow.org/tfx/serving/api_rest has it, for `predict`, status and metadata. What
a model does is asked through the messages that ServingCheck uses, too.
"""

import json
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import predict_pb2

from components.image_example_gen.pictures import MAX_PIXELS, Unusable, read_header
from components.serving_check.messages import (
    INPUT,
    answer,
    columns_of_response,
    rows_of_columns,
)
from pipeline.try_it.limits import Refused
from pipeline.try_it.model import Model
from pipeline.try_it.rest_request import read_request

MOST_PIXELS = 4 * MAX_PIXELS
"""Pixels of all pictures of a request together: decoded they are one gigabyte."""

_ANY_SIZE = 2**62


def status(model: Model) -> dict[str, Any]:
    """What GET /v1/models/NAME answers: the one version there is, and that it is ready."""
    ok = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [{"version": model.version, "state": "AVAILABLE", "status": ok}]
    }


def metadata(model: Model) -> dict[str, Any]:
    """What GET /v1/models/NAME/metadata answers: the signatures with types and shapes."""
    held = {name: _signature(it) for name, it in sorted(model.signature_defs.items())}
    return {
        "model_spec": {"name": model.name, "signature_name": "", "version": model.version},
        "metadata": {"signature_def": {"signature_def": held}},
    }


def predict(model: Model, body: bytes) -> dict[str, Any]:
    """What POST /v1/models/NAME:predict answers.

    A picture that cannot be read, or has more than MAX_PIXELS pixels, is marked in the output
    `error`, and the others are answered.

    Args:
      model: whom to ask.
      body: JSON, with `instances` (rows) or `inputs` (columns), and perhaps `signature_name`.

    Returns:
      {"predictions": one value or object an instance} or {"outputs": one value or object of
      columns}; the names are left out where there is one output.

    Raises:
      Refused: 400 where the body is not what the signature takes; 413 where its pictures have more
        than MOST_PIXELS pixels.
    """
    try:
        request, by_rows = read_request(json.loads(body), model)
        _defuse(request)
        response = answer(model.signatures[request.model_spec.signature_name], request)
    except RecursionError:
        raise Refused(400, "JSON Parse error: it is nested too deeply") from None
    except (ValueError, TypeError, OverflowError, tf.errors.InvalidArgumentError) as e:
        message = e.message if isinstance(e, tf.errors.OpError) else str(e)
        raise Refused(400, message) from None
    columns = columns_of_response(response)
    if by_rows:
        rows: list[Any] = rows_of_columns(columns)
        return {"predictions": [_alone(row) for row in rows]}
    return {"outputs": _alone(columns)}


def _defuse(request: predict_pb2.PredictRequest) -> None:
    """Empties what would unfold to more pixels than are taken: the model marks it as bad."""
    total = 0
    for name, tensor in request.inputs.items():
        for place, value in enumerate(tensor.string_val):
            pixels = _pixels(value if name == INPUT else _picture_of_example(value))
            if pixels > MAX_PIXELS:
                tensor.string_val[place] = b""
            else:
                total += pixels
    if total > MOST_PIXELS:
        raise Refused(
            413,
            f"the pictures have {total:,} pixels together, of at most {MOST_PIXELS:,}; send them "
            "in several requests",
        )


def _pixels(picture: bytes) -> int:
    try:
        return read_header(picture, _ANY_SIZE).pixels
    except Unusable:
        return 0  # The model decides, and its decoders have bounds of their own.


def _picture_of_example(serialized: bytes) -> bytes:
    try:
        values = tf.train.Example.FromString(serialized).features.feature["image"].bytes_list.value
    except Exception:  # no Example: the model says so
        return b""
    return values[0] if values else b""


def _alone(named: Mapping[str, Any]) -> Any:
    """The one value without its name; several as they are."""
    return next(iter(named.values())) if len(named) == 1 else dict(named)


def _signature(signature: Any) -> dict[str, Any]:
    return {
        "inputs": {name: _tensor(it) for name, it in sorted(signature.inputs.items())},
        "outputs": {name: _tensor(it) for name, it in sorted(signature.outputs.items())},
        "method_name": signature.method_name,
    }


def _tensor(info: Any) -> dict[str, Any]:
    shape = info.tensor_shape
    return {
        "dtype": types_pb2.DataType.Name(info.dtype),
        "tensor_shape": {
            "dim": [{"size": str(dim.size), "name": dim.name} for dim in shape.dim],
            "unknown_rank": shape.unknown_rank,
        },
        "name": info.name,
    }
