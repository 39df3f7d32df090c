"""The registered model of a task: its versions as people name them and compare them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.errors import ConfigError, RegistryError, nearest
from components.pusher.push import newest
from components.registry_pusher.registry import Entry, ModelVersion, Registry, get_registry
from pipeline import lineage
from pipeline.config_push import Push
from pipeline.places import Places
from pipeline.stores import open_store

SHORTEST_HASH = 4
"""As many characters of a content hash can name a version, where no other begins so."""


@dataclasses.dataclass(frozen=True)
class RegisteredModel:
    """Where a task's models are registered and served.

    Attributes:
      registry: the registry.
      name: the registered model's, there.
      destination: the served folder.
      keep: how many versions stay there.
    """

    registry: Registry
    name: str
    destination: str | Path
    keep: int

    def versions(self) -> list[ModelVersion]:
        """All versions, newest first.

        Raises:
          RegistryError: there are none, or the registry does not answer.
        """
        found = self.registry.versions(self.name)
        if not found:
            raise RegistryError(
                f"{self.registry.kind} at {self.registry.address}: has no versions of "
                f"{self.name!r}; a run registers what it pushes"
            )
        return found

    def served(self) -> dict[str, Any] | None:
        """What is served, as {"path", "version", "content_hash"}: the newest pushed version, and
        the registered one of that content, None where that is not registered; None without any."""
        found = newest(self.destination)
        if found is None:
            return None
        same = [
            it for it in self.registry.versions(self.name) if it.content_hash == found.content_hash
        ]
        return {
            "path": found.path,
            "version": same[0].version if same else None,
            "content_hash": found.content_hash,
        }


def registered_model(places: Places, push: Push | None = None) -> RegisteredModel:
    """The registered model of a task.

    Args:
      places: of the task.
      push: of its configuration; by default the last run's.

    Raises:
      ConfigError: it registers nothing, or has no run yet.
    """
    push = push or _last_push(places)
    spec = places.registry(push)
    if spec["kind"] == "none":
        raise ConfigError(
            f"{places.home}: its runs register nothing (push.registry is none); set it to mlflow "
            "and run again"
        )
    return RegisteredModel(
        get_registry(spec), spec["model_name"], places.serving(push.destination), push.keep
    )


def find_version(versions: Sequence[ModelVersion], word: str) -> ModelVersion:
    """The version that somebody means.

    Args:
      versions: all, at least one.
      word: a version, an alias, or the beginning of a content hash.

    Raises:
      RegistryError: there is no such version, or several; says which there are.
    """
    for it in versions:
        if word == it.version or word in it.aliases:
            return it
    meant = [it for it in versions if it.content_hash.startswith(word)]
    if len(meant) == 1 and len(word) >= SHORTEST_HASH:
        return meant[0]
    name = versions[0].name
    if len(meant) > 1 and len(word) >= SHORTEST_HASH:
        several = ", ".join(f"{it.version} ({it.content_hash})" for it in meant)
        raise RegistryError(f"{name}: {word!r} may be version {several}; write more of it")
    known = [name for it in versions for name in (it.version, *it.aliases)]
    raise RegistryError(
        f"{name}: has no version {word!r}{nearest(word, known)}; a version is named by its number, "
        "an alias, or its content hash"
    )


def compare(a: Entry, b: Entry) -> dict[str, Any]:
    """What makes two registered models different.

    Returns:
      metrics {name: {"a", "a_interval", "b", "b_interval", "difference"}}, difference being b - a,
      None where one of them is not known; config {flat key: [a, b]}, counts {split: [a, b]} and
      facts {name: [a, b]}, of what differs; labels {"gained", "lost"}: what b knows and a does
      not, and the other way round.
    """
    facts = ("data_fingerprint", "span", "module_handle", "module_hash", "image_size", "git_commit")
    ours, theirs = ({k: getattr(it, k) for k in facts} for it in (a, b))
    return {
        "metrics": {
            name: {
                "a": a.metrics.get(name),
                "a_interval": a.intervals.get(name),
                "b": b.metrics.get(name),
                "b_interval": b.intervals.get(name),
                "difference": b.metrics[name] - a.metrics[name]
                if name in a.metrics and name in b.metrics
                else None,
            }
            for name in {**a.metrics, **b.metrics}
        },
        "config": _differences(a.flat_config(), b.flat_config()),
        "counts": _differences(a.counts, b.counts),
        "facts": _differences(ours, theirs),
        "labels": {
            "gained": [label for label in b.labels if label not in a.labels],
            "lost": [label for label in a.labels if label not in b.labels],
        },
    }


def _differences(a: dict[str, Any], b: dict[str, Any]) -> dict[str, list[Any]]:
    return {key: [a.get(key), b.get(key)] for key in {**a, **b} if a.get(key) != b.get(key)}


def _last_push(places: Places) -> Push:
    store = open_store(places.metadata)
    runs = lineage.run_ids(store, places.name)
    if not runs:
        raise ConfigError(f"{places.home}: has no runs yet; `make run-local` makes one")
    return Push.model_validate(lineage.run_config(store, places.name, runs[-1])["push"])
