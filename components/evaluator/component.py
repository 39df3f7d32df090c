"""Evaluator: judges the candidate on the test split, beside the latest blessed model."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Predictions
from components.content import code_version
from components.evaluator.executor import Executor

CODE_VERSION = code_version(__file__)


class EvaluatorSpec(component_spec.ComponentSpec):
    """What Evaluator takes and gives."""

    PARAMETERS = {
        "thresholds": component_spec.ExecutionParameter(type=str),
        "slices": component_spec.ExecutionParameter(type=str),
        "on_tie": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        # Optional also at run time: the first run finds no blessed model.
        "baseline_model": component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
    }
    OUTPUTS = {
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "predictions": component_spec.ChannelParameter(type=Predictions),
    }


class Evaluator(base_beam_component.BaseBeamComponent):
    """Judges a model by what its serving graph makes of the test split's original pictures.

    Outputs:
      evaluation: `metrics.json` (see evaluation.evaluate) and TFMA's own files.
      blessing: as TFX's Evaluator writes it, and `blessing.json`: {"blessed", "reasons"}.
      predictions: `predictions.parquet` and `labels.json` (see predictions.write).
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        model: types.BaseChannel,
        thresholds: str,
        slices: str,
        baseline_model: types.BaseChannel | None = None,
        on_tie: str = "push",
    ):
        """Args:
        examples: raw Examples, encoded pictures; the test split is used.
        model: the candidate.
        thresholds: JSON, {metric: {"at_least": x, "no_worse_than_blessed_by": x}}, either x
          may be null.
        slices: JSON list of "label" or names of manifest columns.
        baseline_model: the latest blessed model; may be missing or hold nothing.
        on_tie: see `decision.decide`.
        """
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                model=model,
                baseline_model=baseline_model,
                thresholds=thresholds,
                slices=slices,
                on_tie=on_tie,
                code_version=CODE_VERSION,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                predictions=types.Channel(type=Predictions),
            )
        )
