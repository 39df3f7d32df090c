import pytest

from components.errors import ConfigError
from pipeline.config import Config
from pipeline.config_file import parse_config
from pipeline.places import Places
from pipeline.stores import connection


def parse(text):
    return parse_config(f"name: a\ndata: {{source: /x}}\nkubeflow: {text}", "a.yaml")


@pytest.mark.parametrize(
    "text, said",
    [
        ("{metadata: {uri: sqlite:///x.db}}", "SQLite lets one machine write"),
        ("{metadata: {uri: /mnt/metadata.db}}", "SQLite lets one machine write"),
        ("{metadata: {uri: 'postgresql://db/graft'}}", "loses the results of cached nodes"),
        ("{metadata: {uri: 'oracle://db/graft'}}", "MySQL or MariaDB"),
        ("{metadata: {uri: 'mysql://me:secret@db/graft'}}", "holds a user, a password"),
        ("{metadata: {uri: 'mysql://me:se/cret@db/graft'}}", "holds a user, a password or options"),
        ("{metadata: {uri: 'mysql://db/graft?password=secret'}}", "a password or options"),
        ("{metadata: {uri: 'mysql://me@db/graft'}}", "names a user"),
        ("{defaults: {memory: 500m}}", "kubeflow.defaults.memory"),
        ("{defaults: {cpu: 2Gi}}", "kubeflow.defaults.cpu"),
        ("{metadata: {uri: 'mysql://db'}}", "give mysql://HOST:PORT/DATABASE"),
        ("{schedule: {cron: '0 3 * * *'}}", r"five fields.*write '0 0 3 \* \* \*'"),
        ("{schedule: {cron: '0 0 3 * *', max_concurrency: 11}}", "less than or equal to 10"),
        ("{root: 's3://bucket/path'}", "give gs://BUCKET/PATH"),
        ("{defaults: {memory: 16 GB}}", "kubeflow.defaults.memory"),
        ("{defaults: {tolerations: [{operator: Exists, value: x}]}}", "means nothing with"),
        ("{nodes: {Trainer: {timeout: forever}}}", "kubeflow.nodes.Trainer.timeout"),
        ("{nodes: {Trainer: {gpus: 2}}}", "there is no such key"),
    ],
)
def test_what_cannot_hold_on_a_cluster_is_refused(text, said):
    with pytest.raises(ConfigError, match=said):
        parse(text)


@pytest.mark.parametrize(
    "uri",
    ["mysql://me:secret@db/graft", "mysql://me:a/secret@db/g", "mysql://db/g?password=secret"],
)
def test_a_password_in_the_address_is_not_repeated(uri):
    with pytest.raises(ConfigError) as caught:
        parse(f"{{metadata: {{uri: '{uri}'}}}}")
    assert "secret" not in str(caught.value).replace("the secret", "")


def test_a_nodes_own_words_win_over_the_defaults():
    settings = parse("{defaults: {cpu: '2', memory: 4Gi}, nodes: {Trainer: {cpu: '8'}}}").kubeflow
    trainer, other = settings.placement("Trainer"), settings.placement("Evaluator")
    assert (trainer.cpu, trainer.memory) == ("8", "4Gi")
    assert (other.cpu, other.memory) == ("2", "4Gi")
    assert trainer.accelerator is not None and other.accelerator is None


def test_accelerators_can_be_given_to_others_or_nobody():
    settings = parse(
        "{accelerator: null, nodes: {FeatureExtractor: {accelerator: {type: amd.com/gpu}}}}"
    ).kubeflow
    assert settings.placement("Trainer").accelerator is None
    assert settings.placement("FeatureExtractor").accelerator.type == "amd.com/gpu"


def test_all_lies_on_the_volume_unless_a_bucket_is_named():
    places = Places.on_kubeflow(parse("{}"))
    assert str(places.home) == "/mnt/graft/runs/a"
    assert places.artifacts == "/mnt/graft/runs/a/artifacts"
    assert places.metadata == "mysql://graft-mysql:3306/graft"
    assert Places.on_kubeflow(parse("{root: 'gs://b/p/'}")).artifacts == "gs://b/p/a"


def test_user_and_password_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("GRAFT_METADATA_USER", raising=False)
    with pytest.raises(ConfigError, match="GRAFT_METADATA_USER is not set"):
        connection("mysql://db/graft")
    monkeypatch.setenv("GRAFT_METADATA_USER", "me")
    monkeypatch.setenv("GRAFT_METADATA_PASSWORD", "secret")
    found = connection("mysql://db:3307/graft").mysql
    assert (found.host, found.port, found.database) == ("db", 3307, "graft")
    assert (found.user, found.password) == ("me", "secret")


def test_without_the_section_the_defaults_hold():
    assert (
        Config.model_validate({"name": "a", "data": {"source": "/x"}}).kubeflow
        == parse("{}").kubeflow
    )
