"""How an entry is written down in Kubeflow Model Registry, and read back: custom properties.

A version shows what people look at and filter by, each fact by itself. Its artifact holds the
whole entry, as one JSON text.
"""

import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

from mr_openapi import MetadataValue
from mr_openapi import ModelVersion as KubeflowVersion

from components.harmless import harmless_json
from components.registry_pusher.registry import Entry, ModelVersion

Properties = dict[str, MetadataValue]

METRIC = "metric_"


def address_of(entry: Entry) -> str:
    """Where the model lies: the registry itself keeps no files."""
    return entry.pushed_path or entry.model_path


def version_properties(entry: Entry) -> Properties:
    """The facts that a version shows; what is not known is left out.

    Metrics are numbers, `metric_accuracy` and the like, so that a filter can compare them.
    `counts`, `labels` and `image_size` are JSON.
    """
    facts: dict[str, Any] = {
        **entry.facts(),
        "uri": address_of(entry),
        **{METRIC + name: float(value) for name, value in entry.metrics.items()},
    }
    return {key: value_of(fact) for key, fact in facts.items() if fact != "" and _is_json(fact)}


def artifact_properties(entry: Entry) -> Properties:
    """The facts that an artifact holds: the content's hash and the whole entry."""
    return {
        "content_hash": value_of(entry.content_hash),
        "entry": value_of(harmless_json(entry.to_json())),
    }


def entry_from(properties: Properties | None) -> Entry | None:
    """The entry that `artifact_properties` wrote down; None where something else stands there."""
    try:
        return Entry.from_json(json.loads(text_of(properties, "entry")))
    except (ValueError, TypeError, AttributeError):
        return None


def model_version(
    name: str, version: KubeflowVersion, aliases: Mapping[str, str], uri: str
) -> ModelVersion:
    """A version as the server gives it, its time in milliseconds since the epoch.

    Args:
      name: the registered model's.
      version: the server's.
      aliases: version by alias.
      uri: where it lies.
    """
    properties = version.custom_properties
    moment = datetime.datetime.fromtimestamp(
        int(version.create_time_since_epoch or 0) // 1000, datetime.UTC
    )
    blessed = _plain(properties, "blessed")
    return ModelVersion(
        name=name,
        version=version.name,
        aliases=sorted(alias for alias, number in aliases.items() if number == version.name),
        created=moment.isoformat().replace("+00:00", "Z"),
        run_id=text_of(properties, "run_id"),
        content_hash=text_of(properties, "content_hash"),
        data_fingerprint=text_of(properties, "data_fingerprint"),
        module={
            "handle": text_of(properties, "module_handle"),
            "hash": text_of(properties, "module_hash"),
        },
        metrics={
            key.removeprefix(METRIC): float(value)
            for key in properties or {}
            if key.startswith(METRIC)
            if isinstance(value := _plain(properties, key), float | int)
        },
        blessed=blessed if isinstance(blessed, bool) else None,
        uri=uri,
    )


def value_of(fact: str | bool | float) -> MetadataValue:
    """A fact as a custom property: a text, a truth value or a number."""
    kind = {str: "String", bool: "Bool", float: "Double"}[type(fact)]
    return MetadataValue.from_dict(
        {f"{kind.lower()}_value": fact, "metadataType": f"Metadata{kind}Value"}
    )


def text_of(properties: Properties | None, key: str) -> str:
    """A custom property that is a text; "" where there is none."""
    value = _plain(properties, key)
    return value if isinstance(value, str) else ""


def _plain(properties: Properties | None, key: str) -> Any:
    held = (properties or {}).get(key)
    if held is None or held.actual_instance is None:
        return None
    kind = held.actual_instance.metadata_type.removeprefix("Metadata").removesuffix("Value")
    return getattr(held.actual_instance, f"{kind.lower()}_value")


def _is_json(fact: Any) -> bool:
    """Whether JSON has a word for it: it has none for a loss that is no number."""
    return not isinstance(fact, float) or math.isfinite(fact)
