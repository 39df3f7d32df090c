"""docs/serving.md: its requests are sent as they stand, and its words are those of the code."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
import tiny_evaluator as tiny
import tiny_served
import yaml
from serving_stand_in import StandIn
from tensorflow_serving.apis import prediction_service_pb2_grpc

from components.serving_check import messages
from components.serving_check.probe import HUGE

GUIDE = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
PHOTO = tiny.picture(tiny.COLOURS["green"], 5, format="JPEG")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def block(language, word):
    (found,) = [each for each in blocks(language) if word in each]
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "1"
    tiny_served.save(tiny_served.Served(tiny_served.NAMES), folder)
    with StandIn(str(folder), "digits") as running:
        yield running


@pytest.fixture
def run(server, tmp_path):
    """Runs a piece of the guide beside the two files that it names; returns what it prints."""
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    (tmp_path / "notes.txt").write_text("no picture")

    def run(*command):
        *command, text = command
        assert "localhost:850" in text
        text = text.replace("localhost:8500", f"localhost:{server.grpc_port}")
        text = text.replace("localhost:8501", f"localhost:{server.rest_port}")
        done = subprocess.run(
            [*command, text], cwd=tmp_path, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_requests_by_curl_are_answered(run):
    printed = run("bash", "-ec", block("sh", "curl"))
    end = printed.index('{"predictions"')
    status, answer = json.loads(printed[:end]), json.loads(printed[end:])
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    (prediction,) = answer["predictions"]
    assert (prediction["label"], prediction["error"]) == ("green", "")
    assert set(prediction) == set(re.findall(r"^\| `(\w+)` \| (?:string|float)", GUIDE, re.M))


@pytest.mark.parametrize("word", ["urllib", "grpc"])
def test_the_requests_by_python_are_answered(run, word):
    lines = run(sys.executable, "-c", block("python", word)).splitlines()
    assert re.fullmatch(r"green 0\.\d{3}", lines[0])
    assert lines[1] == "cannot be decoded as a picture"


@pytest.fixture
def stub(server):
    with grpc.insecure_channel(f"localhost:{server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def test_a_request_may_be_larger_than_grpc_takes_by_default(stub):
    padded = PHOTO + bytes(2**20)
    request = messages.make_request([padded] * 5, "digits")
    assert request.ByteSize() > 4 * 2**20
    assert list(messages.read_response(stub.Predict(request))["label"]) == ["green"] * 5


def test_an_empty_batch_is_answered_by_grpc(stub):
    got = messages.read_response(stub.Predict(messages.make_request([], "digits")))
    assert got["probabilities"].shape == (0, 3)


@pytest.mark.parametrize(
    ("model", "input_", "code"),
    [
        ("cats", "image_bytes", grpc.StatusCode.NOT_FOUND),
        ("digits", "images", grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_a_wrong_request_is_refused(stub, model, input_, code):
    request = messages.make_request([], model)
    tensor = tf.make_tensor_proto([PHOTO])
    del request.inputs["image_bytes"]
    request.inputs[input_].CopyFrom(tensor)
    with pytest.raises(grpc.RpcError) as e:
        stub.Predict(request)
    assert e.value.code() is code


def test_the_limits_are_keys_of_the_configuration():
    from pipeline.config_gate import Serving

    (said,) = [yaml.safe_load(each)["serving"] for each in blocks("yaml")]
    assert set(said) == set(Serving.model_fields) - {"tolerance"}  # told in words
    Serving.model_validate(said)


def test_the_figures_are_those_of_the_code():
    assert f"answers {HUGE} pictures otherwise" in GUIDE
