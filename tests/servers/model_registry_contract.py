"""What Kubeflow Model Registry publishes of its API, as tables: the part that we use.

Written down from api/openapi/model-registry.yaml of kubeflow/model-registry at tag v0.2.9, which is
`v1alpha3` at its narrowest, and from model-registry-v1.yaml of 27 July 2026, which is `v1`. Later
releases of v1alpha3 only add to it. A server refuses fields that it does not know.
"""

import json
import re
from typing import Any

_ID = "id"
_BASE = {"customProperties": "properties", "description": "text", "externalId": "text"}
_MADE = {"id": "text", "createTimeSinceEpoch": "text", "lastUpdateTimeSinceEpoch": "text"}
_MODEL = {**_BASE, "owner": "text", "state": "LIVE|ARCHIVED"}
_VERSION = {**_BASE, "author": "text", "state": "LIVE|ARCHIVED"}
_ARTIFACT = {
    **_BASE,
    "artifactType": "model-artifact",
    "uri": "text",
    "state": "UNKNOWN|PENDING|LIVE|MARKED_FOR_DELETION|DELETED|ABANDONED|REFERENCE",
    **dict.fromkeys(("modelFormatName", "modelFormatVersion", "storageKey", "storagePath"), "text"),
    "serviceAccountName": "text",
}
MESSAGES: dict[str, dict[str, str]] = {
    "RegisteredModelUpdate": _MODEL,
    "RegisteredModelCreate": {**_MODEL, "name": "name"},
    "RegisteredModel": {**_MODEL, "name": "name", **_MADE},
    "ModelVersionUpdate": _VERSION,
    "ModelVersionCreate": {**_VERSION, "name": "name", "registeredModelId": _ID},
    "ModelVersion": {**_VERSION, "name": "name", "registeredModelId": _ID, **_MADE},
    "ModelArtifactUpdate": _ARTIFACT,
    "Artifact": {**_ARTIFACT, "name": "text", **_MADE},
}
REQUIRED = {
    "RegisteredModelCreate": ("name",),
    "RegisteredModel": ("name",),
    "ModelVersionCreate": ("name", "registeredModelId"),
    "ModelVersion": ("name", "registeredModelId"),
    "ModelArtifactUpdate": ("artifactType",),
    "Artifact": ("artifactType",),
}
NEW_IN_V1 = {
    "RegisteredModel": ("readme", "maturity", "provider", "logo", "license", "libraryName"),
    "ModelArtifactUpdate": ("modelSourceKind", "modelSourceName", "modelSourceId"),
    "Artifact": ("modelSourceKind", "modelSourceName", "modelSourceId"),
}

_PAGE = {
    "pageSize": "number",
    "orderBy": "CREATE_TIME|LAST_UPDATE_TIME|ID",
    "sortOrder": "ASC|DESC",
    "nextPageToken": "text",
}
_NAMED = {"name": "query", "externalId": "query"}
CALLS: dict[tuple[str, str], tuple[dict[str, str], str | None, str, int]] = {
    ("GET", "registered_model"): (_NAMED, None, "RegisteredModel", 200),
    ("GET", "registered_models"): (_PAGE, None, "list of RegisteredModel", 200),
    ("POST", "registered_models"): ({}, "RegisteredModelCreate", "RegisteredModel", 201),
    ("GET", "registered_models/ID"): ({}, None, "RegisteredModel", 200),
    ("PATCH", "registered_models/ID"): ({}, "RegisteredModelUpdate", "RegisteredModel", 200),
    ("GET", "registered_models/ID/versions"): (
        {**_NAMED, **_PAGE},
        None,
        "list of ModelVersion",
        200,
    ),
    ("GET", "model_version"): ({**_NAMED, "parentResourceId": _ID}, None, "ModelVersion", 200),
    ("POST", "model_versions"): ({}, "ModelVersionCreate", "ModelVersion", 201),
    ("PATCH", "model_versions/ID"): ({}, "ModelVersionUpdate", "ModelVersion", 200),
    ("GET", "model_versions/ID/artifacts"): ({**_NAMED, **_PAGE}, None, "list of Artifact", 200),
    ("POST", "model_versions/ID/artifacts"): ({}, "Artifact", "Artifact", 201),
    ("PATCH", "model_artifacts/ID"): ({}, "ModelArtifactUpdate", "Artifact", 200),
}
"""By method and path below /api/model_registry/VERSION/: the query's parameters, the body's
message, the answer's, and its status."""

_VALUES = {"String": str, "Bool": bool, "Double": (int, float), "Int": str, "Struct": str}


def read(message: str, body: Any, version: str) -> dict[str, Any]:
    """Reads a message of an API version as its server does.

    Raises:
      ValueError: the body is off the contract, with the field.
    """
    if not isinstance(body, dict):
        raise ValueError(f"{message}: is no object")
    fields = dict(MESSAGES[message])
    if version == "v1":
        fields |= dict.fromkeys(NEW_IN_V1.get(message, ()), "text")
    for key, value in body.items():
        if key not in fields:
            raise ValueError(f"{message}: has no field {key}")
        check(fields[key], value, f"{message}.{key}", version)
    for key in REQUIRED.get(message, ()):
        if key not in body:
            raise ValueError(f"{message}.{key}: is required")
    return body


def check_list(message: str, body: Any, version: str) -> None:
    """Checks a list: its things and its page, all of which are required."""
    if not isinstance(body, dict) or set(body) != {"items", "nextPageToken", "pageSize", "size"}:
        raise ValueError(f"list of {message}: is none")
    for item in body["items"]:
        read(message, item, version)


def check(kind: str, value: Any, where: str, version: str) -> None:
    """Checks one value of a kind that the tables name."""
    if kind == "properties":
        if not isinstance(value, dict):
            raise ValueError(f"{where}: is no object")
        for key, held in value.items():
            _check_property(held, f"{where}.{key}", version)
        return
    pattern = {
        "text": r".*",
        "name": r".+",
        _ID: r"[1-9][0-9]{0,8}",
        "number": r"[1-9][0-9]{0,8}",
        "query": r"[\x20-\x7E]+",
    }.get(kind, kind)
    if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
        raise ValueError(f"{where}: is {value!r}, and no {kind}")


def _check_property(held: Any, where: str, version: str) -> None:
    """A custom property: one of several messages, told apart by `metadataType`."""
    kind = held.get("metadataType", "") if isinstance(held, dict) else ""
    match = re.fullmatch(r"Metadata(\w+)Value", kind)
    if not match or match[1] not in _VALUES:
        raise ValueError(f"{where}: {json.dumps(held)} has no metadataType that there is")
    field = f"{match[1].lower()}_value"
    if set(held) != {"metadataType", field}:
        raise ValueError(f"{where}: takes {field} and nothing else")
    value = held[field]
    if not isinstance(value, _VALUES[match[1]]) or (
        match[1] == "Double" and isinstance(value, bool)
    ):
        raise ValueError(f"{where}: is {value!r}, and no {match[1]}")
    if match[1] == "Int" and version == "v1" and not re.fullmatch(r"-?([1-9]\d{0,8}|0)", value):
        raise ValueError(f"{where}: {value} does not fit")
