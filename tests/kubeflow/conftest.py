"""What stands in for a cluster: its API for what is sent there, its local runner for what runs."""

import pytest
import yaml
from click.testing import CliRunner
from debian import install
from kubeflow_api import KubeflowApi
from local_kubeflow import LocalKubeflow
from mariadb import MariaDB

from pipeline.cli import main
from pipeline.kubeflow.cluster import open_cluster


@pytest.fixture(autouse=True)
def _no_other_cluster(tmp_path, monkeypatch):
    """No address, login or context of whoever runs the tests."""
    for name in (
        "KF_PIPELINES_ENDPOINT",
        "KF_PIPELINES_UI_ENDPOINT",
        "KFP_TOKEN",
        "KUBECONFIG",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "no-account"))
    monkeypatch.setattr("pipeline.kubeflow.cluster._POD", tmp_path / "no-pod")
    context = tmp_path / "home" / ".config" / "kfp" / "context.json"
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(context))


@pytest.fixture
def api():
    """The server; a test fails that made it a call off the contract."""
    with KubeflowApi() as api:
        yield api
    assert not api.offences, api.offences


@pytest.fixture
def cluster(api):
    return open_cluster(api.address)


@pytest.fixture
def config(tmp_path):
    """The path of a configuration, scheduled for every night at three."""
    path = tmp_path / "digits.yaml"
    schedule = {"cron": "0 0 3 * * *"}
    values = {"name": "digits", "data": {"source": "builtin://digits"}}
    path.write_text(yaml.safe_dump({**values, "kubeflow": {"schedule": schedule}}))
    return str(path)


@pytest.fixture
def graft(api, monkeypatch):
    """graft(*arguments) -> its exit code and all that it printed."""
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", api.address)

    def graft(*arguments):
        result = CliRunner().invoke(main, arguments)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        return result.exit_code, result.output

    return graft


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A MariaDB server; skipped where there is none and none can be installed."""
    if not install("mariadbd", "mariadb-server"):
        pytest.skip("needs MariaDB: apt-get install mariadb-server")
    server = MariaDB(tmp_path_factory.mktemp("mariadb") / "server")
    yield server
    server.stop()


@pytest.fixture
def kubeflow(tmp_path, server, request):
    """A stand-in for a cluster, with a volume and a database of its own."""
    name = "".join(c if c.isalnum() else "_" for c in request.node.name)
    return LocalKubeflow(tmp_path, server, name[:60])
