"""deploy/serving: held to Kubernetes's own types, and to what the tasks push."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from kubernetes import client

from pipeline.kubeflow.settings import Kubeflow

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "serving"
GUIDE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
BATCHING = (FOLDER / "batching.config").read_text()
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
DOCUMENTS = {
    each["kind"]: each for each in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
}
POD = DOCUMENTS["Deployment"]["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
FLAGS = dict(each.removeprefix("--").split("=", 1) for each in CONTAINER["args"])
LABELS = {"app.kubernetes.io/name": "graft", "app.kubernetes.io/component": "serving"}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_each_document_is_what_its_kind_may_hold(kind):
    document = DOCUMENTS[kind]
    version = document["apiVersion"].rpartition("/")[2]
    api = client.ApiClient()
    typed = api.deserialize(SimpleNamespace(data=json.dumps(document)), version.title() + kind)
    assert api.sanitize_for_serialization(typed) == document
    assert "namespace" not in document["metadata"]
    assert document["metadata"]["labels"] == LABELS


def test_the_server_reads_the_folder_that_the_tasks_push_to():
    settings = Kubeflow()
    volumes = {each["name"]: each for each in POD["spec"]["volumes"]}
    assert volumes["graft"]["persistentVolumeClaim"]["claimName"] == settings.volume.claim
    mounts = {each["name"]: each for each in CONTAINER["volumeMounts"]}
    assert set(mounts) == set(volumes)
    assert mounts["graft"]["mountPath"] == settings.volume.mount_path
    assert all(each["readOnly"] for each in mounts.values())
    name = FLAGS["model_name"]
    base = f"{settings.volume.mount_path}/runs/{name}/serving"
    assert FLAGS["model_base_path"] == base


def test_service_pods_and_probes_find_each_other():
    assert POD["metadata"]["labels"] == LABELS == DOCUMENTS["Service"]["spec"]["selector"]
    assert DOCUMENTS["Deployment"]["spec"]["selector"]["matchLabels"] == LABELS
    opened = {each["name"]: each["containerPort"] for each in CONTAINER["ports"]}
    assert opened == {"grpc": int(FLAGS["port"]), "rest": int(FLAGS["rest_api_port"])}
    for port in DOCUMENTS["Service"]["spec"]["ports"]:
        assert port["port"] == opened[port["targetPort"]]
    for probe in ("startupProbe", "readinessProbe"):
        path = CONTAINER[probe]["httpGet"]["path"]
        assert (path, CONTAINER[probe]["httpGet"]["port"]) == (
            f"/v1/models/{FLAGS['model_name']}", "rest"
        )  # fmt: skip
    assert CONTAINER["livenessProbe"]["tcpSocket"]["port"] == "grpc"


def test_the_server_has_bounds_and_no_privileges():
    assert CONTAINER["resources"]["requests"] and CONTAINER["resources"]["limits"]["memory"]
    assert POD["spec"]["securityContext"]["runAsNonRoot"]
    assert CONTAINER["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert CONTAINER["securityContext"]["readOnlyRootFilesystem"]
    assert not CONTAINER["securityContext"]["allowPrivilegeEscalation"]
    assert not POD["spec"]["automountServiceAccountToken"]


def test_one_image_of_one_version_everywhere():
    images = {CONTAINER["image"], COMPOSE["services"]["serving"]["image"]}
    images |= set(re.findall(r"tensorflow/serving:[\w.]+", GUIDE))
    (image,) = images
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", image)
    # Never older than the TensorFlow that writes the models.
    pinned = (ROOT / "requirements" / "tfx-1.21.txt").read_text()
    (writer,) = re.findall(r"^tensorflow==(\d+\.\d+)\.\d+", pinned, re.M)
    minor = image.partition(":")[2].rpartition(".")[0]
    assert [*map(int, minor.split("."))] >= [*map(int, writer.split("."))]


def test_the_batches_are_the_same_in_both_places():
    text = "".join(line for line in BATCHING.splitlines(True) if not line.startswith("#"))
    assert DOCUMENTS["ConfigMap"]["data"] == {"batching.config": text}
    said = dict(re.findall(r"^(\w+) \{ value: (\w+) \}$", text, re.M))
    # Fields of tensorflow.serving.BatchingParameters (session_bundle_config.proto, release 2.20).
    assert set(said) == {
        "max_batch_size", "max_execution_batch_size", "enable_large_batch_splitting",
        "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads",
    }  # fmt: skip
    assert len(said) == len(text.splitlines())
    assert int(said["max_batch_size"]) >= int(said["max_execution_batch_size"])
    assert FLAGS["batching_parameters_file"] == "/config/batching.config"


def test_compose_serves_one_task_to_this_machine_alone():
    service = COMPOSE["services"]["serving"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    models, batching = service["volumes"]
    assert models["source"].endswith("/${MODEL}/serving")
    assert models["target"] == "/models/${MODEL}"
    assert models["read_only"] and batching["read_only"]
    assert (FOLDER / batching["source"]).is_file()
    assert f"--batching_parameters_file={batching['target']}" in service["command"]
