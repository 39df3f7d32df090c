"""A registration that is killed, doubled, refused or not answered, on Kubeflow Model Registry."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from components.errors import RegistryError
from components.registry_pusher import kubeflow_client, patience
from components.registry_pusher.registry import get_registry

ROOT = Path(__file__).parents[3]
STEPS = [
    "POST registered_models", "POST model_versions", "POST model_versions/ID/artifacts",
    "PATCH registered_models/ID", "PATCH model_versions/ID",
]  # fmt: skip


@pytest.fixture
def api_version():
    """One is enough here."""
    return "v1"


@pytest.fixture
def assert_one_version(server, kubeflow, entry):
    """Checks that the entry is registered once, with all that belongs to it."""

    def check():
        assert len(server.models) == len(server.versions) == len(server.artifacts) == 1
        (version,) = kubeflow.versions("ripeness")
        assert (version.version, version.aliases) == ("1", ["challenger"])
        assert version.metrics == entry.metrics and version.uri == "/serving/1"
        assert kubeflow.entry("ripeness", "1") == entry

    return check


@pytest.mark.parametrize("how", ["drop", "lost", 500, 503])
@pytest.mark.parametrize("step", STEPS)
def test_what_gets_no_answer_is_tried_again_and_done_once(
    kubeflow, entry, server, step, how, assert_one_version
):
    server.fail(step, how, times=2)
    assert kubeflow.register(entry).version == "1"
    assert_one_version()


@pytest.mark.parametrize("how", ["drop", "lost"])
@pytest.mark.parametrize("step", STEPS)
def test_a_registration_that_ended_at_any_step_is_not_seen_and_is_finished_by_the_next(
    kubeflow, entry, server, step, how, monkeypatch, assert_one_version
):
    server.fail(step, how)
    with monkeypatch.context() as patch:
        patch.setattr(patience, "WAITS", ())
        with pytest.raises(RegistryError, match="after 1 tries"):
            kubeflow.register(entry)
    if (step, how) != (STEPS[-1], "lost"):  # which made it whole, whoever knows
        assert kubeflow.versions("ripeness") == []
        assert kubeflow.find("ripeness", entry.content_hash) is None
    assert kubeflow.register(entry).version == "1"
    assert_one_version()


@pytest.mark.parametrize("step", STEPS[1:])
def test_the_champion_stays_until_a_whole_version_takes_its_place(
    kubeflow, entry, server, step, monkeypatch, make_entry
):
    kubeflow.register(make_entry("first"), champion=True)
    server.fail(step, "lost")
    with monkeypatch.context() as patch:
        patch.setattr(patience, "WAITS", ())
        with pytest.raises(RegistryError):
            kubeflow.register(entry, champion=True)
    assert kubeflow.champions("ripeness") == ["1"]
    kubeflow.register(entry, champion=True)
    assert kubeflow.champions("ripeness") == ["1", "2"]


@pytest.mark.parametrize("step", STEPS)
def test_of_two_pushers_that_take_the_same_step_at_once_one_version_stays(
    kubeflow, entry, server, step, assert_one_version
):
    other = get_registry({"kind": "kubeflow", "uri": server.address})
    server.before[step] = lambda: other.register(entry)  # all of it, between our look and our step
    assert kubeflow.register(entry).version == "1"
    assert not server.before
    assert_one_version()


def test_two_contents_at_once_get_two_numbers(kubeflow, entry, server, make_entry):
    kubeflow.register(make_entry("first"))
    model = server.models[0]["id"]

    def another():
        server._post_model_versions({}, {"registeredModelId": model, "name": "2"})

    server.before["POST model_versions"] = another
    assert kubeflow.register(entry).version == "3"


def test_many_pushers_at_once_make_one_version_of_each_content(kubeflow, server, make_entry):
    entries = [make_entry(str(i)) for i in range(3)]
    threads = [
        threading.Thread(
            target=get_registry({"kind": "kubeflow", "uri": server.address}).register, args=(it,)
        )
        for it in entries * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hashes = sorted(it.content_hash for it in kubeflow.versions("ripeness"))
    assert hashes == sorted(it.content_hash for it in entries)


def test_a_server_that_comes_up_in_the_meantime_is_waited_for(entry, monkeypatch):
    from model_registry_api import ModelRegistryApi

    monkeypatch.setattr(patience, "WAITS", (0.2,) * 50)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    registry = get_registry({"kind": "kubeflow", "uri": f"http://127.0.0.1:{port}"})
    done = []
    thread = threading.Thread(target=lambda: done.append(registry.register(entry)))
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    with ModelRegistryApi(port):
        thread.join(60)
    assert done[0].version == "1"


def test_a_server_that_is_down_is_named_after_a_bounded_number_of_tries(entry):
    down = get_registry({"kind": "kubeflow", "uri": "http://127.0.0.1:9"})
    with pytest.raises(RegistryError) as error:
        down.register(entry)
    said = str(error.value)
    assert "127.0.0.1:9 does not answer, after 3 tries" in said and "registry_uri" in said


def test_a_server_that_never_ends_its_answer_is_given_up(kubeflow, monkeypatch):
    monkeypatch.setattr(kubeflow_client, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryError, match="does not answer, after 3 tries"):
            get_registry({"kind": "kubeflow", "uri": uri}).versions("ripeness")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_says_where_it_comes_from_and_not_what_it_is(
    server, entry, tmp_path, status
):
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    spec = {"kind": "kubeflow", "uri": server.address, "token_path": str(path)}
    server.token = "s3cret"
    assert get_registry(spec).register(entry).created
    server.fail("GET registered_models", status)
    calls = len(server.calls)
    with pytest.raises(RegistryError) as error:
        get_registry(spec).register(entry)
    said = str(error.value)
    assert f"refuses the token in {path} ({status}" in said and "registry_token_path" in said
    assert "s3cret" not in said and "\n" not in said
    assert len(server.calls) == calls + 1, "a refusal is not tried again"


def test_tokens_are_found_where_the_package_looks_and_read_anew(
    server, kubeflow, tmp_path, monkeypatch
):
    server.token = "first"
    with pytest.raises(RegistryError, match="refuses no token .401"):
        kubeflow.versions("ripeness")
    pod, named = tmp_path / "pod", tmp_path / "named"
    monkeypatch.setattr(kubeflow_client, "POD_TOKEN", str(pod))
    pod.write_text("first")
    assert kubeflow.versions("ripeness") == []
    server.token = "second"
    pod.write_text("second")
    assert kubeflow.versions("ripeness") == []
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(named))
    with pytest.raises(RegistryError, match="KF_PIPELINES_SA_TOKEN_PATH.*cannot be read"):
        kubeflow.versions("ripeness")
    named.write_text("second")
    assert kubeflow.versions("ripeness") == []


def test_a_refusal_is_said_at_once_in_the_servers_words(kubeflow, entry, server):
    server.fail("POST model_versions", 422)
    with pytest.raises(RegistryError, match="refuses .422: told to fail with 422"):
        kubeflow.register(entry)
    assert server.called("POST model_versions") == 1


@pytest.mark.parametrize("prefix", ["", "/model-registry"])
def test_an_address_may_have_a_path_and_one_that_leads_elsewhere_is_said(server, entry, prefix):
    server.prefix = prefix
    spec = {"kind": "kubeflow", "uri": f"{server.address}{prefix}/"}
    assert get_registry(spec).register(entry).created
    wrong = {"kind": "kubeflow", "uri": f"{server.address}/elsewhere"}
    with pytest.raises(RegistryError, match="no Kubeflow Model Registry .*v1 and v1alpha3"):
        get_registry(wrong).register(entry)


def test_a_login_page_is_no_registry(server, kubeflow):
    server.fail("GET registered_models", "html")
    with pytest.raises(RegistryError, match="no Kubeflow Model Registry .* login page"):
        kubeflow.versions("ripeness")


def test_a_model_that_is_gone_or_changed_is_not_registered(kubeflow, entry):
    Path(entry.model_path, "saved_model.pb").write_text("changed")
    with pytest.raises(RegistryError, match="neither in"):
        kubeflow.register(entry)
    assert kubeflow.versions("ripeness") == []


def test_what_is_wanted_of_the_model_is_written_again_where_another_wrote_over_it(
    kubeflow, entry, server
):
    kubeflow.register(entry)
    real, writes = server._patch_registered_models_one, []

    def overwritten(id, asked, given):
        answer = real(id, asked, given)
        writes.append(given)
        if len(writes) == 1:  # somebody who read before us, and writes after us
            del answer["customProperties"]["champion"]
        return answer

    server._patch_registered_models_one = overwritten
    kubeflow.set_champions("ripeness", ["1"])
    assert kubeflow.champions("ripeness") == ["1"]


# Forks after the import, so that a registration, and so its death, takes milliseconds.
KILLED = """
import json, os, random, signal, sys, time
from components.registry_pusher import kubeflow_registry
from components.registry_pusher.registry import Entry, get_registry
uri, entries = sys.argv[1], [Entry.from_json(e) for e in json.loads(sys.argv[2])]
moments = random.Random(int(sys.argv[3]))

