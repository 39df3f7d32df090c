"""The compiled pipeline, held to Kubeflow's own reader, its protobuf, and a golden copy."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from google.protobuf import json_format
from kfp import components
from kfp.pipeline_spec import pipeline_spec_pb2

from components.errors import ConfigError
from pipeline.cli import main
from pipeline.config_file import load_config
from pipeline.kubeflow.compile import check_for_cluster, compile_pipeline
from pipeline.kubeflow.graph import task_name
from pipeline.kubeflow.task import check_graph
from pipeline.start import graph_of

GOLDEN = Path(__file__).with_name("golden.yaml")
CONFIG = "configs/digits.yaml"


@pytest.fixture(scope="module")
def compiled():
    return compile_pipeline(CONFIG)


@pytest.fixture(scope="module")
def spec(compiled):
    return next(yaml.safe_load_all(compiled.yaml))


def compile_with(tmp_path, *overrides):
    return list(yaml.safe_load_all(compile_pipeline(CONFIG, overrides).yaml))


def tasks(spec):
    return spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]


def executor(spec, node_id):
    name = task_name(node_id)
    return spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"]


def pod(documents, node_id):
    executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return executors[f"exec-{task_name(node_id)}"]


def test_the_file_is_the_golden_copy(compiled):
    # After a change that is meant: graft compile configs/digits.yaml -o tests/kubeflow/golden.yaml
    assert compiled.yaml == GOLDEN.read_text()


def test_the_command_writes_it_and_says_where(tmp_path, compiled):
    out = tmp_path / "pipeline.yaml"
    ended = CliRunner().invoke(main, ["compile", CONFIG, "--out", str(out)])
    assert (ended.exit_code, ended.output) == (0, f"{out}\n")
    assert out.read_text() == compiled.yaml
    ended = CliRunner().invoke(main, ["compile", CONFIG, "-o", str(tmp_path / "no" / "x.yaml")])
    assert ended.exit_code == 2 and "cannot be written" in ended.output


def test_the_same_configuration_gives_the_same_file(compiled):
    assert compile_pipeline(CONFIG).yaml == compiled.yaml


def test_kubeflows_own_reader_takes_it(compiled, tmp_path):
    (tmp_path / "pipeline.yaml").write_text(compiled.yaml)
    component = components.load_component_from_file(str(tmp_path / "pipeline.yaml"))
    assert component.name == "digits"
    assert set(component.component_spec.inputs) == set(compiled.parameters)


def test_the_protobuf_takes_every_field(spec):
    message = json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    assert message.schema_version == "2.1.0"


def test_nothing_in_it_is_unsupported_on_a_cluster(spec):
    assert lint(spec) == []


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda s: s.update(schemaVersion="2.0.0"), "schema"),
        (lambda s: s.update(pipelineSpec={}), "wrapper"),
        (
            lambda s: executor(s, "Trainer")["args"].append("{{$.pipeline_job_uuid}}"),
            "placeholder",
        ),
        (
            lambda s: executor(s, "Trainer")["args"].append("{{$.outputs.output_file}}"),
            "placeholder",
        ),
        (
            lambda s: s["components"]["comp-trainer"]["outputDefinitions"]["artifacts"]["summary"][
                "artifactType"
            ].update(schemaTitle="tfx.Model"),
            "artifact type",
        ),
        (
            lambda s: tasks(s)["trainer"]["cachingOptions"].update(enableCache=True),
            "cache",
        ),
    ],
)
def test_the_lint_sees_what_a_cluster_would_not_take(compiled, spoil, said):
    spec = next(yaml.safe_load_all(compiled.yaml))
    spoil(spec)
    assert [found for found in lint(spec) if said in found]


def lint(spec):
    """What open-source Kubeflow Pipelines would refuse, ignore, or take otherwise than meant."""
    found = []
    if spec.get("schemaVersion") != "2.1.0":
        found.append("schema version is not 2.1.0")
    if "pipelineSpec" in spec or "runtimeConfig" in spec:
        found.append("a job wrapper, where the bare spec is wanted")
    for name, one in spec["deploymentSpec"]["executors"].items():
        if "container" not in one:
            found.append(f"{name}: is no container")
            continue
        for word in one["container"]["command"] + one["container"]["args"]:
            if word != "{{$}}" and re.search(r"\{\{\$", word):
                found.append(f"{name}: the placeholder {word} is resolved by no pod")
    for name, component in spec["components"].items():
        for side in ("inputDefinitions", "outputDefinitions"):
            for key, artifact in component.get(side, {}).get("artifacts", {}).items():
                if not artifact["artifactType"].get("schemaTitle", "").startswith("system."):
                    found.append(f"{name}: {key}: its artifact type is not of system.*")
        for key, task in component.get("dag", {}).get("tasks", {}).items():
            if task.get("cachingOptions", {}).get("enableCache"):
                found.append(f"{key}: Kubeflow's cache is on")
    return found


def test_there_is_one_task_a_node_and_the_edges_are_the_dags(spec):
    graph = graph_of(load_config(CONFIG))
    found = {name: sorted(task.get("dependentTasks", [])) for name, task in tasks(spec).items()}
    assert found == {
        task_name(node): sorted(task_name(one) for one in upstream)
        for node, upstream in graph.items()
    }
    assert spec["root"]["dag"]["tasks"]["report"]["triggerPolicy"]["strategy"] == (
        "ALL_UPSTREAM_TASKS_COMPLETED"
    )


def test_the_configuration_travels_as_a_parameter(spec, compiled):
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["config"]["defaultValue"] == Path(CONFIG).read_text()
    named = {"data_source", "data_spans", "max_epochs", "learning_rate", "push_destination"}
    assert {name for name, p in parameters.items() if p["defaultValue"] == ""} == named


def test_overrides_are_in_the_configuration_that_travels(tmp_path):
    spec = compile_with(tmp_path, "train.max_epochs=3")[0]
    text = spec["root"]["inputDefinitions"]["parameters"]["config"]["defaultValue"]
    assert yaml.safe_load(text)["train"]["max_epochs"] == 3


def test_the_accelerator_goes_to_the_trainer_and_nobody_else(spec):
    assert executor(spec, "Trainer")["resources"]["accelerator"] == {
        "count": "1",
        "resourceCount": "1",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }
    others = [n for n in graph_of(load_config(CONFIG)) if n != "Trainer"]
    assert not [n for n in others if "accelerator" in executor(spec, n).get("resources", {})]


def test_placement_is_by_node_with_defaults_beneath(tmp_path):
    documents = compile_with(
        tmp_path,
        "kubeflow.defaults={cpu: '1', memory: 2Gi, retry: {times: 1, wait: 5s}}",
        "kubeflow.nodes={Trainer: {memory: 16Gi, memory_limit: 20Gi, accelerator: null,"
        " timeout: 2h, node_selector: {pool: large}, tolerations: [{key: gpu, operator: Exists}],"
        " env: {TOKEN: {secret: hub, key: token}}}}",
        "kubeflow.image_pull_secret=pull",
    )
    trainer, transform = (executor(documents[0], n) for n in ("Trainer", "ImageTransform"))
    assert "accelerator" not in trainer["resources"]
    assert trainer["resources"]["resourceMemoryRequest"] == "16Gi"
    assert trainer["resources"]["resourceMemoryLimit"] == "20Gi"
    assert trainer["resources"]["resourceCpuRequest"] == "1"
    assert transform["resources"]["resourceMemoryRequest"] == "2Gi"
    retries = tasks(documents[0])["trainer"]["retryPolicy"]
    assert (retries["maxRetryCount"], retries["backoffDuration"]) == (1, "5s")
    # From the first start: a window of minutes would end a long training's only retry.
    assert retries["backoffMaxDuration"] == "2592000s"
    said = pod(documents, "Trainer")
    assert said["activeDeadlineSeconds"] == "7200"
    assert said["nodeSelector"] == {"labels": {"pool": "large"}}
    assert said["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert said["imagePullSecret"][0]["secretName"] == "pull"
    names = {x["secretName"]: x["keyToEnv"] for x in said["secretAsEnv"]}
    assert names["hub"] == [{"secretKey": "token", "envVar": "TOKEN"}] or (
        names["hub"][0]["envVar"] == "TOKEN"
    )
    assert "nodeSelector" not in pod(documents, "ImageTransform")


def test_every_task_mounts_the_volume_and_gets_the_stores_password(compiled):
    documents = list(yaml.safe_load_all(compiled.yaml))
    for node in [*graph_of(load_config(CONFIG)), "report"]:
        said = pod(documents, node)
        assert said["pvcMount"][0]["mountPath"] == "/mnt/graft"
        assert {x["envVar"] for x in said["secretAsEnv"][0]["keyToEnv"]} == {
            "GRAFT_METADATA_USER",
            "GRAFT_METADATA_PASSWORD",
        }
    assert "password" not in json.dumps(documents[0]).lower()


def test_a_node_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="there is no node Trainr; there are: .*, report"):
        compile_pipeline(CONFIG, ["kubeflow.nodes={Trainr: {cpu: '1'}}"])


def test_a_path_of_this_machine_is_refused():
    config = load_config(CONFIG, ["data.source=./bananas"])
    with pytest.raises(ConfigError, match="give /mnt/graft/bananas and put it there"):
        check_for_cluster(config)


def test_a_configuration_of_another_graph_is_told_apart():
    expected = graph_of(load_config(CONFIG))
    other = graph_of(load_config(CONFIG, ["push.registry=none"]))
    with pytest.raises(ConfigError, match="compiled for another graph: it has no RegistryPusher"):
        check_graph(expected, other)
    with pytest.raises(ConfigError, match="has RegistryPusher besides"):
        check_graph(other, expected)
    check_graph(expected, expected)
