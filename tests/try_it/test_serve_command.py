"""`graft serve` as people start, stop and mistype it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from ports import free_port
from tried import picture

from components.content import content_hash
from components.pusher.push import push
from components.registry_pusher.registry import Entry, get_registry
from pipeline.cli import main
from pipeline.config import Config
from pipeline.lineage import Node, Run, record_start
from pipeline.places import Places
from pipeline.stores import open_store

ROOT = Path(__file__).parents[2]


def _heed_interrupts():
    """What a shell's background job, and all that it starts, passes over."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Task:
    """A task with a run on record, whose model can be pushed and registered."""

    def __init__(self, folder, **push_section):
        self.runs = folder / "runs"
        values = {"name": "fruit", "data": {"source": "bananas"}, "push": push_section}
        config = Config.model_validate(values)
        self.places = Places.of(self.runs, config)
        self.places.home.mkdir(parents=True)
        run = Run("r1", config.model_dump(mode="json"), "0" * 12, 0.0, {}, [Node("x", "skipped")])
        record_start(open_store(self.places.metadata), run, "fruit")
        self.config = config

    def push(self, model):
        return push(model, self.places.serving(None), content_hash(model))

    def register(self, model, **facts):
        registry = get_registry(self.places.registry(self.config.push))
        entry = Entry(name="fruit", content_hash=content_hash(model), model_path=model, **facts)
        registry.register(entry, champion=True)

    def refusal(self, *words):
        result = CliRunner().invoke(main, ["serve", "--runs", str(self.runs), *words])
        assert result.exit_code == 2 and result.output.startswith("error: "), result.output
        assert "Traceback" not in result.output and result.output.count("\n") == 1
        return result.output

    @contextlib.contextmanager
    def served(self, *words):
        """Starts the command; yields the process and the address that it says."""
        command = [sys.executable, "-m", "pipeline", "serve", "--runs", str(self.runs), *words]
        environment = os.environ | {"PYTHONUNBUFFERED": "1"}
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, preexec_fn=_heed_interrupts, **pipe
        )
        try:
            said = process.stdout.readline() + process.stdout.readline()
            found = re.search(r"^(http://\S+) answers; Ctrl-C stops it$", said, re.M)
            assert found, said + process.stderr.read()
            yield process, found[1], said
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def task(tmp_path):
    return Task(tmp_path)


def stop(process, how=signal.SIGINT):
    process.send_signal(how)
    return process.communicate(timeout=60)


def test_the_pushed_model_is_served_until_ctrl_c(task, folder, monkeypatch):
    path = task.push(folder)
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with task.served("--port", "0") as (process, address, said):
        assert f"fruit, pushed version 1: loading {path}" in said
        assert address.startswith("http://127.0.0.1:")
        assert requests.get(f"{address}/healthz").text == "ok"
        status = requests.get(f"{address}/v1/models/fruit").json()
        assert status["model_version_status"][0]["version"] == "1"
        assert requests.post(f"{address}/classify", data=picture()).json()["top"]
        assert requests.post(f"{address}/classify", data=picture()[:900]).status_code == 400
        # By any name of this machine, and no other.
        port = address.rpartition(":")[2]
        assert requests.get(f"http://localhost:{port}/healthz").ok
        evil = {"Host": "evil.example"}
        assert requests.get(f"{address}/healthz", headers=evil).status_code == 400
        out, err = stop(process)
        assert (process.returncode, out, err) == (130, "", "\nstopped\n")
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", int(port)))  # nobody listens any more


@pytest.mark.slow
def test_a_registered_version_is_served_by_its_alias(task, folder):
    task.register(folder)
    with task.served("--version", "champion", "--port", "0") as (_, address, said):
        assert "fruit, registered version 1 (challenger, champion)" in said
        assert requests.get(f"{address}/v1/models/fruit/versions/1").ok


def test_a_port_in_use_is_said_before_the_model_is_looked_for(task):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        said = task.refusal("--port", port)
    assert f"http://127.0.0.1:{port}: another program listens there" in said


def test_an_address_of_another_machine_is_refused(task):
    assert "is no address of this machine" in task.refusal("--host", "192.0.2.1", "--port", "0")
    said = task.refusal("--host", "no-such-name.invalid", "--port", "0")
    assert "--host no-such-name.invalid: is no address of this machine" in said


def test_without_a_pushed_model_the_message_says_what_to_do(task):
    port = ("--port", str(free_port()))
    assert "holds no pushed model; run the pipeline until it is blessed" in task.refusal(*port)
    said = task.refusal(*port, "--name", "fuit")
    assert "has no runs of 'fuit'" in said


def test_a_version_that_is_not_there_is_answered_with_those_that_are(task, tmp_path):
    port = ("--port", "0")
    assert "has no versions of 'fruit'" in task.refusal(*port, "--version", "1")
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("a model")
    task.register(str(model))
    said = task.refusal(*port, "--version", "champoin")
    assert "'champoin'; did you mean 'champion'?" in said
    (model / "saved_model.pb").unlink()
    assert "the model with content" in task.refusal(*port, "--version", "champion")


def test_a_task_that_registers_nothing_has_no_versions(tmp_path):
    task = Task(tmp_path, registry="none")
    assert "its runs register nothing" in task.refusal("--port", "0", "--version", "1")


def test_what_is_pushed_and_no_model_is_one_message(task, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "saved_model.pb").write_text("a model")
    task.push(model)
    result = CliRunner().invoke(main, ["serve", "--runs", str(task.runs), "--port", "0"])
    assert result.exit_code == 2 and "is no whole model of this pipeline" in result.output


def test_help_and_a_wrong_option_do_not_pay_for_a_server():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom pipeline.cli import main\n"
        "for words in (['--help'], ['serve', '--help'], ['serve', '--port', '99999']):\n"
        "    CliRunner().invoke(main, words)\n"
        "print({'tensorflow', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "set()\n", done.stderr


def test_the_guide_s_figures_are_those_of_the_code():
    from components.image_example_gen.pictures import MAX_PIXELS
    from pipeline.try_it.cli import serve
    from pipeline.try_it.limits import READ_SECONDS
    from pipeline.try_it.rest import MOST_PIXELS

    guide = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    for option in serve.params:
        if option.name in ("max_request_mb", "max_concurrency"):
            assert f"`--{option.name.replace('_', '-')}` ({option.default})" in guide
        if option.name in ("host", "port"):
            assert str(option.default) in guide
    assert f"more\nthan {MAX_PIXELS:,} pixels" in guide
    assert MOST_PIXELS == 4 * MAX_PIXELS and READ_SECONDS == 60  # in words
