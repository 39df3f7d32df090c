import mariadb
import pytest
from local_kubeflow import LocalKubeflow


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A MariaDB server; skipped where there is none and none can be installed."""
    if not mariadb.install():
        pytest.skip("needs MariaDB: apt-get install mariadb-server")
    server = mariadb.MariaDB(tmp_path_factory.mktemp("mariadb") / "server")
    yield server
    server.stop()


@pytest.fixture
def kubeflow(tmp_path, server, request):
    """A stand-in for a cluster, with a volume and a database of its own."""
    name = "".join(c if c.isalnum() else "_" for c in request.node.name)
    return LocalKubeflow(tmp_path, server, name[:60])
