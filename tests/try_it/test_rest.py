"""TensorFlow Serving's REST interface, as its page has it: real HTTP against a real model."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
import tensorflow as tf
from tried import LABELS, bomb, picture

ROOT = Path(__file__).parents[2]
PICTURE = picture()
PREDICT = "/v1/models/fruit:predict"


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def example(image):
    feature = {"image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image]))}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture
def ask(server):
    """Asks for a prediction; returns the body of a good answer."""

    def ask(body, path=PREDICT):
        response = requests.post(server + path, json=body)
        assert response.status_code == 200, response.text
        return response.json()

    return ask


@pytest.fixture
def refusal(server):
    """Status and message of a refused request."""

    def refusal(body, path=PREDICT):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = requests.post(server + path, data=data)
        assert list(response.json()) == ["error"]
        return response.status_code, response.json()["error"]

    return refusal


@pytest.fixture
def expected(model):
    said = model.signatures["serving_default"](image_bytes=tf.constant([PICTURE]))
    return said["probabilities"][0].numpy()


@pytest.mark.parametrize("path", ["/v1/models/fruit", "/v1/models/fruit/versions/7"])
def test_the_status_is_that_of_the_one_version(server, path):
    status = {"error_code": "OK", "error_message": ""}
    state = {"version": "7", "state": "AVAILABLE", "status": status}
    assert requests.get(server + path).json() == {"model_version_status": [state]}


@pytest.mark.parametrize("path", ["/v1/models/fruit", "/v1/models/fruit/versions/7"])
def test_the_metadata_has_the_signatures_with_types_and_shapes(server, path):
    told = requests.get(f"{server}{path}/metadata").json()
    assert told["model_spec"] == {"name": "fruit", "signature_name": "", "version": "7"}
    signatures = told["metadata"]["signature_def"]["signature_def"]
    images = signatures["serving_images"]["inputs"]["images"]
    assert images["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in images["tensor_shape"]["dim"]] == ["-1", "24", "24", "3"]
    assert images["tensor_shape"]["unknown_rank"] is False
    default = signatures["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["image_bytes"]["dtype"] == "DT_STRING"
    assert set(default["outputs"]) == {"label", "score", "probabilities", "error"}


@pytest.mark.parametrize("path", [PREDICT, "/v1/models/fruit/versions/7:predict"])
@pytest.mark.parametrize("named", [False, True])
def test_rows_are_answered_by_rows(ask, expected, path, named):
    instance = {"image_bytes": b64(PICTURE)} if named else b64(PICTURE)
    answer = ask({"instances": [instance, instance]}, path)
    assert list(answer) == ["predictions"] and len(answer["predictions"]) == 2
    for row in answer["predictions"]:
        assert row["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)
        assert row["score"] == pytest.approx(expected.max(), abs=1e-6)
        assert (row["label"], row["error"]) == (LABELS[expected.argmax()], "")


@pytest.mark.parametrize("named", [False, True])
def test_columns_are_answered_by_columns(ask, expected, named):
    column = [b64(PICTURE)] * 2
    answer = ask({"inputs": {"image_bytes": column} if named else column})
    assert list(answer) == ["outputs"]
    outputs = answer["outputs"]
    np.testing.assert_allclose(outputs["probabilities"], [expected] * 2, atol=1e-6)
    assert outputs["label"] == [LABELS[expected.argmax()]] * 2 and outputs["error"] == ["", ""]


def test_a_bad_picture_is_marked_and_leaves_the_others_alone(ask, expected):
    bad = [b"no picture", b"", bomb(), PICTURE[:300]]
    rows = ask({"instances": [b64(each) for each in [PICTURE, *bad]]})["predictions"]
    assert rows[0]["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)
    for row in rows[1:]:
        assert (row["label"], row["score"]) == ("", 0)
        assert row["error"] == "cannot be decoded as a picture"


def test_examples_are_answered_with_the_names_of_all_classes(ask, expected):
    examples = [b64(example(PICTURE)), b64(b"none"), b64(example(bomb()))]
    body = {"signature_name": "serving_examples", "instances": examples}
    good, none, large = ask(body)["predictions"]
    assert good["all_classes"] == LABELS and good["error"] == ""
    assert good["probabilities"] == pytest.approx(expected.tolist(), abs=1e-6)
    assert "is no Example" in none["error"] and large["error"]


def test_numbers_are_taken_and_a_single_output_goes_without_its_name(ask, model):
    images = np.random.default_rng(0).random((2, 24, 24, 3), np.float32)
    said = model.signatures["serving_images"](images=tf.constant(images))["probabilities"].numpy()
    body = {"signature_name": "serving_images"}
    rows = ask(body | {"instances": images.tolist()})["predictions"]
    columns = ask(body | {"inputs": {"images": images.tolist()}})["outputs"]
    np.testing.assert_allclose(rows, said, atol=1e-6)
    np.testing.assert_allclose(columns, said, atol=1e-6)


def test_an_empty_batch_is_refused_by_rows_and_answered_by_columns(ask, refusal):
    assert refusal({"instances": []}) == (400, "no values in 'instances'")
    assert ask({"inputs": []})["outputs"]["label"] == []


def test_base64_may_be_broken_into_lines_and_go_without_padding(ask, expected):
    text = base64.encodebytes(PICTURE + b"\0").decode().rstrip("=\n")
    assert "\n" in text and len(text.replace("\n", "")) % 4
    (row,) = ask({"instances": [{"b64": text}]})["predictions"]
    assert row["score"] == pytest.approx(expected.max(), abs=1e-6)


def image(value):
    """A prepared picture as a JSON list, all of one value."""
    return [[[[value] * 3] * 24] * 24]


IMAGES = {"signature_name": "serving_images"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe\xfd", "decode"),
        (b"[" * 100_000, "nested too deeply"),
        ([], "the body is no JSON object"),
        ({}, "one of 'inputs' and 'instances'"),
        ({"instances": [b64(PICTURE)], "inputs": [b64(PICTURE)]}, "and not both"),
        ({"instances": 1}, "'instances' must be a list"),
        ({"instances": [{"b64": "%%%"}]}, "the base64 cannot be decoded"),
        ({"instances": [{"b64": "A"}]}, "the base64 cannot be decoded"),
        ({"instances": [{"b64": 1}]}, "must be an object with the inputs image_bytes (string)"),
        ({"instances": [{"image": b64(PICTURE)}]}, "must be an object with the inputs image_bytes"),
        ({"instances": [b64(PICTURE), {"image_bytes": b64(PICTURE)}]}, "beside plain values"),
        ({"instances": [1]}, "1 is neither a text nor"),
        ({"instances": ["\ud800"]}, "surrogates not allowed"),
        ({"instances": [[b64(PICTURE)]]}, "'image_bytes': its shape is [1, 1], and not (None,)"),
        ({"inputs": {"image": []}}, "'inputs' lacks image_bytes"),
        ({"inputs": b64(PICTURE)}, "its shape is [], and not (None,)"),
        ({"signature_name": 1, "instances": ["x"]}, "'signature_name' is no text"),
        ({"signature_name": "x", "instances": ["x"]}, 'Serving signature name: "x" not found'),
        (
            IMAGES | {"instances": [[[[0] * 3] * 24] * 24, [[[0] * 3] * 24] * 23]},
            "its lists are not nested evenly",
        ),
        (IMAGES | {"instances": [*image(0), 2]}, "not nested evenly"),
        (IMAGES | {"instances": image("1")}, '"1" is no float32'),
        (IMAGES | {"instances": image(True)}, "true is no float32"),
        (IMAGES | {"instances": image(1e300)}, "a number is outside of float32"),
        (IMAGES | {"instances": image(10**400)}, "int too large"),
        (IMAGES | {"instances": [[[[0, 0, 0]]]]}, "its shape is [1, 1, 1, 3]"),
    ],
)
def test_a_request_that_the_signature_does_not_take_says_why(refusal, body, message):
    status, said = refusal(body)
    assert status == 400 and message in said, said
    assert "Traceback" not in said and len(said) < 1000


def test_pictures_of_too_many_pixels_together_are_refused(refusal):
    nearly = bomb(9_000, 9_000)
    status, said = refusal({"instances": [b64(nearly)] * 5})
    assert status == 413 and "405,000,000 pixels together" in said


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/cats",
        "/v1/models/cats:predict",
        "/v1/models/fruit/versions/8",
        "/v1/models/fruit/versions/8:predict",
        "/v1/models/fruit/labels/canary",
        "/v1/models",
        "/nothing",
    ],
)
def test_another_model_or_version_is_not_found(server, path):
    ask = requests.post if path.endswith("predict") else requests.get
    response = ask(server + path, data=b"{}" if path.endswith("predict") else None)
    assert response.status_code == 404
    assert "served is /v1/models/fruit, version 7" in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PREDICT, {"POST"}),
        ("GET", "/classify", {"POST"}),
        ("PUT", PREDICT, {"POST"}),
        ("POST", "/v1/models/fruit", {"GET", "HEAD"}),
        ("DELETE", "/", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_answered_with_the_right_ones(server, method, path, allowed):
    response = requests.request(method, server + path)
    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == allowed
    assert path in response.json()["error"]


@pytest.mark.parametrize("method", ["classify", "regress"])
def test_what_no_signature_is_made_for_is_refused(refusal, method):
    status, said = refusal({"examples": [{}]}, f"/v1/models/fruit:{method}")
    assert status == 400 and f"made for {method}; use :predict" in said


def test_head_is_get_without_the_body(server):
    for path in ("/", "/healthz", "/v1/models/fruit"):
        head, get = requests.head(server + path), requests.get(server + path)
        assert head.status_code == 200 and not head.content
        assert head.headers["content-length"] == get.headers["content-length"]


def test_the_requests_of_the_guide_go_there_as_they_are(server, tmp_path):
    guide = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", guide, re.S) if "urllib" in each]
    code = code.replace("http://localhost:8501", server).replace("models/digits", "models/fruit")
    (tmp_path / "photo.jpg").write_bytes(picture("JPEG"))
    (tmp_path / "notes.txt").write_text("no picture")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=tmp_path)
    photo, notes = done.stdout.decode().splitlines()
    assert photo.rsplit(" ", 1)[0] in LABELS and notes == "cannot be decoded as a picture"
