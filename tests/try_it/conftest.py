import pytest
import tried

from pipeline.try_it.chosen import Chosen
from pipeline.try_it.model import Model


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tried.export_model(tmp_path_factory.mktemp("tried"))


@pytest.fixture(scope="session")
def model(folder):
    return Model(Chosen("fruit", "7", folder, "a test's"))


@pytest.fixture(scope="session")
def server(model):
    """The address of a server of that model."""
    with tried.serving(model) as address:
        yield address
