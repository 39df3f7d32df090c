"""A whole run whose models go to a Kubeflow Model Registry."""

import json
import subprocess
import sys

import numpy as np
import pytest
from model_registry_api import ModelRegistryApi
from PIL import Image

pytestmark = pytest.mark.slow

CONFIG = """
name: hues
data: {source: SOURCE, split: {train: 0.6, eval: 0.1, test: 0.3}}
transform: {image_size: [64, 64], augment: none}
train: {batch_size: 16, phases: [{train: head, epochs: 1, learning_rate: 3.0e-3}]}
evaluate: {thresholds: {accuracy: {at_least: 0.0}}}
push: {registry: kubeflow, registry_uri: ADDRESS, registry_token_path: TOKEN, model_name: two hues}
"""


def _write_task(folder, address):
    """Writes noisy squares of two hues, a token, and a configuration that names both."""
    rng = np.random.default_rng(0)
    for label, hue in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
        (folder / "images" / label).mkdir(parents=True)
        for i in range(40):
            pixels = np.clip(rng.normal(hue, 30, (48, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / label / f"{i}.jpg")
    (folder / "token").write_text("s3cret\n")
    text = CONFIG.replace("SOURCE", str(folder / "images")).replace("ADDRESS", address)
    (folder / "hues.yaml").write_text(text.replace("TOKEN", str(folder / "token")))


def test_a_run_registers_its_model_and_the_next_run_does_nothing_twice(tmp_path):
    with ModelRegistryApi() as server:
        server.token = "s3cret"
        _write_task(tmp_path, server.address)
        home = tmp_path / "runs" / "hues"

        def run():
            command = [sys.executable, "-m", "pipeline", "run", str(tmp_path / "hues.yaml")]
            command += ["--runs", str(tmp_path / "runs")]
            done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
            said = done.stdout + done.stderr
            assert done.returncode == 0, said
            assert "s3cret" not in said
            return json.loads((home / "summary.json").read_text())

        summary = run()
        registered = {"registry": "kubeflow", "name": "two hues", "version": "1"}
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
        assert "s3cret" not in (home / "summary.json").read_text()
