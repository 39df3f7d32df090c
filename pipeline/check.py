"""Checks a configuration against what it names, before any work and without TensorFlow."""

import contextlib
import importlib.util
import io
from pathlib import Path
from typing import Any

from components.backbone.handles import (
    check_endpoint,
    check_size,
    check_train_mode,
    describe,
    matching,
    resolve,
)
from components.errors import BackboneError, ConfigError, nearest
from components.evaluator.slice_checks import split_key
from components.image_example_gen.sources import check_listing, list_spans, resolve_spans
from components.image_transform.policies import own_ops
from components.importing import import_object
from components.registry_pusher.addresses import (
    check_address,
    check_name,
    check_server,
    check_token,
)
from pipeline.config import Beam, Config
from pipeline.config_gate import Bound
from pipeline.places import Places

SMALLEST_BATCH = 8
"""Below it TensorFlow Hub's documentation advises against batch norm in training mode."""


def check(config: Config, places: Places) -> dict[str, Any]:
    """Checks all that can be known in a moment: the data's labels, the policy, the module's folder,
    the registry's address.

    Args:
      config: the task.
      places: where its runs would go.

    Returns:
      What a run would do: `name`, `images`, `notes` (sentences on how the source was read),
      `rejected` [{path, reason}] (inputs that are known already to be unusable), `classes` {label:
      count}, `backbone`, `image_size`, `augment`, `phases` (sentences), `thresholds` (sentences),
      `warnings` (sentences), `destination`, `registry`.

    Raises:
      DataError, ConfigError, BackboneError: with what is wrong and what to do.
    """
    registry = places.registry(config.push)
    if registry["kind"] == "mlflow":
        check_address(registry["uri"])
    elif registry["kind"] == "kubeflow":
        check_server(registry["uri"])
        if "token_path" in registry:
            check_token(registry["token_path"])
    if registry["kind"] != "none":
        check_name(registry["model_name"])
    if "://" not in config.model.backbone.handle:  # else it may have to be fetched
        resolve(config.model.backbone.handle)
    if config.data.schema_path and not Path(config.data.schema_path).is_file():
        raise ConfigError(
            f"data.schema_path: there is no file {config.data.schema_path}; give a schema.pbtxt, "
            "or remove the key to have it inferred"
        )
    data = config.data
    listing = list_spans(resolve_spans(data.source, data.spans))
    check_listing(listing, data.group_by, data.min_per_class, data.max_rejected)
    _check_slices(config, listing)
    epochs = config.train.max_epochs
    return {
        "name": config.name,
        "images": len(listing.entries),
        "notes": list(listing.notes),
        "rejected": [reject._asdict() for reject in listing.rejects],
        "classes": dict(sorted(listing.labels().items())),
        "backbone": config.model.backbone.handle,
        "image_size": list(config.transform.image_size),
        "augment": config.transform.augment,
        "phases": [
            f"{_part(phase.train)}: {_epochs(min(phase.epochs, epochs or phase.epochs))} "
            f"at {phase.learning_rate:g}"
            for phase in config.train.phases
        ],
        "thresholds": _thresholds(config),
        "warnings": [*find_warnings(config), *_empty_slices(config, listing)],
        "destination": places.serving(config.push.destination),
        "registry": registry,
    }


def find_warnings(config: Config) -> list[str]:
    """What is allowed and seldom meant, a sentence each."""
    said = []
    if config.trains_batch_norm and config.train.batch_size < SMALLEST_BATCH:
        said.append(
            f"train.batch_size {config.train.batch_size}: batch norm in training mode takes its "
            f"moments from so few pictures; give {SMALLEST_BATCH} or more, or set "
            "model.backbone.batch_norm to inference"
        )
    return said


