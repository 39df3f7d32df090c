"""A registration that is killed, doubled or not answered makes one version in the end."""

import json
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from components.content import content_hash
from components.registry_pusher import mlflow_tags

ROOT = Path(__file__).parents[3]

STEPS = [
    "create_experiment", "create_run", "log_batch", "log_dict", "log_artifacts", "set_terminated",
    "create_registered_model", "create_model_version", "set_registered_model_alias",
    "set_model_version_tag",
]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_registration_that_ended_at_any_step_is_finished_by_the_next(
    registry, entry, monkeypatch, step, when, assert_one_whole_version
):
    real = getattr(MlflowClient, step)

    def dying(*args, **kwargs):
        if when == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, step, dying)
        with pytest.raises(KeyboardInterrupt):
            registry.register(entry)
    registry.register(entry)
    assert_one_whole_version()


def test_of_two_pushers_without_a_lock_the_first_version_stays(
    registry, entry, monkeypatch, assert_one_whole_version
):
    monkeypatch.setattr(type(registry), "_alone", lambda _: nullcontext())
    real = MlflowClient.create_model_version

    def twice(*args, **kwargs):
        real(*args, **kwargs)  # the other pusher, between our look and our step
        return real(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_model_version", twice)
    assert registry.register(entry).version == "1"
    assert_one_whole_version()


def test_what_passes_is_tried_again_and_registered_once(
    registry, entry, monkeypatch, assert_one_whole_version
):
    real, calls = MlflowClient.create_model_version, []

    def shaky(*args, **kwargs):
        calls.append(1)
        made = real(*args, **kwargs)
        if len(calls) < 3:
            raise MlflowException("the answer got lost")
        return made

    monkeypatch.setattr(MlflowClient, "create_model_version", shaky)
    assert registry.register(entry).version == "1"
    assert_one_whole_version()


# Forks after the slow import, so that a registration, and so its death, takes milliseconds.
KILLED = """
import json, os, random, signal, sys, time
from components.registry_pusher import mlflow_client
from components.registry_pusher.registry import Entry, get_registry
mlflow_client.import_quietly()
import mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store
import mlflow.pyfunc
folder, entries = sys.argv[1], [Entry.from_json(e) for e in json.loads(sys.argv[2])]
moments = random.Random(int(sys.argv[3]))

def register(entry, uri, die_after=None):
    child = os.fork()
    if not child:
        get_registry({"kind": "mlflow", "uri": uri}).register(entry)
        os._exit(0)
    started = time.monotonic()
    if die_after is not None:
        time.sleep(die_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return time.monotonic() - started, os.WIFSIGNALED(status)

trial, uri = f"sqlite:///{folder}/trial/mlflow.db", f"sqlite:///{folder}/mlflow.db"
with_store, plain = (register(entry, trial)[0] for entry in entries[:2])
kills = 0
for entry in entries:
    seconds = plain if kills else with_store
    for _ in range(2):
        kills += register(entry, uri, moments.uniform(0, seconds))[1]
    register(entry, uri)
print("kills", kills, file=sys.stderr)
"""


@pytest.mark.slow
def test_killed_registrations_are_finished_and_never_doubled(tmp_path, make_entry):
    entries = [make_entry(str(i)) for i in range(6)]
    told = json.dumps([entry.to_json() for entry in entries])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "runs"), told, "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.split()[-1]) >= 3, "hardly any registration was killed"
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    versions = client.search_model_versions("name = 'ripeness'", order_by=["version_number ASC"])
    hashes = [version.tags["content_hash"] for version in versions]
    assert hashes == [entry.content_hash for entry in entries]
    for version in versions:
        assert version.tags[mlflow_tags.COMPLETE] == "complete"
        assert client.get_run(version.run_id).info.status == "FINISHED"
        source = Path(version.source.removeprefix("file://"))
        assert content_hash(source / "saved_model") == version.tags["content_hash"]
