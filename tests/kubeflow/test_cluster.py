"""Opening a cluster: where its address and login come from, and what is said when it fails."""

import json
import socket
from pathlib import Path

import kfp
import pytest
import yaml

from components.errors import ClusterError
from pipeline.kubeflow.cluster import open_cluster
from pipeline.kubeflow.schedules import find


def refusal(*arguments, **named):
    with pytest.raises(ClusterError) as caught:
        open_cluster(*arguments, **named)
    return str(caught.value)


def test_the_address_comes_by_argument_before_kubeflows_own_variable(api, monkeypatch):
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:1")
    assert open_cluster(api.address + "/").address == api.address
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", api.address)
    assert open_cluster().address == api.address


def test_an_address_may_have_a_path(api):
    api.prefix = "/pipeline"
    cluster = open_cluster(api.address + "/pipeline")
    assert find(cluster) == []
    assert cluster.page("runs/details/7") == f"{api.address}/pipeline/#/runs/details/7"
    assert "that is not Kubeflow Pipelines with its API v2beta1" in refusal(api.address)


def test_kubectls_configuration_leads_through_its_proxy(api):
    api.prefix = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy"
    api.token = "of-kubectl"
    named = {
        "clusters": {"name": "here", "cluster": {"server": api.address}},
        "users": {"name": "me", "user": {"token": api.token}},
        "contexts": {"name": "this", "context": {"cluster": "here", "user": "me"}},
    }
    path = Path.home() / ".kube" / "config"
    path.parent.mkdir(parents=True)
    config = {kind: [entry] for kind, entry in named.items()}
    path.write_text(yaml.safe_dump({**config, "current-context": "this"}))
    assert find(open_cluster()) == []
    path.write_text("none: at all")
    assert "kubectl's configuration leads to no cluster; give --host" in refusal()


def test_without_an_address_it_says_how_to_give_one():
    assert "give --host or set KF_PIPELINES_ENDPOINT" in refusal()


@pytest.mark.parametrize("address", ["http://", "http://host:port", "ftp://host", "http://h:0"])
def test_what_is_no_address_is_said(address):
    assert f"{address}: is no address" in refusal(address)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    message = refusal("https://me:secret@host")
    assert "--token-file" in message and "secret" not in message


def test_a_closed_port_is_said_with_the_address_and_what_to_do():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    message = refusal(address)
    assert f"{address}: cannot be reached (" in message and "Connection refused" in message
    assert "port-forward" in message and "<" not in message


def test_a_name_that_nobody_knows_is_said():
    assert "http://no.such.host.invalid: cannot be reached" in refusal(
        "http://no.such.host.invalid"
    )


def test_a_server_without_tls_is_said(api):
    address = api.address.replace("http:", "https:")
    assert f"{address}: cannot be reached (" in refusal(address)


def test_health_is_asked_once_even_when_the_server_is_ill(api):
    open_cluster(api.address)
    assert api.called("GET healthz") == 1
    api.fail("GET healthz", 503)
    assert "answered 503" in refusal(api.address)
    assert api.called("GET healthz") == 2


def test_a_server_that_drops_the_connection_is_said(api):
    api.fail("GET healthz", "drop", times=4)
    assert "cannot be reached (Remote end closed connection" in refusal(api.address)


def test_a_login_page_is_not_taken_for_an_answer(api):
    api.fail("GET healthz", "html")
    message = refusal(api.address)
    assert "not JSON, such as a login page" in message and "--token-file" in message


@pytest.mark.parametrize(
    ("status", "do"),
    [
        (401, "log in: give --token-file, or set KFP_TOKEN"),
        (403, "give another --namespace or token"),
        (404, "`graft schedule list` says what is"),
        (409, "of that name is there already"),
        (500, "the server is at fault or busy; try again"),
        (503, "the server is at fault or busy; try again"),
    ],
)
def test_a_refusal_says_where_what_and_what_to_do(api, graft, status, do):
    api.fail("GET recurringruns", status)
    code, printed = graft("schedule", "list")
    assert code == 2
    assert printed.startswith(f"error: {api.address}: GET /apis/v2beta1/recurringruns: answered")
    assert f" {status} " in printed and f"told to fail with {status}" in printed
    assert do in printed and printed.count("\n") == 1


class TestToken:
    @pytest.fixture(autouse=True)
    def guarded(self, api):
        api.token = "secret"

    def test_it_comes_from_a_file_which_is_read_for_each_call(self, api, tmp_path):
        file = tmp_path / "token"
        file.write_text("secret\n")
        cluster = open_cluster(api.address, token_file=str(file))
        assert find(cluster) == []
        file.write_text("renewed")
        api.token = "renewed"
        assert find(cluster) == []
        file.unlink()
        with pytest.raises(ClusterError, match="no token can be read"):
            find(cluster)

    def test_it_comes_from_the_environment(self, api, monkeypatch):
        monkeypatch.setenv("KFP_TOKEN", "secret")
        assert find(open_cluster(api.address)) == []

    def test_it_comes_from_the_service_accounts_file(self, api, monkeypatch, tmp_path):
        (tmp_path / "account").write_text("secret")
        monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "account"))
        assert find(open_cluster(api.address)) == []

    def test_a_file_that_was_given_comes_before_the_environment(self, api, monkeypatch, tmp_path):
        monkeypatch.setenv("KFP_TOKEN", "other")
        (tmp_path / "token").write_text("secret")
        open_cluster(api.address, token_file=str(tmp_path / "token"))

    def test_a_wrong_one_is_refused_and_not_repeated(self, api, monkeypatch):
        monkeypatch.setenv("KFP_TOKEN", "a-wrong-one")
        message = refusal(api.address)
        assert "answered 401 Unauthorized" in message and "a-wrong-one" not in message

    def test_it_goes_nowhere_without_an_address(self, monkeypatch):
        monkeypatch.setenv("KFP_TOKEN", "secret")
        (Path.home() / ".kube").mkdir(parents=True)
        (Path.home() / ".kube" / "config").touch()
        assert "a token is given and no address" in refusal()

    @pytest.mark.parametrize("content", [None, "", "two\nlines"])
    def test_a_file_without_one_is_named(self, api, tmp_path, content):
        file = tmp_path / "token"
        if content is not None:
            file.write_text(content)
        assert str(file) in refusal(api.address, token_file=str(file))


class TestNamespace:
    @pytest.fixture
    def context(self):
        file = Path(kfp.Client._LOCAL_KFP_CONTEXT)
        file.parent.mkdir(parents=True)
        return file

    def test_a_server_of_several_users_wants_one(self, api):
        api.multi_user = True
        assert "serves several users; give --namespace" in refusal(api.address)
        assert find(open_cluster(api.address, "ripe")) == []

    def test_it_comes_from_kubeflows_context_file(self, api, context):
        api.multi_user = True
        context.write_text(json.dumps({"namespace": "of-the-file"}))
        assert open_cluster(api.address).namespace == "of-the-file"
        assert open_cluster(api.address, "given").namespace == "given"
        assert json.loads(context.read_text()) == {"namespace": "of-the-file"}

    def test_a_server_of_one_user_is_asked_for_none(self, api):
        assert open_cluster(api.address, "ripe").namespace is None

    @pytest.mark.parametrize("content", ["{", "{}", "[]"])
    def test_a_damaged_context_file_is_named(self, api, context, content):
        context.write_text(content)
        assert f"{context}: cannot be used" in refusal(api.address)
