"""A whole run whose models go to a Kubeflow Model Registry."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "tests" / "kubeflow"), str(ROOT / "tests/components/registry_pusher")]

from model_registry_api import ModelRegistryApi  # noqa: E402

pytestmark = pytest.mark.slow


def test_a_run_registers_its_model_and_the_next_run_does_nothing_twice(tmp_path):
    with ModelRegistryApi() as server:
        server.token = "s3cret"
        (tmp_path / "token").write_text("s3cret\n")

        def run():
            settings = (
                "train.max_epochs=1",
                "evaluate.thresholds={accuracy: {at_least: 0.0}}",
                "push.registry=kubeflow",
                f"push.registry_uri={server.address}",
                f"push.registry_token_path={tmp_path / 'token'}",
                "push.model_name=digits of all",
            )
            command = [sys.executable, "-m", "pipeline", "run", "configs/digits.yaml"]
            command += ["--runs", str(tmp_path / "runs")]
            for setting in settings:
                command += ["--set", setting]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200)
            said = done.stdout + done.stderr
            assert done.returncode == 0, said
            assert "s3cret" not in said
            return json.loads((tmp_path / "runs" / "digits" / "summary.json").read_text())

        summary = run()
        registered = {"registry": "kubeflow", "name": "digits of all", "version": "1"}
        assert summary["blessed"] and summary["registered"] == registered
        assert summary["pushed"].endswith("/serving/1")
        (version,), (artifact,) = server.versions, server.artifacts
        assert (version["state"], artifact["uri"]) == ("LIVE", summary["pushed"])
        facts = version["customProperties"]
        assert facts["run_id"]["string_value"] == summary["run_id"]
        assert facts["metric_accuracy"]["double_value"] == summary["metrics"]["accuracy"]

        server.calls.clear()
        summary = run()
        assert {node["state"] for node in summary["nodes"]} == {"cached"}
        assert summary["registered"] == registered
        assert all(call.startswith("GET") for call in server.calls), server.calls

        version["state"] = "ARCHIVED"  # somebody's mistake
        assert run()["registered"] == registered
        assert version["state"] == "LIVE" and len(server.versions) == 1
        assert not server.offences
    assert "s3cret" not in (tmp_path / "runs" / "digits" / "summary.json").read_text()
