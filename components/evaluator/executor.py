"""Predicts the test split, counts, decides, and writes it all down."""

import json
import os
from typing import Any

from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.evaluator import predictions, tfma_files
from components.evaluator.decision import Decision, decide
from components.evaluator.evaluation import evaluate
from components.files import remove, split_files, write_json
from components.progress import Progress


class Executor(base_beam_executor.BaseBeamExecutor):
    """See component.py for inputs, outputs and properties."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:
        """Evaluates; a model that is not good enough is a result, not an error.

        Raises:
          EvaluationError: a model or a picture cannot be read, a slice names no column, or the
            model's probabilities are not finite.
        """
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline_model") or []), None)
        thresholds = json.loads(exec_properties["thresholds"])
        slices = json.loads(exec_properties["slices"])

        folder = artifact_utils.get_split_uri([examples], "test")
        counts = examples.get_json_value_custom_property("counts") or {}
        progress = Progress(
            self._get_tmp_dir() if self._context else None,
            # A protobuf Struct, in which TFX keeps them, knows floats only.
            total=int(counts["test"]) if "test" in counts else None,
        )
        rows, scores = predictions.predict(
            split_files(folder),
            [path_utils.serving_model_path(m.uri) for m in (model, baseline) if m],
            progress.add,
        )
        for name in examples.get_json_value_custom_property("columns") or []:
            rows.add_column(name)
        candidate, blessed = scores[0], scores[1] if baseline else None
        why_none = "there is no blessed model yet"
        if blessed and blessed.without_sense:
            baseline = blessed = None
            why_none = "the blessed model's own probabilities are not finite (NaN or infinite)"
        metrics, comparison = evaluate(rows, candidate, blessed, slices)
        decision = decide(
            thresholds, metrics["overall"], comparison, why_none, exec_properties["on_tie"]
        )

        evaluation = artifact_utils.get_single_instance(output_dict["evaluation"])
        tfma_files.write_tfma(
            evaluation.uri, rows, candidate, blessed, slices, self._make_beam_pipeline
        )
        write_json(evaluation.uri, "metrics.json", metrics)
        evaluation.set_json_value_custom_property("metrics", metrics["overall"])
        evaluation.set_int_custom_property("images", len(rows.ids))
        said = artifact_utils.get_single_instance(output_dict["predictions"])
        predictions.write(said.uri, rows, candidate)
        said.set_int_custom_property("images", len(rows.ids))
        _bless(
            artifact_utils.get_single_instance(output_dict["blessing"]), decision, model, baseline
        )


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
    write_json(
        blessing.uri, "blessing.json", {"blessed": decision.blessed, "reasons": decision.reasons}
    )
