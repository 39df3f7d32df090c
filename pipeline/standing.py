"""Where models stand now: registered under which aliases, served under which numbers."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from typing import Any

from components.content import content_hash as hash_of
from components.errors import ConfigError, RegistryError, ServingError, nearest
from components.files import absolute, exists, names, read_json
from components.pusher.push import newest
from components.pusher.versions import RECORD
from components.registry_pusher.registry import ModelVersion, Registry, get_registry
from pipeline.config_push import Push
from pipeline.lineage import GOOD_NODES, Run
from pipeline.places import Places
from pipeline.tracing import Model, Trace

_SHORTEST = 4  # characters of a content hash that may stand for all


@dataclasses.dataclass(frozen=True)
class Standing:
    """What registries and served folders hold now, and what runs have noted that is gone.

    Attributes:
      registered: by content hash: {registry, address, name, version, aliases [name], uri, there};
        `there` is None where the registry does not answer.
      served: by content hash, oldest first: {path, version, there, newest}; `there` is None where
        the folder cannot be read, `newest` is what is served of it.
      notes: a sentence for each registry that does not answer and each folder that is not read.
    """

    registered: dict[str, list[dict[str, Any]]]
    served: dict[str, list[dict[str, Any]]]
    notes: list[str]


def read_standing(runs: Sequence[Run], places: Places) -> Standing:
    """Asks every registry and looks into every served folder that a run's configuration names.

    Args:
      runs: of the pipeline, oldest first.
      places: where they lie.
    """
    registered, unanswered = _registered(runs, places)
    served, unread = _served(runs, places)
    return Standing(registered, served, [*unanswered, *unread])


def last_registry(runs: Sequence[Run], places: Places) -> dict[str, str] | None:
    """The {registry, address, name} on which `graft registry` acts: the last run's; None where it
    registers nothing."""
    spec = _spec(runs[-1], places)
    if spec["kind"] == "none":
        return None
    registry = get_registry(spec)
    return {
        "registry": registry.kind,
        "address": registry.address,
        "name": spec["model_name"],
    }


def find_model(trace: Trace, standing: Standing, places: Places, word: str) -> Model:
    """Returns the model that a person names.

    Args:
      trace: of all runs.
      standing: where models stand.
      places: where the runs lie; for messages.
      word: a version or an alias in the registry, the folder of a served version, a content hash
        or a unique beginning of one, a run id, or "last".

    Raises:
      ConfigError: it names none, or several; or the run that it names has no model.
    """
    found = [hash for hash, stands in standing.registered.items() if _is_called(stands, word)]
    folder = absolute(word).rstrip("/")
    found = found or [
        hash for hash, stands in standing.served.items() if folder in [s["path"] for s in stands]
    ]
    if not found and exists(os.path.join(folder, RECORD)):  # moved, or copied to who serves it
        found = [_content_of(folder)]
    known = trace.models
    if not found and len(word) >= _SHORTEST:
        found = [hash for hash in known if hash.startswith(word)]
    if len(found) > 1:
        raise ConfigError(
            f"{word}: stands for several models, {', '.join(found)}; give one of these"
        )
    runs = {run.id: run for run in trace.runs}
    run = trace.runs[-1] if word == "last" and trace.runs else runs.get(word)
    if not found and run:
        return _of_run(trace, run)
    if found and found[0] in known:
        return known[found[0]]
    if found:
        raise ConfigError(
            f"{word}: is the model {found[0]}, but no run in {places.home} has trained it; give "
            "the --runs and --name of those that did"
        )
    registered = [s for stands in standing.registered.values() for s in stands]
    words = [alias for s in registered for alias in s["aliases"]]
    words += [s["version"] for s in registered]
    raise ConfigError(
        f"{word}: {places.home} knows no such model{nearest(word, [*words, *known, *runs])}"
        + "".join(f" ({note})" for note in standing.notes)
    )


def _is_called(stands: Sequence[dict[str, Any]], word: str) -> bool:
    return any(word == one["version"] or word in one["aliases"] for one in stands)


def _of_run(trace: Trace, run: Run) -> Model:
    node = run.node("Trainer")
    artifact = node.output("model") if node.state in GOOD_NODES else None
    if artifact is None:
        raise ConfigError(
            f"run {run.id} has no model: its Trainer has not ended well; give a run that has "
            "trained one"
        )
    return next(model for model in trace.models.values() if model.is_in([artifact]))


def _registered(
    runs: Sequence[Run], places: Places
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    found: dict[str, list[dict[str, Any]]] = {}
    answered, notes = True, []
    for spec in _specs(runs, places):
        registry = get_registry(spec)
        try:
            versions = registry.versions(spec["model_name"])
        except RegistryError as e:
            answered = False
            notes.append(f"{e}; so aliases are not known, and versions as the runs noted them")
            continue
        for version in versions:
            found.setdefault(version.content_hash, []).append(_entry(registry, version))
    there = False if answered else None
    for run, content_hash, noted in _noted(runs, "RegistryPusher", "registration", "registered"):
        stands = found.setdefault(content_hash, [])
        said = {key: str(noted[key]) for key in ("registry", "name", "version")}
        said["address"] = get_registry(_spec(run, places)).address
        if not any(said.items() <= one.items() for one in stands):
            stands.append({**said, "aliases": [], "uri": None, "there": there})
    return found, notes


def _entry(registry: Registry, version: ModelVersion) -> dict[str, Any]:
    return {
        "registry": registry.kind,
        "address": registry.address,
        "name": version.name,
        "version": version.version,
        "aliases": version.aliases,
        "uri": version.uri,
        "there": True,
    }


def _specs(runs: Sequence[Run], places: Places) -> list[dict[str, Any]]:
    specs: list[dict[str, Any]] = []
    for run in runs:
        spec = _spec(run, places)
        if spec["kind"] != "none" and spec not in specs:
            specs.append(spec)
    return specs


def _spec(run: Run, places: Places) -> dict[str, Any]:
    return places.registry(Push.model_validate(run.config["push"]))


def _served(
    runs: Sequence[Run], places: Places
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    found: dict[str, list[dict[str, Any]]] = {}
    unread: dict[str, str] = {}
    folders = {places.serving(run.config["push"]["destination"]) for run in runs}
    for folder in sorted(folders):
        try:
            versions = list(_versions(folder))
        except (ServingError, OSError) as e:
            unread[folder] = f"{e}; so versions there are known as the runs noted them"
            continue
        for content_hash, version in versions:
            found.setdefault(content_hash, []).append(version)
    for _, content_hash, noted in _noted(runs, "Pusher", "pushed_model", "pushed"):
        stands = found.setdefault(content_hash, [])
        path = noted["pushed_destination"]
        if path not in {one["path"] for one in stands}:
            number = int(noted["pushed_version"])
            there = None if os.path.dirname(path) in unread else False
            stands.append({"path": path, "version": number, "there": there, "newest": False})
    return found, list(unread.values())


def _versions(folder: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What was pushed into a folder from here and is still there, by content hash."""
    served = newest(folder)
    for number in sorted(int(name) for name in names(folder) if name.isdecimal()):
        path = os.path.join(folder, str(number))
        is_newest = served is not None and number == served.version
        if exists(os.path.join(path, RECORD)):
            version = {"path": path, "version": number, "there": True, "newest": is_newest}
            yield _content_of(path), version


def _content_of(version: str) -> str:
    """The content hash of a pushed version, also where its record is damaged."""
    try:
        return str(read_json(os.path.join(version, RECORD))["content_hash"])
    except (ValueError, KeyError, TypeError):
        return hash_of(version)


def _noted(
    runs: Sequence[Run], node_id: str, key: str, flag: str
) -> Iterator[tuple[Run, str, dict[str, Any]]]:
    """The runs whose nodes have noted something of their models: of which, by content, and what."""
    for run in runs:
        node, model = run.node(node_id), run.output("Trainer", "model")
        said = node.output(key)
        if node.state in GOOD_NODES and model and said and said.properties.get(flag):
            yield run, model.properties.get("content_hash", ""), said.properties
