"""What Kubeflow Pipelines publishes of its API v2beta1, as tables: the part that we use.

Written down from backend/api/v2beta1/swagger/*.swagger.json of kubeflow/pipelines at tag 2.17.0
(commit 4a3592cb2dd0). What the swagger leaves open is what its server does: protobuf's JSON
(both spellings of a field, numbers or names of an enum, unknown fields refused).

The swagger and the SDK differ in `max_concurrency` and `interval_second`: texts there, since
protobuf writes 64-bit numbers so, and integers from the SDK. The server reads both, and writes
texts.
"""

import datetime
import re
from typing import Any

ENUMS = {
    "Mode": ("MODE_UNSPECIFIED", "ENABLE", "DISABLE"),
    "Status": ("STATUS_UNSPECIFIED", "ENABLED", "DISABLED"),
    "Storage": ("STORAGE_STATE_UNSPECIFIED", "AVAILABLE", "ARCHIVED"),
    "RuntimeState": (
        "RUNTIME_STATE_UNSPECIFIED",
        "PENDING",
        "RUNNING",
        "SUCCEEDED",
        "SKIPPED",
        "FAILED",
        "CANCELING",
        "CANCELED",
        "PAUSED",
    ),
    "Operation": (
        "OPERATION_UNSPECIFIED",
        "EQUALS",
        "NOT_EQUALS",
        "GREATER_THAN",
        "",  # no operation has the number 4
        "GREATER_THAN_EQUALS",
        "LESS_THAN",
        "LESS_THAN_EQUALS",
        "IN",
        "IS_SUBSTRING",
    ),
    "Propagation": (
        "DELETE_PROPAGATION_POLICY_UNSPECIFIED",
        "FOREGROUND",
        "BACKGROUND",
        "ORPHAN",
    ),
}

_SOURCE = {
    "pipeline_version_id": "text",
    "pipeline_spec": "object",
    "pipeline_version_reference": "PipelineVersionReference",
    "runtime_config": "RuntimeConfig",
    "service_account": "text",
    "plugins_input": "object",
}
MESSAGES: dict[str, dict[str, str]] = {
    "Experiment": {
        "experiment_id": "text",
        "display_name": "text",
        "description": "text",
        "created_at": "time",
        "namespace": "text",
        "storage_state": "Storage",
        "last_run_created_at": "time",
    },
    "Pipeline": {
        "pipeline_id": "text",
        "display_name": "text",
        "name": "text",
        "description": "text",
        "created_at": "time",
        "namespace": "text",
        "error": "object",
        "tags": "object",
    },
    "PipelineVersionReference": {"pipeline_id": "text", "pipeline_version_id": "text"},
    "RuntimeConfig": {"parameters": "object", "pipeline_root": "text"},
    "CronSchedule": {"start_time": "time", "end_time": "time", "cron": "text"},
    "PeriodicSchedule": {"start_time": "time", "end_time": "time", "interval_second": "int64"},
    "Trigger": {"cron_schedule": "CronSchedule", "periodic_schedule": "PeriodicSchedule"},
    "RecurringRun": {
        **_SOURCE,
        "recurring_run_id": "text",
        "display_name": "text",
        "description": "text",
        "max_concurrency": "int64",
        "trigger": "Trigger",
        "mode": "Mode",
        "created_at": "time",
        "updated_at": "time",
        "status": "Status",
        "error": "object",
        "no_catchup": "bool",
        "namespace": "text",
        "experiment_id": "text",
    },
    "Run": {
        **_SOURCE,
        "experiment_id": "text",
        "run_id": "text",
        "display_name": "text",
        "storage_state": "Storage",
        "description": "text",
        "created_at": "time",
        "scheduled_at": "time",
        "finished_at": "time",
        "state": "RuntimeState",
        "error": "object",
        "run_details": "object",
        "recurring_run_id": "text",
        "state_history": "list",
        "plugins_output": "object",
    },
    "Filter": {"predicates": "list of Predicate"},
    "Predicate": {
        "operation": "Operation",
        "key": "text",
        "int_value": "int32",
        "long_value": "int64",
        "string_value": "text",
        "timestamp_value": "time",
        "int_values": "object",
        "long_values": "object",
        "string_values": "object",
    },
}

REQUIRED = {
    "Experiment": ("display_name",),
    "Pipeline": ("display_name|name",),
    "RecurringRun": ("display_name", "trigger", "max_concurrency", "mode"),
    "Run": ("display_name", "runtime_config"),
}
"""What the swagger's descriptions, or the server, want in a request; a|b: one of them."""

