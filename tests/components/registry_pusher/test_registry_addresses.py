"""Which address and which name a registry may have, and where its files then lie."""

import string
from pathlib import Path

import pytest
import sqlalchemy
from hypothesis import example, given
from hypothesis import strategies as st

from components.content import content_hash
from components.errors import ConfigError
from components.registry_pusher import mlflow_client
from components.registry_pusher.addresses import (
    address_of,
    check_address,
    check_name,
    holds_secret,
    path_of,
    redacted,
)
from components.registry_pusher.registry import get_registry

PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1)


@given(PARTS)
@example("ä b%20c#d")
@example("q?x")
def test_an_address_leads_back_to_its_file_as_sqlalchemy_reads_it(part):
    path = Path("/runs", part if part not in (".", "..") else "dots", "mlflow.db")
    assert path_of(address_of(path)) == path
    assert sqlalchemy.make_url(address_of(path)).database == str(path)


@given(st.text(string.ascii_letters + string.digits + "ä #+@:;=&[]-_~"))
def test_an_address_is_quoted_only_where_it_must_be(name):
    assert address_of(Path("/runs", f"x{name}")) == f"sqlite:////runs/x{name}"


@pytest.mark.parametrize(
    "name", ["ä b%20c#d", "q?x", "%41;a=b&c", "new\nline", "'\"`[1]", "%2e%2e"]
)
def test_a_registry_lies_where_its_path_says_whatever_is_in_it(entry, tmp_path, monkeypatch, name):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    store = tmp_path / "runs" / name / "mlflow.db"
    registry = get_registry({"kind": "mlflow", "uri": address_of(store)})
    registry.register(entry)
    assert registry.register(entry).version == "1"
    assert [version.version for version in registry.versions("ripeness")] == ["1"]

    uri = mlflow_client.client(address_of(store)).get_model_version_download_uri("ripeness", "1")
    from mlflow.artifacts import download_artifacts

    folder = Path(download_artifacts(artifact_uri=uri))
    assert folder.is_relative_to(store.parent / "mlartifacts")
    assert content_hash(folder / "saved_model") == entry.content_hash
    assert {p.name for p in store.parent.iterdir()} == {
        "mlflow.db", "mlartifacts", ".mlflow.db.lock",
    }  # fmt: skip
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [name]
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("uri", [
    "sqlite:///runs/mlflow.db", "http://host:5000", "https://host/mlflow", "databricks://profile",
    "postgresql+psycopg2://user@host/mlflow",
])  # fmt: skip
def test_an_address_without_a_secret_is_taken(uri):
    check_address(uri)
    assert not holds_secret(uri)


@pytest.mark.parametrize("uri", [
    "http://user:secret@host", "https://secret@host/path", "http://user:sec/ret@host",
    "postgresql://user:sec@ret@host/mlflow", "mysql+pymysql://host/mlflow?password=secret",
    "HTTP://user:secret@host",
])  # fmt: skip
def test_a_secret_in_an_address_is_found(uri):
    assert holds_secret(uri)


def test_what_is_shown_of_an_address_holds_no_secret():
    for password in ("secret", "sec/ret", "sec@ret"):
        assert redacted(f"at http://me:{password}@host/x failed") == "at http://***@host/x failed"


@pytest.mark.parametrize("uri", ["bla", "./mlruns", "file:///mlruns", "gs://bucket/x", "http://"])
def test_an_address_that_mlflow_cannot_have_is_refused(uri):
    with pytest.raises(ConfigError, match="registry_uri: .* sqlite:///PATH"):
        check_address(uri)


@pytest.mark.parametrize("name", ["a/b", "a:b", "it's", "", "x" * 251])
def test_a_name_that_mlflow_cannot_have_is_refused(name):
    with pytest.raises(ConfigError, match="push.model_name"):
        check_name(name)
