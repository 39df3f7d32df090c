"""The tests' own server refuses, and remembers, what is off the published contract."""

import json
import urllib.error
import urllib.request

import pytest
from kubeflow_api import KubeflowApi

RECURRING = {
    "display_name": "nightly",
    "mode": "ENABLE",
    "max_concurrency": 1,
    "trigger": {"cron_schedule": {"cron": "0 0 3 * * *"}},
}


@pytest.fixture
def ask():
    """ask(call, body) -> status and answer, of a server whose offences are no failure."""
    with KubeflowApi() as api:

        def ask(call, body=None):
            method, path = call.split(" ", 1)
            data = json.dumps(body).encode() if body is not None else None
            url = f"{api.address}/apis/v2beta1/{path}"
            request = urllib.request.Request(url, data, method=method)
            try:
                with urllib.request.urlopen(request) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as e:
                return e.code, json.load(e)

        ask.api = api
        yield ask


@pytest.mark.parametrize(
    ("call", "body", "said"),
    [
        ("GET jobs", None, "no such call"),
        ("PUT recurringruns", RECURRING, "no such call"),
        ("GET recurringruns?size=3", None, "takes no parameter size"),
        ("GET recurringruns?page_size=many", None, "page_size: is to be a whole number"),
        ("GET recurringruns?page_token=bla", None, "Invalid page token"),
        ("GET recurringruns?filter={", None, "Expecting"),
        ('GET recurringruns?filter={"name":"x"}', None, "Filter: has no field name"),
        (
            'GET pipelines?filter={"predicates":[{"operation":4}]}',
            None,
            "is to be one of OPERATION",
        ),
        ("POST experiments", {}, "Experiment.display_name: is required"),
        ("POST experiments", {"display_name": 7}, "is to be of kind text"),
        ("POST pipelines", {"title": "x"}, "Pipeline: has no field title"),
        ("POST pipelines/upload_version", {}, "is no form with a file"),
        ("POST recurringruns", {**RECURRING, "mode": "ON"}, "is to be one of MODE_UNSPECIFIED"),
        ("POST recurringruns", {**RECURRING, "max_concurrency": "two"}, "a whole number"),
        ("POST recurringruns", {**RECURRING, "no_catchup": "true"}, "is to be of kind bool"),
        ("POST recurringruns", {**RECURRING, "trigger": None}, "trigger: is required"),
        (
            "POST recurringruns",
            {**RECURRING, "trigger": {"cron_schedule": {}, "periodic_schedule": {}}},
            "takes one of cron_schedule, periodic_schedule",
        ),
        ("POST runs", {"display_name": "x", "runtime_config": {"params": {}}}, "no field params"),
    ],
)
def test_what_is_off_the_contract_is_refused_and_remembered(ask, call, body, said):
    status, answer = ask(call.replace("{", "%7B").replace('"', "%22").replace("}", "%7D"), body)
    assert status == 400
    assert said in (answer.get("message") or answer["error_message"])
    assert len(ask.api.offences) == 1 and said in ask.api.offences[0]


@pytest.mark.parametrize(
    "body",
    [
        RECURRING,
        {**RECURRING, "max_concurrency": "1"},
        {**RECURRING, "mode": 1},
        {
            "displayName": "nightly",
            "maxConcurrency": 1.0,
            "mode": "DISABLE",
            "trigger": {"periodicSchedule": {"intervalSecond": "60"}},
            "description": None,
        },
    ],
)
def test_what_protobufs_json_takes_is_taken(ask, body):
    # It goes as far as the experiment, which is not there.
    assert ask("POST recurringruns", body)[0] == 404
    assert ask.api.offences == []


def test_numbers_of_64_bits_are_answered_as_texts(ask):
    ask("POST experiments", {"display_name": "digits"})
    ask("POST pipelines", {"display_name": "digits"})
    spec = {"root": {}, "pipelineInfo": {}, "schemaVersion": "2.1.0"}
    pipeline_id = ask.api.pipelines[0]["pipeline_id"]
    fields = {"display_name": "1", "pipeline_id": pipeline_id, "pipeline_spec": spec}
    version = ask.api._new("pipeline_version", ask.api.versions, fields)
    reference = {k: version[k] for k in ("pipeline_id", "pipeline_version_id")}
    experiment = ask.api.experiments[0]["experiment_id"]
    body = {**RECURRING, "experiment_id": experiment, "pipeline_version_reference": reference}
    status, answer = ask("POST recurringruns", body)
    assert status == 200 and answer["max_concurrency"] == "1" and answer["status"] == "ENABLED"


def test_a_name_that_is_taken_and_an_id_that_is_not_there_are_said(ask):
    assert ask("POST experiments", {"display_name": "digits"})[0] == 200
    assert ask("POST experiments", {"display_name": "digits"})[0] == 409
    status, answer = ask("GET runs/01234567-0123-0123-0123-0123456789ab")
    assert status == 404 and answer["code"] == 5
    assert ask.api.offences == []
