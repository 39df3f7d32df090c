"""How an entry is written down in MLflow, and read back: tags of a version, parameters of a run."""

import datetime
import json
from collections.abc import Mapping
from typing import Any

from components.registry_pusher.registry import Entry, ModelVersion

# Set last: a version without it belongs to a registration that was killed.
COMPLETE = "registration"
# What the oldest servers take; newer ones take more.
LONGEST_TAG, LONGEST_PARAM = 5000, 500


def version_tags(entry: Entry) -> dict[str, str]:
    """The tags of a model version and of its MLflow run; facts that are not known are left out.

    `run_id` is the pipeline's, not MLflow's. `counts`, `metrics`, `labels`, `image_size` and
    `config` are JSON; a config that is too long for a tag stands in the run's entry.json only.
    """
    config = _json(entry.config)
    tags = {
        "content_hash": entry.content_hash,
        "run_id": entry.run_id,
        "pipeline": entry.pipeline,
        "span": "" if entry.span is None else str(entry.span),
        "data_fingerprint": entry.data_fingerprint,
        "counts": _json(entry.counts),
        "module_handle": entry.module_handle,
        "module_hash": entry.module_hash,
        "metrics": _json(entry.metrics),
        "blessed": _json(entry.blessed),
        "blessing_reasons": "; ".join(entry.blessing_reasons),
        "labels": _json(entry.labels),
        "image_size": _json(entry.image_size),
        "pushed_path": entry.pushed_path,
        "config": config if len(config) <= LONGEST_TAG else "",
    }
    return {key: _clipped(value, LONGEST_TAG) for key, value in tags.items() if value}


def run_params(entry: Entry) -> dict[str, str]:
    """The configuration as flat parameters: "train.batch_size" -> "32"."""
    return {key: _clipped(value, LONGEST_PARAM) for key, value in _flat(entry.config)}


def model_version(
    name: str,
    version: int | str,
    aliases: list[str],
    created: int,
    uri: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """A version as MLflow knows it, `created` in milliseconds since the epoch."""
    moment = datetime.datetime.fromtimestamp(created // 1000, datetime.UTC)
    return ModelVersion(
        name=name,
        version=str(version),
        aliases=sorted(aliases),
        created=moment.isoformat().replace("+00:00", "Z"),
        run_id=tags.get("run_id", ""),
        content_hash=tags.get("content_hash", ""),
        data_fingerprint=tags.get("data_fingerprint", ""),
        module={"handle": tags.get("module_handle", ""), "hash": tags.get("module_hash", "")},
        metrics=_parsed(tags.get("metrics")) or {},
        blessed=_parsed(tags.get("blessed")),
        uri=uri,
    )


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None  # somebody's own tag of that name


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _flat(values: Any, prefix: str = "") -> list[tuple[str, str]]:
    if isinstance(values, Mapping) and values:
        return [
            pair
            for key in sorted(values)
            for pair in _flat(values[key], f"{prefix}.{key}" if prefix else str(key))
        ]
    if not prefix:
        return []
    return [(prefix, values if isinstance(values, str) else _json(values))]
