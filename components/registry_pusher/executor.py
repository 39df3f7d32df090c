"""Gathers what is known of a pushed model from its artifacts, and registers it."""

import json
import os
from typing import Any

from tfx.components.util import model_utils
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.content import git_commit
from components.files import absolute, read_json
from components.pusher.push import is_withdrawn
from components.pusher.versions import WITHDRAWN
from components.registry_pusher.registry import Entry, get_registry, write_registration


class Executor(base_executor.BaseExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Registers, or notes why not; raises RegistryError where the registry does not answer."""
        registration = artifact_utils.get_single_instance(output_dict["registration"])
        spec = json.loads(exec_properties["registry"])
        pushed = _single(input_dict, "pushed_model")
        reason = ""
        if spec["kind"] == "none":
            reason = "no registry is configured"
        elif _fact(pushed, "pushed") != 1 and _fact(pushed, "reason") != WITHDRAWN:
            reason = "the model was not pushed"
        if reason:
            registration.set_int_custom_property("registered", 0)
            registration.set_string_custom_property("reason", reason)
            return

        run_id = self._context.pipeline_run_id if self._context else None
        entry = _entry(input_dict, exec_properties, spec["model_name"], run_id or "")
        registry = get_registry(spec)
        # First without an alias: what was rolled back from needs its version, so that somebody can
        # promote it, and may be rolled back from while it is registered.
        registered = registry.register(entry, challenger=False)
        destination = os.path.dirname(entry.pushed_path)
        if entry.pushed_path and not is_withdrawn(destination, entry.content_hash):
            registry.register(entry, champion=exec_properties["champion"] == "push")
        path = os.path.join(registration.uri, "registration.json")
        write_registration(path, registry, registered, entry)
        registration.set_int_custom_property("registered", 1)
        registration.set_string_custom_property("registry", registry.kind)
        registration.set_string_custom_property("name", registered.name)
        registration.set_string_custom_property("version", registered.version)


def _entry(input_dict: dict, exec_properties: dict[str, Any], name: str, run_id: str) -> Entry:
    model, pushed = _single(input_dict, "model"), _single(input_dict, "pushed_model")
    evaluation, blessing = _single(input_dict, "evaluation"), _single(input_dict, "blessing")
    examples, preprocessing = _single(input_dict, "examples"), _single(input_dict, "preprocessing")
    span = _fact(examples, "span")
    counted = _file(evaluation, "metrics.json") or {}
    metrics = counted.get("overall") or _mapping(evaluation, "metrics")
    return Entry(
        name=name,
        content_hash=_fact(pushed, "content_hash"),
        model_path=absolute(path_utils.serving_model_dir(model.uri)),
        pushed_path=_fact(pushed, "pushed_destination") or "",
        run_id=run_id,
        pipeline=exec_properties["pipeline_name"],
        span=None if span is None else int(span),
        data_fingerprint=_fact(examples, "data_fingerprint") or "",
        counts={k: int(v) for k, v in _mapping(examples, "counts").items()},
        module_handle=_fact(model, "module_handle") or "",
        module_hash=_fact(model, "module_hash") or "",
        metrics={k: float(v) for k, v in metrics.items() if v is not None},
        intervals={k: v for k, v in counted.get("intervals", {}).get("overall", {}).items() if v},
        slices=counted.get("slices", {}),
        blessed=model_utils.is_model_blessed(blessing),
        blessing_reasons=(_file(blessing, "blessing.json") or {}).get("reasons", []),
        labels=_file(preprocessing, "labels.json") or [],
        image_size=(_file(preprocessing, "preprocessing.json") or {}).get("image_size", []),
        config=json.loads(exec_properties["config"]),
        # Asked here: as a property it would register anew whatever was registered, at each commit.
        git_commit=git_commit(),
        card=json.loads(exec_properties["card"]),
    )


def _single(input_dict: dict, key: str) -> Any:
    return artifact_utils.get_single_instance(input_dict[key])


def _fact(artifact: Any, name: str) -> Any:
    """A custom property as it was set, or else a property of the artifact's type, or None."""
    if artifact.has_custom_property(name):
        value = artifact.get_json_value_custom_property(name)
        return artifact.get_custom_property(name) if value is None else value
    if name in (artifact.PROPERTIES or {}):
        return getattr(artifact, name)
    return None


def _mapping(artifact: Any, name: str) -> dict[str, Any]:
    """A custom property that is a JSON value, or a text of one; empty where there is none."""
    value = _fact(artifact, name) or {}
    return json.loads(value) if isinstance(value, str) else value


def _file(artifact: Any, name: str) -> Any:
    """What a JSON file of an artifact holds, or None where there is none."""
    try:
        return read_json(os.path.join(artifact.uri, name))
    except OSError:
        return None
