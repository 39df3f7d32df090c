"""Predicts the test split, counts, decides, and writes it all down."""

import json
import os
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.evaluator import damaged, predictions, robustness, tfma_files
from components.evaluator.checks import Found
from components.evaluator.decision import Decision, decide
from components.evaluator.evaluation import PICTURE_SIZE, Evaluation, evaluate
from components.evaluator.slice_checks import split_key
from components.files import remove, split_files, write_json
from components.progress import Progress
from components.records import read_records


class Executor(base_beam_executor.BaseBeamExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Evaluates; a model that is not good enough is a result, not an error.

        Raises:
          EvaluationError: a model or a picture cannot be read, a slice names no column, or the
            model's probabilities are not finite.
        """
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        facts = artifact_utils.get_single_instance(input_dict["facts"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline_model") or []), None)
        asked, seed = json.loads(exec_properties["evaluate"]), exec_properties["seed"]

        files = split_files(artifact_utils.get_split_uri([examples], "test"))
        rows, scores = predictions.predict(
            files,
            [path_utils.serving_model_path(m.uri) for m in (model, baseline) if m],
            self._progress(examples).add,
        )
        for name in examples.get_json_value_custom_property("columns") or []:
            rows.add_column(name)
        known = {"label", PICTURE_SIZE, *rows.columns}
        compared = [split_key(key, known)[0] for key in asked["slice_thresholds"]]
        slices = list(dict.fromkeys([*asked["slices"], *compared]))
        if PICTURE_SIZE in slices:
            rows.add_picture_sizes(_sizes(artifact_utils.get_split_uri([facts], "test")))
        candidate, blessed = scores[0], scores[1] if baseline else None
        why_none = "there is no blessed model yet"
        if blessed and blessed.without_sense:
            baseline = blessed = None
            why_none = "the blessed model's own probabilities are not finite (NaN or infinite)"
        fewest = asked["min_images"]
        found = evaluate(
            rows, candidate, blessed, slices, compared=compared, fewest=fewest, seed=seed
        )
        whole, parts = _found(found)
        decision = decide(
            asked["thresholds"],
            whole,
            asked["slice_thresholds"],
            parts,
            fewest=fewest,
            why_none=why_none,
            on_tie=asked["on_tie"],
            may_lose_classes=asked["may_lose_classes"],
        )
        if asked["robustness"]:
            found.metrics["robustness"] = damaged.measure(
                files, path_utils.serving_model_path(model.uri), rows, seed, asked["robustness"]
            )
            decision = decision.joined(
                robustness.judge(
                    found.metrics["robustness"],
                    asked["robustness"]["thresholds"],
                    asked["robustness"]["severity"],
                )
            )

        evaluation = artifact_utils.get_single_instance(output_dict["evaluation"])
        tfma_files.write_tfma(
            evaluation.uri, rows, candidate, blessed, slices, self._make_beam_pipeline
        )
        write_json(evaluation.uri, "metrics.json", found.metrics)
        overall = {k: v for k, v in found.metrics["overall"].items() if v is not None}
        evaluation.set_json_value_custom_property("metrics", overall)
        evaluation.set_int_custom_property("images", len(rows.ids))
        said = artifact_utils.get_single_instance(output_dict["predictions"])
        predictions.write(said.uri, rows, candidate)
        said.set_int_custom_property("images", len(rows.ids))
        _bless(
            artifact_utils.get_single_instance(output_dict["blessing"]), decision, model, baseline
        )

    def _progress(self, examples: types.Artifact) -> Progress:
        counts = examples.get_json_value_custom_property("counts") or {}
        return Progress(
            self._get_tmp_dir() if self._context else None,
            # A protobuf Struct, in which TFX keeps them, knows floats only.
            total=int(counts["test"]) if "test" in counts else None,
        )


def _sizes(folder: str) -> dict[str, tuple[int, int]]:
    """Width and height in pixels by id, from the facts of a split."""
    sizes = {}
    for record in read_records(split_files(folder)).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        width, height = (features[side].int64_list.value[0] for side in ("width", "height"))
        sizes[features["id"].bytes_list.value[0].decode()] = width, height
    return sizes


def _found(evaluation: Evaluation) -> tuple[Found, dict[str, dict[str, Found]]]:
    """What `decide` is asked about: the whole test split, and each slice by value."""
    metrics, ranges = evaluation.metrics, evaluation.metrics["intervals"]
    whole = Found(metrics["overall"], ranges["overall"], evaluation.comparison)
    return whole, {
        name: {
            value: Found(
                said,
                ranges["slices"][name].get(value, {}),
                evaluation.slices.get(name, {}).get(value),
                said["groups"],
            )
            for value, said in of_value.items()
        }
        for name, of_value in metrics["slices"].items()
    }


def _bless(
    blessing: types.Artifact,
    decision: Decision,
    model: types.Artifact,
    baseline: types.Artifact | None,
) -> None:
    """Writes the decision as TFX's Evaluator does, so that TFX's own nodes understand it."""
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if decision.blessed else constants.NOT_BLESSED_VALUE,
    )
    files = [constants.NOT_BLESSED_FILE_NAME, constants.BLESSED_FILE_NAME]
    for name in files:  # a killed execution may have left its own verdict here
        remove(os.path.join(blessing.uri, name))
    io_utils.write_string_file(os.path.join(blessing.uri, files[decision.blessed]), "")
    write_json(blessing.uri, "blessing.json", decision.to_json())
