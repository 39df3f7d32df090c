"""How an entry is written down in MLflow, and read back: tags of a version, parameters of a run."""

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any

from components.registry_pusher.model_card import model_card
from components.registry_pusher.registry import Entry, ModelVersion, as_json

# Set last: a version without it belongs to a registration that was killed.
COMPLETE = "registration"
CHAMPIONS = "champions"  # a tag of the registered model, not of a version
# What the oldest servers take; newer ones take more.
LONGEST_TAG, LONGEST_PARAM, LONGEST_DESCRIPTION = 5000, 500, 5000
LONGEST_KEY = 250


def version_tags(entry: Entry) -> dict[str, str]:
    """The tags of a model version and of its MLflow run; facts that are not known are left out.

    `run_id` is the pipeline's, not MLflow's. `counts`, `metrics`, `intervals`, `labels`,
    `image_size` and `config` are JSON; a config that is too long for a tag stands in the run's
    entry.json only, and slices always do.
    """
    config = as_json(entry.config)
    tags: dict[str, Any] = {
        **entry.facts(),
        "blessed": as_json(entry.blessed),
        "metrics": as_json(entry.metrics),
        "intervals": as_json(entry.intervals) if entry.intervals else "",
        "pushed_path": entry.pushed_path,
        "config": config if len(config) <= LONGEST_TAG else "",
    }
    return {key: _clipped(value, LONGEST_TAG) for key, value in tags.items() if value}


def run_tags(entry: Entry) -> dict[str, str]:
    """The tags of the MLflow run: the version's, and the commit where MLflow looks for it."""
    commit = {"mlflow.source.git.commit": entry.git_commit} if entry.git_commit else {}
    return {**version_tags(entry), **commit}


def run_metrics(entry: Entry) -> dict[str, float]:
    """The metrics, and the ends of their intervals: "accuracy", "accuracy_low", "accuracy_high"."""
    ends = {
        f"{name}_{end}": float(value)
        for name, interval in entry.intervals.items()
        for end, value in zip(("low", "high"), interval, strict=True)
    }
    return {**entry.metrics, **ends}


def description(entry: Entry) -> str:
    """The model card as MLflow's page shows it; one too long for that stands in the files whole."""
    card = model_card(entry)
    if len(card) <= LONGEST_DESCRIPTION:
        return card
    rest = "\n\nThe whole card is MODEL_CARD.md among the files."
    return card[: LONGEST_DESCRIPTION - len(rest)].rsplit("\n", 1)[0] + rest


def read_champions(text: str | None, champion: str | None) -> list[str]:
    """The list of champions, oldest first, from its tag and the alias, which is the truth.

    The version that has the alias ends the list: what stands behind it was written by a promotion
    that was killed before it moved the alias.
    """
    said = _parsed(text)
    versions = [str(version) for version in said] if isinstance(said, list) else []
    if champion is None:
        return []
    if champion in versions:
        return versions[: len(versions) - versions[::-1].index(champion)]
    return [*versions, champion]


def run_params(entry: Entry) -> dict[str, str]:
    """The configuration as flat parameters: "train.batch_size" -> "32".

    What MLflow takes in no name, such as the comma of a label, becomes "_".
    """
    return {
        re.sub(r"[^\w\-. :]", "_", key)[:LONGEST_KEY]: _clipped(value, LONGEST_PARAM)
        for key, value in entry.flat_config().items()
    }


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


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None  # somebody's own tag of that name


def _clipped(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