def check_beam(beam: Beam) -> None:
    """Checks that Beam knows the runner and the options, which costs its import.

    Raises:
      ConfigError: it does not; it would pass over an unknown option without a word.
    """
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners import create_runner

    try:
        create_runner(beam.runner)
    except (ImportError, AttributeError, ValueError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(f"beam.runner: {beam.runner} cannot be had ({reason})") from None
    known = PipelineOptions([]).get_all_options()
    for name in beam.options:
        if name not in known:
            raise ConfigError(
                f"beam.options: Beam has no option {name!r}{nearest(name, list(known))}"
            )
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            PipelineOptions(beam.arguments()).get_all_options()
    except SystemExit:  # how its parser says that a value is wrong
        reason = said.getvalue().strip().rpartition("error: ")[2]
        raise ConfigError(f"beam.options: {reason}") from None


def check_module(config: Config) -> None:
    """Looks into the module itself, which costs TensorFlow's import and a load.

    Raises:
      BackboneError: the handle leads to no module, or the module cannot be trained as configured,
        lacks the auxiliary endpoint, or takes pictures of another size.
      ConfigError: a head, a loss, a run_fn or an op of one's own that cannot be used; a runner or
        an option that Beam does not know.
    """
    check_beam(config.beam)
    if own_ops(config.transform.augment):
        from components.image_transform.augmentation import get_policy
        from components.image_transform.preprocessing import Frame

        get_policy(config.transform.augment, Frame(config.transform.image_size))
    for key in ("model.head", "model.loss", "train.run_fn"):
        section, name = key.split(".")
        import_object(getattr(getattr(config, section), name), key)
    handle = config.model.backbone.handle
    module = describe(resolve(handle))
    check_size(module.image_size, config.transform.image_size, handle)
    if config.trains_batch_norm:
        check_train_mode(module.trainable, handle)
    if not config.frozen and not module.variables:
        raise BackboneError(
            f"module {handle}: has no trainable variables, so there is nothing to fine-tune; keep "
            "the backbone frozen (train.phases of the head alone)"
        )
    for phase in config.train.phases:
        if not isinstance(phase.train, str):
            matching(phase.train, module.variables, handle)
    if config.model.auxiliary_head:
        endpoint = config.model.auxiliary_head.endpoint
        check_endpoint(endpoint, module.endpoints, handle, spatial=True)
        # Here, because they import TensorFlow.
        from components.backbone.backbone import load_backbone
        from components.trainer.network import check_room, endpoint_shapes

        backbone = load_backbone(handle, batch_norm="inference")
        shapes = endpoint_shapes(backbone, config.transform.image_size)
        check_room(endpoint, shapes, handle, config.transform.image_size)


def _check_slices(config: Config, listing: Any) -> None:
    columns = {"label", "picture_size", *listing.columns}
    sliced = [split_key(key, columns)[0] for key in config.evaluate.slice_thresholds]
    for key, names in (("slices", config.evaluate.slices), ("slice_thresholds", sliced)):
        for name in names:
            if name not in columns:
                raise ConfigError(
                    f"evaluate.{key}: the data has no column {name!r}; "
                    f"it has: {', '.join(sorted(columns))}"
                )


def _empty_slices(config: Config, listing: Any) -> list[str]:
    """A sentence for each part of the test split that is judged and has no picture to judge by."""
    said = []
    for key in config.evaluate.slice_thresholds:
        name, value = split_key(key, {"label", "picture_size", *listing.columns})
        if value is None or name == "picture_size":
            continue
        values = {e.label if name == "label" else e.columns.get(name, "") for e in listing.entries}
        if value not in values:
            known = nearest(value, sorted(values))
            said.append(f"evaluate.slice_thresholds.{key}: no picture has that {name}{known}")
    return said


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{number} epochs"


def _part(train: str | tuple[str, ...]) -> str:
    return train if isinstance(train, str) else f"head and {' '.join(train)}"


def _thresholds(config: Config) -> list[str]:
    """What both gates ask, a sentence each."""
    evaluate = config.evaluate
    said = [s for metric, limit in evaluate.thresholds.items() for s in _limits(metric, limit)]
    for key, thresholds in evaluate.slice_thresholds.items():
        of = key if "=" in key else f"each {key}"
        said += [f"of {of}, {s}" for m, limit in thresholds.items() for s in _limits(m, limit)]
    if robustness := evaluate.robustness:
        damaged = f"under {', '.join(robustness.corruptions)} up to severity {robustness.severity}"
        limits = [s for m, limit in robustness.thresholds.items() for s in _limits(m, limit)]
        said += [f"{damaged}, {sentence}" for sentence in limits]
    for most, what, unit in (
        (config.serving.max_load_seconds, "loading in at most", "s"),
        (config.serving.max_memory_mb, "memory at most", "MB"),
        (config.serving.max_latency_ms, "a picture in at most", "ms"),
    ):
        if most is not None:
            said.append(f"served, {what} {most:g} {unit}")
    return said


def _limits(metric: str, limit: Bound) -> list[str]:
    said = []
    if limit.at_least is not None:
        said.append(f"{metric} at least {limit.at_least:g}")
    if limit.at_most is not None:
        said.append(f"{metric} at most {limit.at_most:g}")
    for word, what in (
        ("no_worse_than_blessed_by", "the latest blessed model's"),
        ("no_worse_than_clean_by", "undamaged"),
    ):
        if (allowed := getattr(limit, word, None)) is not None:
            said.append(f"{metric} at most {allowed:g} worse than {what}")
    return said


def tfx_is_installed() -> bool:
    """Whether the environment can run pipelines at all."""
    return importlib.util.find_spec("tfx") is not None