def register(entry, die_after=None):
    child = os.fork()
    if not child:
        get_registry({"kind": "kubeflow", "uri": uri}).register(entry)
        os._exit(0)
    started = time.monotonic()
    if die_after is not None:
        time.sleep(die_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return time.monotonic() - started, status

seconds, kills = register(entries[0])[0], 0
for entry in entries[1:]:
    kills += os.WIFSIGNALED(register(entry, moments.uniform(0, seconds))[1])
    assert register(entry)[1] == 0
print("kills", kills)
"""


@pytest.mark.slow
def test_killed_registrations_are_finished_and_never_doubled(server, kubeflow, make_entry):
    entries = [make_entry(str(i)) for i in range(51)]
    told = json.dumps([entry.to_json() for entry in entries])
    done = subprocess.run(
        [sys.executable, "-c", KILLED, server.address, told, "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) >= 25, "hardly any registration was killed"
    versions = kubeflow.versions("ripeness")
    assert [it.content_hash for it in reversed(versions)] == [it.content_hash for it in entries]
    assert [it.version for it in reversed(versions)] == [str(i + 1) for i in range(51)]
    assert [it.version for it in versions if it.aliases] == ["51"]
    assert len(server.versions) == len(server.artifacts) == 51
    assert [kubeflow.entry("ripeness", str(i + 1)) for i in range(51)] == entries