_LIST = {"page_token": "text", "page_size": "int32", "sort_by": "text", "filter": "Filter"}
_UPLOAD = dict.fromkeys(("name", "display_name", "description", "tags", "code_source_url"), "text")
_RUN = {"experiment_id": "text"}

CALLS: dict[tuple[str, str], tuple[dict[str, str], str | None]] = {
    ("GET", "healthz"): ({}, None),
    ("GET", "experiments"): ({**_LIST, "namespace": "text"}, None),
    ("POST", "experiments"): ({}, "Experiment"),
    ("GET", "pipelines"): ({**_LIST, "namespace": "text"}, None),
    ("POST", "pipelines"): ({}, "Pipeline"),
    ("POST", "pipelines/upload_version"): ({**_UPLOAD, "pipelineid": "text"}, "file"),
    ("GET", "pipelines/ID/versions"): (_LIST, None),
    ("GET", "runs"): ({**_LIST, "namespace": "text", "experiment_id": "text"}, None),
    ("POST", "runs"): (_RUN, "Run"),
    ("GET", "runs/ID"): (_RUN, None),
    ("GET", "recurringruns"): ({**_LIST, "namespace": "text", "experiment_id": "text"}, None),
    ("POST", "recurringruns"): ({}, "RecurringRun"),
    ("GET", "recurringruns/ID"): ({}, None),
    ("DELETE", "recurringruns/ID"): ({"propagation_policy": "Propagation"}, None),
    ("POST", "recurringruns/ID:enable"): ({}, None),
    ("POST", "recurringruns/ID:disable"): ({}, None),
}
"""By method and path below /apis/v2beta1/: the query's parameters, and the body's message."""

ONE_OF = (
    ("cron_schedule", "periodic_schedule"),
    ("pipeline_version_id", "pipeline_spec", "pipeline_version_reference"),
    tuple(name for name in MESSAGES["Predicate"] if "value" in name),
)


def read(message: str, body: Any, where: str = "") -> dict[str, Any]:
    """Reads a message as the server does: fields by their proto names, null as absent.

    Raises:
      ValueError: the body is off the contract, with the field.
    """
    where = where or message
    if not isinstance(body, dict):
        raise ValueError(f"{where}: is no object")
    fields, found = MESSAGES[message], {}
    for key, value in body.items():
        name = re.sub("(?<=[a-z])([A-Z])", lambda m: "_" + m[1].lower(), key)
        if name not in fields:
            raise ValueError(f"{where}: has no field {key}")
        if name in found:
            raise ValueError(f"{where}.{name}: stands twice")
        if value is not None:
            found[name] = value_of(fields[name], value, f"{where}.{name}")
    for group in ONE_OF:
        if len(set(group) & set(found) & set(fields)) > 1:
            raise ValueError(f"{where}: takes one of {', '.join(group)}")
    return found


def value_of(kind: str, value: Any, where: str) -> Any:
    """Reads one value of a kind that the tables name; of a message, an enum, or a plain one."""
    if kind in MESSAGES:
        return read(kind, value, where)
    if kind in ENUMS:
        names = [name for name in ENUMS[kind] if name]
        if isinstance(value, int) and 0 <= value < len(ENUMS[kind]) and ENUMS[kind][value]:
            return ENUMS[kind][value]
        return _checked(value in names, value, where, "one of " + ", ".join(names))
    if kind in ("int32", "int64"):
        number = str(value).removesuffix(".0")
        good = re.fullmatch(r"-?\d+", number) and not isinstance(value, bool)
        return int(_checked(bool(good), number, where, "a whole number"))
    if kind == "time":
        try:
            return datetime.datetime.fromisoformat(value).isoformat()
        except (TypeError, ValueError):
            raise ValueError(f"{where}: is no time of RFC 3339, but {value!r}") from None
    if kind.startswith("list of "):
        items = _checked(isinstance(value, list), value, where, "a list")
        return [value_of(kind.removeprefix("list of "), item, where) for item in items]
    python = {"text": str, "bool": bool, "object": dict, "list": list}[kind]
    return _checked(isinstance(value, python), value, where, f"of kind {kind}")


def _checked(good: bool, value: Any, where: str, what: str) -> Any:
    if not good:
        raise ValueError(f"{where}: is to be {what}, and not {value!r}")
    return value
