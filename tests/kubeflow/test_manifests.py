"""The manifests of deploy/kubeflow: held to Kubernetes's own types, and to what tasks look for."""

import base64
import binascii
import json
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import yaml
from kubernetes import client

from pipeline.kubeflow.settings import Kubeflow

FOLDER = Path(__file__).parents[2] / "deploy/kubeflow"
FILES = sorted(FOLDER.glob("*.yaml"))
SETTINGS = Kubeflow()
LABEL = "app.kubernetes.io/name"


def documents(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


ALL = [pytest.param(each, id=each["kind"]) for path in FILES for each in documents(path)]


def one(kind: str, name: str) -> dict:
    (found,) = [
        each
        for path in FILES
        for each in documents(path)
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    return found


def container() -> dict:
    (found,) = one("StatefulSet", "graft-mysql")["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("document", ALL)
def test_each_document_is_what_its_kind_may_hold(document):
    # The client's types insist on required fields and drop unknown ones, which the way back shows.
    version = document["apiVersion"].rpartition("/")[2]
    body = SimpleNamespace(data=json.dumps(document))
    api = client.ApiClient()
    typed = api.deserialize(body, version.title() + document["kind"])
    assert api.sanitize_for_serialization(typed) == document


@pytest.mark.parametrize("document", ALL)
def test_each_document_goes_to_the_namespace_that_is_asked_for(document):
    assert "namespace" not in document["metadata"]
    assert document["metadata"]["labels"][LABEL] == "graft"


def test_the_volume_is_the_one_that_tasks_mount():
    claim = one("PersistentVolumeClaim", SETTINGS.volume.claim)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim["spec"]["resources"]["requests"]["storage"]


def test_the_image_has_a_folder_where_tasks_mount_the_volume():
    dockerfile = (FOLDER.parent / "Dockerfile").read_text()
    assert f" {SETTINGS.volume.mount_path} \\\n" in dockerfile


def test_the_secret_holds_the_keys_that_tasks_read():
    secret = one("Secret", SETTINGS.metadata.secret)
    assert {*secret["data"], *secret["stringData"]} == {"username", "password"}


def test_the_secret_is_refused_until_it_has_a_password():
    with pytest.raises(binascii.Error):
        base64.b64decode(one("Secret", SETTINGS.metadata.secret)["data"]["password"], validate=True)


def test_the_server_answers_under_the_address_of_the_settings():
    address = urlsplit(SETTINGS.metadata.uri)
    (port,) = one("Service", address.hostname)["spec"]["ports"]
    assert port["port"] == address.port
    (opened,) = container()["ports"]
    assert (opened["name"], opened["containerPort"]) == (port["targetPort"], address.port)
    given = {each["name"]: each.get("value") for each in container()["env"]}
    assert given["MARIADB_DATABASE"] == address.path.strip("/")


def test_the_server_knows_the_user_of_the_secret():
    from_secret = {
        each["name"]: (each["valueFrom"]["secretKeyRef"])
        for each in container()["env"]
        if "valueFrom" in each
    }
    secret = SETTINGS.metadata.secret
    assert from_secret == {
        "MARIADB_USER": {"name": secret, "key": "username"},
        "MARIADB_PASSWORD": {"name": secret, "key": "password"},
    }


def test_service_and_server_find_each_other():
    server, service = one("StatefulSet", "graft-mysql"), one("Service", "graft-mysql")
    labels = server["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert server["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert server["spec"]["serviceName"] == service["metadata"]["name"]


def test_the_server_mounts_volumes_that_it_has():
    spec = one("StatefulSet", "graft-mysql")["spec"]
    claims = [each["metadata"]["name"] for each in spec["volumeClaimTemplates"]]
    volumes = [each["name"] for each in spec["template"]["spec"]["volumes"]]
    assert sorted(each["name"] for each in container()["volumeMounts"]) == sorted(claims + volumes)


def test_the_server_has_probes_bounds_and_no_privileges():
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container())
    assert container()["resources"]["requests"] and container()["resources"]["limits"]
    pod = one("StatefulSet", "graft-mysql")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
    assert container()["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert not container()["securityContext"]["allowPrivilegeEscalation"]


def test_the_account_may_do_what_its_role_says_and_nothing_by_wildcard():
    binding = one("RoleBinding", "graft")
    assert binding["roleRef"]["name"] == one("Role", "graft")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "graft"}]
    assert one("ServiceAccount", "graft")
    for rule in one("Role", "graft")["rules"]:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        if {"secrets", "configmaps"} & set(rule["resources"]):
            assert rule["resourceNames"], "every secret of the namespace could be read"
