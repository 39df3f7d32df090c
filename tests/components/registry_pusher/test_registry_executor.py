"""What RegistryPusher gathers from the artifacts before it."""

import json
from pathlib import Path

import pytest
from tfx.dsl.components.base import base_executor
from tfx.types import channel_utils, standard_artifacts

from components.artifacts import Preprocessing, Registration
from components.content import content_hash, git_commit
from components.pusher.push import is_withdrawn, newest, withdraw
from components.pusher.versions import WITHDRAWN
from components.registry_pusher.component import RegistryPusher
from components.registry_pusher.executor import Executor
from components.registry_pusher.mlflow_registry import MlflowRegistry
from components.registry_pusher.promotion import promote
from components.registry_pusher.registry import Entry, get_registry, restore

INTERVALS = {"accuracy": [0.9, 0.99]}
SLICES = {"label": {"ripe": {"images": 1, "accuracy": 1.0}}}
CARD = {"limits": "no plantains"}
CONFIG = {"train": {"batch_size": 32}, "transform": {"image_size": [96, 96]}}


def artifact(kind, folder: Path, files=None, **properties):
    it = kind()
    it.uri = str(folder)
    folder.mkdir(parents=True)
    for name, value in (files or {}).items():
        (folder / name).write_text(json.dumps(value))
    for name, value in properties.items():
        if isinstance(value, int):
            it.set_int_custom_property(name, value)
        elif isinstance(value, str):
            it.set_string_custom_property(name, value)
        else:
            it.set_json_value_custom_property(name, value)
    return it


@pytest.fixture
def inputs(tmp_path):
    model = artifact(
        standard_artifacts.Model,
        tmp_path / "model",
        module_handle="./modules/efficientnet_lite0",
        module_hash="abcd",
    )
    served = tmp_path / "model" / "Format-Serving"
    served.mkdir()
    (served / "saved_model.pb").write_text("weights")
    return {
        "model": model,
        "pushed_model": artifact(
            standard_artifacts.PushedModel,
            tmp_path / "pushed",
            pushed=1,
            pushed_destination="/serving/4",
            pushed_version=4,
            content_hash=content_hash(served),
        ),
        "evaluation": artifact(
            standard_artifacts.ModelEvaluation,
            tmp_path / "evaluation",
            {"metrics.json": {"intervals": {"overall": INTERVALS}, "slices": SLICES}},
            metrics={"accuracy": 0.96, "log_loss": 0.2},
        ),
        "blessing": artifact(
            standard_artifacts.ModelBlessing,
            tmp_path / "blessing",
            {"blessing.json": {"blessed": True, "reasons": ["accuracy 0.96 is at least 0.9"]}},
            blessed=1,
        ),
        "examples": artifact(
            standard_artifacts.Examples,
            tmp_path / "examples",
            span=0,
            data_fingerprint="ef01",
            counts={"train": 8, "eval": 1, "test": 1, "rejected": 0},
        ),
        "preprocessing": artifact(
            Preprocessing,
            tmp_path / "preprocessing",
            {"labels.json": ["green", "ripe"], "preprocessing.json": {"image_size": [96, 96]}},
        ),
    }


def register(inputs, tmp_path, kind="mlflow", champion="manual"):
    registration = artifact(Registration, tmp_path / "registration")
    spec = {
        "kind": kind,
        "uri": f"sqlite:///{tmp_path}/runs/mlflow.db",
        "model_name": "my-bananas",
    }
    executor = Executor(base_executor.BaseExecutor.Context(pipeline_run_id="2026-11-24T20-00-00"))
    executor.Do(
        {key: [it] for key, it in inputs.items()},
        {"registration": [registration]},
        {
            "registry": json.dumps(spec),
            "pipeline_name": "bananas",
            "config": json.dumps(CONFIG),
            "card": json.dumps(CARD),
            "champion": champion,
            "code_version": "1",
        },
    )
    return registration, spec


