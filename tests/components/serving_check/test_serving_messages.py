import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tiny_evaluator as tiny
import tiny_served
from tensorflow_serving.apis import predict_pb2

from components.serving_check import messages

PICTURES = [tiny.picture(tiny.COLOURS[name], i) for i, name in enumerate(tiny_served.NAMES)]
BAD = b"\xff\x00no picture\x00"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "model"
    return tf.saved_model.load(tiny_served.save(tiny_served.Served(tiny_served.NAMES), folder))


@pytest.fixture(scope="module")
def signature(model):
    return model.signatures["serving_default"]


def over_the_wire(message):
    return type(message).FromString(message.SerializeToString())


def test_a_request_and_its_response_survive_the_wire(signature):
    request = over_the_wire(messages.make_request([*PICTURES, BAD], "colours"))
    assert request.model_spec.name == "colours"
    assert list(tf.make_ndarray(request.inputs["image_bytes"])) == [*PICTURES, BAD]
    response = over_the_wire(messages.answer(signature, request))
    assert response.model_spec.signature_name == "serving_default"
    got = messages.read_response(response)
    assert list(got["label"]) == ["blue", "green", "red", ""]
    assert [bool(error) for error in got["error"]] == [False, False, False, True]
    assert got["probabilities"].dtype == np.float32
    np.testing.assert_array_equal(
        got["probabilities"], signature(tf.constant([*PICTURES, BAD]))["probabilities"]
    )


def test_an_empty_request_has_empty_outputs(signature):
    request = over_the_wire(messages.make_request([]))
    got = messages.read_response(over_the_wire(messages.answer(signature, request)))
    assert {name: value.shape for name, value in got.items()} == {
        "label": (0,), "score": (0,), "probabilities": (0, 3), "error": (0,)
    }  # fmt: skip


def request_of(name, value):
    request = predict_pb2.PredictRequest()
    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (request_of("images", [b"x"]), "holds images (string); the signature takes image_bytes"),
        (request_of("image_bytes", [1.0]), "holds image_bytes (float32)"),
        (predict_pb2.PredictRequest(), "holds none"),
    ],
)
def test_another_input_is_refused_as_a_server_does(signature, request_, said):
    with pytest.raises(ValueError) as e:
        messages.answer(signature, request_)
    assert said in str(e.value)


def b64(picture):
    return {"b64": base64.b64encode(picture).decode()}


@pytest.mark.parametrize("wrap", [b64, lambda p: {"image_bytes": b64(p)}])
def test_a_json_request_is_the_same_request(wrap):
    body = json.dumps({"instances": [wrap(p) for p in [*PICTURES, BAD]]})
    assert messages.request_of_json(body) == messages.make_request([*PICTURES, BAD])


@pytest.mark.parametrize("body", ['{"instances": []}', "{}", '{"instances": ["text"]}', "no"])
def test_a_json_request_without_pictures_is_refused(body):
    with pytest.raises(ValueError):
        messages.request_of_json(body)


def test_a_json_response_has_an_object_for_each_picture(signature):
    response = messages.answer(signature, messages.make_request([PICTURES[0], BAD]))
    good, bad = json.loads(messages.json_of_response(response))["predictions"]
    assert set(good) == {"label", "score", "probabilities", "error"}
    assert (good["label"], good["error"]) == ("blue", "")
    assert good["score"] == pytest.approx(max(good["probabilities"]))
    assert (bad["label"], bad["score"], bad["probabilities"]) == ("", 0.0, [0.0, 0.0, 0.0])


def response_of(**outputs):
    response = predict_pb2.PredictResponse()
    for name, value in outputs.items():
        response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
    return response


@pytest.mark.parametrize(
    "outputs",
    [
        {"score": [np.nan]},
        {"score": [np.inf]},
        {"label": [b"\xff"]},
        {"score": 1.0},
        {"score": [1.0], "label": ["a", "b"]},
    ],
)
def test_what_json_cannot_hold_is_refused(outputs):
    with pytest.raises(ValueError):
        messages.json_of_response(response_of(**outputs))


def test_bytes_by_name_are_written_as_base64():
    text = messages.json_of_response(response_of(thumb_bytes=[b"\xff"], label=["é"]))
    assert json.loads(text) == {"predictions": [{"thumb_bytes": b64(b"\xff"), "label": "é"}]}


@pytest.mark.slow
def test_messages_bring_nothing_that_a_model_could_need():
    code = (
        "import components.serving_check.messages, sys;"
        "print(sorted(m for m in sys.modules if m.startswith('components')),"
        "[m for m in ('tfx', 'apache_beam', 'tensorflow_hub') if m in sys.modules])"
    )
    root = Path(messages.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, env=os.environ
    )
    found = ["components", "components.serving_check", "components.serving_check.messages"]
    assert done.stdout.strip().splitlines()[-1] == f"{found} []", done.stderr
