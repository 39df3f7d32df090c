"""Whoever does Beam's work, the same comes out: the whole pipeline on each runner, byte by byte."""

import contextlib
import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

CONFIG = """
name: hues
data: {source: SOURCE, split: {train: 0.6, eval: 0.1, test: 0.3}}
transform: {image_size: [64, 64], augment: overhead, views: 2}
train: {phases: [{train: head, epochs: 4, learning_rate: 3.0e-3}]}
evaluate: {thresholds: {accuracy: {at_least: 0.0}}}
push: {registry: none}
"""
# What pictures pass through on Beam, and what the model says of them in the end.
WRITTEN = re.compile(
    r"(ImageExampleGen/(examples|facts)|ImageTransform/transformed_examples"
    r"|FeatureExtractor/features)/\d+/(Split-.*\.gz|groups.jsonl)$"
)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Noisy squares of two hues."""
    folder = tmp_path_factory.mktemp("task")
    rng = np.random.default_rng(0)
    for label, hue in (("red", (200, 60, 60)), ("blue", (60, 60, 200))):
        (folder / "images" / label).mkdir(parents=True)
        for i in range(30):
            pixels = np.clip(rng.normal(hue, 30, (48, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "images" / label / f"{i}.jpg")
    path = folder / "hues.yaml"
    path.write_text(CONFIG.replace("SOURCE", str(folder / "images")))
    return path


def outcome(config, runs, runner=None, **options):
    """Runs the pipeline; gives the metrics, and a hash of every file of records."""
    chosen = [] if runner is None else ["--set", f"beam.runner={runner}"]
    chosen += ["--set", f"beam.options={json.dumps(options)}"] if options else []
    command = [sys.executable, "-m", "pipeline", "run", config, "--runs", runs, *chosen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads((runs / "hues" / "summary.json").read_text())
    assert {node["state"] for node in summary["nodes"]} == {"ran"}
    root = runs / "hues" / "artifacts"
    files = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if WRITTEN.match(name):
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return summary["metrics"], files


@pytest.fixture(scope="module")
def in_process(config, tmp_path_factory):
    metrics, files = outcome(config, tmp_path_factory.mktemp("in_process"))
    assert len(files) >= 10
    return metrics, files


def test_on_several_processes_of_this_machine(config, in_process, tmp_path):
    options = {"direct_running_mode": "multi_processing", "direct_num_workers": 2}
    assert outcome(config, tmp_path, "FnApiRunner", **options) == in_process


@contextlib.contextmanager
def server(module, *arguments):
    """Runs one of Beam's servers on a free port, and gives its address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, *(a.format(port=port) for a in arguments)]
    # The pool starts its workers by the name of python.
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": path},
    )
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("localhost", port), 1):
                break
            assert process.poll() is None
            time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait()


def test_on_the_portable_job_service_with_workers_of_their_own(config, in_process, tmp_path):
    with (
        server("apache_beam.runners.portability.local_job_service_main", "--port={port}") as jobs,
        server("apache_beam.runners.worker.worker_pool_main", "--service_port={port}") as pool,
    ):
        options = {
            "job_endpoint": jobs,
            "environment_type": "EXTERNAL",
            "environment_config": pool,
        }
        assert outcome(config, tmp_path, "PortableRunner", **options) == in_process


@pytest.mark.flink
def test_on_apache_flink_with_two_slots(config, in_process, tmp_path):
    with server("apache_beam.runners.worker.worker_pool_main", "--service_port={port}") as pool:
        options = {
            "job_endpoint": os.environ["GRAFT_FLINK"],
            "environment_type": "EXTERNAL",
            "environment_config": pool,
            "parallelism": 2,
        }
        assert outcome(config, tmp_path, "PortableRunner", **options) == in_process
