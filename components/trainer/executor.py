"""From artifacts to a training function and back."""

import hashlib
import json
import logging
import os
import uuid
from typing import Any

import filelock
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import path_utils

from components.content import content_hash
from components.files import empty, read_json
from components.importing import import_object
from components.progress import Progress
from components.trainer.fn_args import FnArgs
from components.trainer.records import record_files
from components.trainer.warm_start import weights_folder

LOCK_SECONDS = 150.0
"""Longer than NFS takes to give up a client that is gone (90 s by default)."""


class Executor(base_executor.BaseExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Runs the training function."""
        run_fn = import_object(exec_properties["run_fn"], "train.run_fn")
        model = artifact_utils.get_single_instance(output_dict["model"])
        model_run = artifact_utils.get_single_instance(output_dict["model_run"])
        for artifact in (model, model_run):
            empty(artifact.uri)

        earlier = _warm_start(input_dict, exec_properties)
        checkpoints, lock = _checkpoints(input_dict, exec_properties)
        fn_args = FnArgs(
            train_files=_files(input_dict["transformed_examples"], "train"),
            eval_files=_files(input_dict["examples"], "eval"),
            train_feature_files=_files(input_dict.get("features", []), "train"),
            eval_feature_files=_files(input_dict.get("features", []), "eval"),
            preprocessing=artifact_utils.get_single_uri(input_dict["preprocessing"]),
            model=json.loads(exec_properties["model_section"]),
            train=json.loads(exec_properties["train_section"]),
            seed=exec_properties["seed"],
            checkpoints=checkpoints,
            serving_model=path_utils.serving_model_dir(model.uri),
            weights=weights_folder(model.uri),
            warm_start=weights_folder(earlier.uri) if earlier else "",
            model_run=model_run.uri,
            progress=lambda total: Progress(self._get_tmp_dir(), "images", total),
        )
        with lock:
            run_fn(fn_args)

        model.set_string_custom_property("content_hash", content_hash(fn_args.serving_model))
        model.set_string_custom_property("module_handle", fn_args.model["backbone"]["handle"])
        model.set_string_custom_property("module_hash", exec_properties["module_hash"])
        model.set_int_custom_property("images", _images(fn_args))
        facts = [artifact.uri for artifact in input_dict.get("facts", [])]
        before = json.loads(earlier.get_string_custom_property("learnt_from")) if earlier else []
        model.set_string_custom_property("learnt_from", json.dumps([*before, *facts]))
        model.set_string_custom_property("head", fn_args.model["head"])
        model.set_string_custom_property("began_from", earlier.uri if earlier else "")
        # They go once the execution is on record: `pipeline/finish.py`.
        model.set_string_custom_property("checkpoints", os.path.basename(fn_args.checkpoints))


def _warm_start(input_dict: dict, exec_properties: dict[str, Any]) -> Any:
    """The model to begin from, or None: one on another module, or with another head, has no weights
    for this one."""
    (model,) = input_dict.get("warm_start") or [None]
    if model is None:
        return None
    head = json.loads(exec_properties["model_section"])["head"]
    for name, value in (("module_hash", exec_properties["module_hash"]), ("head", head)):
        if model.get_string_custom_property(name) != value:
            logging.warning("%s has another %s: the training begins anew", model.uri, name)
            return None
    return model


def _files(artifacts: list, split: str) -> tuple[str, ...]:
    return tuple(file for artifact in artifacts for file in record_files(artifact.uri, split))


def _checkpoints(
    input_dict: dict, exec_properties: dict[str, Any]
) -> tuple[str, filelock.BaseFileLock]:
    """A folder that is the same for the same work, whichever execution does it, and its lock,
    held; a folder of its own where another execution is doing that work right now."""
    inputs = {key: sorted(a.uri for a in artifacts) for key, artifacts in input_dict.items()}
    work = json.dumps([inputs, exec_properties], sort_keys=True, default=str)
    name = hashlib.sha256(work.encode()).hexdigest()[:16]
    place = exec_properties["checkpoints"]
    os.makedirs(place, exist_ok=True)
    # The lock is the kernel's: it goes with a killed process, and the retry finds it free.
    lock = filelock.FileLock(os.path.join(place, f".{name}.lock"))
    try:
        # Not at once: of a machine that was lost, a network's file system keeps locks for a while.
        lock.acquire(timeout=LOCK_SECONDS)
    except filelock.Timeout:
        logging.warning(
            "%s: another execution trains the same; this one begins anew", lock.lock_file
        )
        name = f"{name}-{uuid.uuid4().hex[:8]}"
        lock = filelock.FileLock(os.path.join(place, f".{name}.lock"))
        lock.acquire()
    return os.path.join(place, name), lock


def _images(fn_args: FnArgs) -> int:
    history = read_json(os.path.join(fn_args.model_run, "history.json"))
    return sum(entry["images"] for entry in history)