def test_a_pushed_model_is_registered_with_its_lineage(inputs, tmp_path):
    registration, spec = register(inputs, tmp_path)
    assert registration.get_int_custom_property("registered") == 1
    assert registration.get_string_custom_property("registry") == "mlflow"
    assert registration.get_string_custom_property("name") == "my-bananas"
    assert registration.get_string_custom_property("version") == "1"

    said = json.loads(Path(registration.uri, "registration.json").read_text())
    assert Entry.from_json(said["entry"]) == Entry(
        name="my-bananas",
        content_hash=inputs["pushed_model"].get_string_custom_property("content_hash"),
        model_path=str(tmp_path / "model" / "Format-Serving"),
        pushed_path="/serving/4",
        run_id="2026-11-24T20-00-00",
        pipeline="bananas",
        span=0,
        data_fingerprint="ef01",
        counts={"train": 8, "eval": 1, "test": 1, "rejected": 0},
        module_handle="./modules/efficientnet_lite0",
        module_hash="abcd",
        metrics={"accuracy": 0.96, "log_loss": 0.2},
        intervals=INTERVALS,
        slices=SLICES,
        git_commit=git_commit(),
        card=CARD,
        blessed=True,
        blessing_reasons=["accuracy 0.96 is at least 0.9"],
        labels=["green", "ripe"],
        image_size=[96, 96],
        config=CONFIG,
    )
    (version,) = get_registry(spec).versions("my-bananas")
    assert (version.version, version.run_id) == ("1", "2026-11-24T20-00-00")
    assert restore(Path(registration.uri, "registration.json"), spec).created is False


@pytest.mark.parametrize("champion", ["manual", "push"])
def test_a_push_makes_the_champion_where_the_configuration_says_so(inputs, tmp_path, champion):
    _, spec = register(inputs, tmp_path, champion=champion)
    (version,) = get_registry(spec).versions("my-bananas")
    assert ("champion" in version.aliases) is (champion == "push")


@pytest.mark.parametrize("when", ["before it was to be pushed", "since", "while it is registered"])
def test_what_was_rolled_back_from_gets_a_version_to_be_promoted_and_no_alias(
    inputs, tmp_path, monkeypatch, when
):
    pushed = inputs["pushed_model"]
    content = pushed.get_string_custom_property("content_hash")
    if when == "before it was to be pushed":
        pushed = artifact(
            standard_artifacts.PushedModel,
            tmp_path / "not-pushed",
            pushed=0,
            reason=WITHDRAWN,
            content_hash=content,
        )
        inputs["pushed_model"] = pushed
    else:
        pushed.set_string_custom_property("pushed_destination", str(tmp_path / "serving" / "4"))
    real = MlflowRegistry.register

    def slow(*args, **kwargs):
        registered = real(*args, **kwargs)
        withdraw(tmp_path / "serving", content)
        return registered

    if when == "while it is registered":
        monkeypatch.setattr(MlflowRegistry, "register", slow)
    else:
        withdraw(tmp_path / "serving", content)
    registration, spec = register(inputs, tmp_path, champion="push")
    monkeypatch.undo()
    assert registration.get_int_custom_property("registered") == 1
    (version,) = get_registry(spec).versions("my-bananas")
    assert (version.content_hash, version.aliases) == (content, [])
    promote(get_registry(spec), version, tmp_path / "serving")
    assert newest(tmp_path / "serving").content_hash == content
    assert not is_withdrawn(tmp_path / "serving", content)


@pytest.mark.parametrize("why", ["not pushed", "no registry"])
def test_what_is_not_to_be_registered_leaves_a_reason_and_no_trace(inputs, tmp_path, why):
    if why == "not pushed":
        inputs["pushed_model"].set_int_custom_property("pushed", 0)
    registration, _ = register(inputs, tmp_path, "none" if why == "no registry" else "mlflow")
    assert registration.has_custom_property("registered")
    assert registration.get_int_custom_property("registered") == 0
    assert why in registration.get_string_custom_property("reason")
    assert list(Path(registration.uri).iterdir()) == []
    assert not (tmp_path / "runs").exists()


def test_facts_that_are_missing_do_not_stop_a_registration(inputs, tmp_path):
    inputs["examples"] = artifact(standard_artifacts.Examples, tmp_path / "bare_examples")
    inputs["evaluation"] = artifact(standard_artifacts.ModelEvaluation, tmp_path / "bare")
    (tmp_path / "preprocessing" / "labels.json").unlink()
    registration, spec = register(inputs, tmp_path)
    (version,) = get_registry(spec).versions("my-bananas")
    assert (version.metrics, version.data_fingerprint) == ({}, "")


def test_the_component_takes_six_channels_and_plain_properties():
    kinds = {
        "model": standard_artifacts.Model,
        "pushed_model": standard_artifacts.PushedModel,
        "evaluation": standard_artifacts.ModelEvaluation,
        "blessing": standard_artifacts.ModelBlessing,
        "examples": standard_artifacts.Examples,
        "preprocessing": Preprocessing,
    }
    component = RegistryPusher(
        **{key: channel_utils.as_channel([kind()]) for key, kind in kinds.items()},
        registry="{}",
        pipeline_name="bananas",
        config="{}",
    )
    assert component.id == "RegistryPusher" and set(component.inputs) == set(kinds)
    assert component.outputs["registration"].type is Registration
