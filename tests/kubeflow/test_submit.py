"""`graft submit`: one run, with its pipeline uploaded once, and followed to its end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli import main

FOLLOW = ("--wait", "--every", "0.01")


def test_submit_uploads_the_pipeline_and_starts_a_run_of_it(api, graft, config):
    code, printed = graft("submit", config, "--name", "first")
    assert code == 0, printed
    (run,), (pipeline,), (version,) = api.runs, api.pipelines, api.versions
    assert (run["display_name"], pipeline["display_name"]) == ("first", "digits")
    assert run["pipeline_version_reference"] == {
        "pipeline_id": pipeline["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert run["experiment_id"] == api.experiments[0]["experiment_id"]
    assert f"{api.address}/#/runs/details/{run['run_id']}" in printed


def test_the_same_content_is_uploaded_once_and_other_content_beside_it(api, graft, config):
    for image in ("graft:1", "graft:1", "graft:2"):
        assert graft("submit", config, "--set", f"kubeflow.image={image}")[0] == 0
    assert (len(api.runs), len(api.pipelines), len(api.versions)) == (3, 1, 2)
    assert len({version["display_name"] for version in api.versions}) == 2


def test_versions_are_found_beyond_the_first_page(api, graft, config):
    api.page_limit = 1
    for image in ("graft:1", "graft:2", "graft:3", "graft:2"):
        assert graft("submit", config, "--set", f"kubeflow.image={image}")[0] == 0
    assert len(api.versions) == 3


@pytest.mark.parametrize("call", ["GET pipelines", "GET pipelines/ID/versions", "GET experiments"])
def test_what_somebody_made_since_it_was_looked_for_is_used(api, graft, config, call):
    assert graft("submit", config)[0] == 0
    api.fail(call, "blind")
    code, printed = graft("submit", config)
    assert code == 0, printed
    assert len(api.pipelines) == len(api.versions) == len(api.experiments) == 1


def test_a_conflict_without_a_cause_is_shown(api, graft, config):
    api.fail("POST pipelines/upload_version", 409)
    code, printed = graft("submit", config)
    assert code == 2 and "answered 409 Conflict: told to fail with 409" in printed


def test_parameters_are_given_by_name_and_the_others_stay(api, graft, config):
    params = ("--param", "max_epochs=2", "--param", "data_source=/mnt/2026-01-01")
    assert graft("submit", config, *params)[0] == 0
    given = api.runs[0]["runtime_config"]["parameters"]
    assert {name for name, value in given.items() if value} == {
        *("config", "max_epochs", "data_source")
    }
    assert given["max_epochs"] == "2" and given["data_source"] == "/mnt/2026-01-01"
    assert given["config"] == Path(config).read_text()


@pytest.mark.parametrize(
    ("param", "said"),
    [
        ("max_epoch=2", "there is no such parameter; did you mean 'max_epochs'?"),
        ("max_epochs=many", "train.max_epochs: "),
        ("max_epochs=0", "train.max_epochs: "),
        ("max_epochs=[", "the value is not valid YAML"),
        ("learning_rate=1e-3,1e-4,1e-5", "there are 2 phases; give as many rates"),
        ("max_epochs", "write name=value"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_before_any_call(api, graft, config, param, said):
    code, printed = graft("submit", config, "--param", param)
    assert code == 2 and said in printed
    assert api.calls == []


def test_the_service_account_is_the_configurations(api, graft, config):
    graft("submit", config, "--set", "kubeflow.service_account=trainer")
    assert api.runs[0]["service_account"] == "trainer"


def test_wait_follows_a_run_to_success(api, graft, config):
    api.run_goes(
        "PENDING",
        ("RUNNING", {"root": "RUNNING", "trainer-driver": "SUCCEEDED", "trainer": "RUNNING"}, None),
        ("RUNNING", {"root": "RUNNING", "trainer-driver": "SUCCEEDED", "trainer": "RUNNING"}, None),
        ("SUCCEEDED", {"root": "SUCCEEDED", "trainer": "SUCCEEDED"}, None),
    )
    code, printed = graft("submit", config, *FOLLOW)
    assert code == 0, printed
    assert printed.splitlines()[1:] == [
        "run: pending",
        "trainer: running",
        "run: running",
        "trainer: succeeded",
        "run: succeeded",
    ]


@pytest.mark.parametrize("end", ["FAILED", "CANCELED", "SKIPPED"])
def test_wait_ends_with_1_unless_the_run_succeeds(api, graft, config, end):
    api.run_goes("RUNNING", "PAUSED", "CANCELING", (end, {"trainer": end}, "out of memory"))
    code, printed = graft("submit", config, *FOLLOW)
    assert code == 1
    assert printed.endswith(f"run: {end.lower()}\nout of memory\n")


def test_a_run_that_claims_success_over_a_failed_task_is_none(api, graft, config):
    # As servers before release 2.5 do where a run has an exit task.
    api.run_goes("RUNNING", ("SUCCEEDED", {"trainer": "FAILED", "report": "SUCCEEDED"}, None))
    assert graft("submit", config, *FOLLOW)[0] == 1


def test_wait_bears_with_a_server_that_is_away_for_a_while(api, graft, config):
    api.run_goes("RUNNING", "SUCCEEDED")
    api.fail("GET runs/ID", 503, times=3)
    assert graft("submit", config, *FOLLOW)[0] == 0


@pytest.mark.parametrize(("status", "looks"), [(503, 10), (401, 1), (404, 1)])
def test_wait_gives_up_and_says_that_the_run_goes_on(api, graft, config, status, looks):
    api.fail("GET runs/ID", status, times=100)
    code, printed = graft("submit", config, *FOLLOW)
    assert code == 2 and api.called("GET runs/ID") == looks
    assert f"run {api.runs[0]['run_id']} is no longer watched, and goes on: " in printed


def test_an_interrupted_wait_leaves_the_run_alone_and_says_so(api, config):
    api.run_goes("RUNNING")
    command = [sys.executable, "-m", "pipeline", "submit", config, "--host", api.address, *FOLLOW]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}

    def heed_interrupts():  # which a shell's background job, and all that it starts, passes over
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=heed_interrupts,
        **streams,
    ) as graft:
        while "run: running" not in graft.stdout.readline():
            assert graft.poll() is None, graft.stderr.read()
        graft.send_signal(signal.SIGINT)
        said = graft.stderr.read()
    assert graft.returncode == 130
    assert f"run {api.runs[0]['run_id']} goes on: {api.address}" in said
    assert "Traceback" not in said and set(api.calls) <= {
        *("GET healthz", "GET pipelines", "POST pipelines", "GET pipelines/ID/versions"),
        *("POST pipelines/upload_version", "GET experiments", "POST experiments"),
        *("POST runs", "GET runs/ID"),
    }


def test_submit_gives_json_and_nothing_else(api, graft, config):
    answer = json.loads(graft("submit", config, "--json")[1])
    assert answer["run_id"] == api.runs[0]["run_id"]
    assert answer["parameters"]["config"] == Path(config).read_text()
    assert answer["parameters"]["max_epochs"] == ""
    api.run_goes("RUNNING", ("FAILED", {"trainer": "FAILED"}, "out of memory"))
    code, printed = graft("submit", config, "--json", *FOLLOW)
    answer = json.loads(printed)
    assert code == 1 and answer["state"] == "FAILED" and answer["error"] == "out of memory"
    assert answer["tasks"] == {"trainer": "FAILED"}


def test_help_does_not_pay_for_kubeflow():
    program = (
        "import sys; from click.testing import CliRunner; from pipeline.cli import main\n"
        "for words in (['--help'], ['submit', '--help'], ['schedule', 'create', '--help']):\n"
        "    assert CliRunner().invoke(main, words).exit_code == 0\n"
        "assert not {'kfp', 'kfp_server_api', 'kubernetes', 'croniter'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert {"submit", "schedule"} <= set(main.commands)
