"""Evaluator: judges the candidate on the test split, beside the latest blessed model."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Predictions
from components.content import code_version
from components.evaluator.executor import Executor

CODE_VERSION = code_version(__file__, "image_transform")


class EvaluatorSpec(component_spec.ComponentSpec):
    """What Evaluator takes and gives."""

    PARAMETERS = {
        "evaluate": component_spec.ExecutionParameter(type=str),
        "seed": component_spec.ExecutionParameter(type=int),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "facts": component_spec.ChannelParameter(type=standard_artifacts.Examples),
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
      blessing: as TFX's Evaluator writes it, and `blessing.json`: {"blessed", "reasons" [sentence],
        "checks" [{"state", "sentence"}]} (see decision.Check).
      predictions: `predictions.parquet` and `labels.json` (see predictions.write).
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        facts: types.BaseChannel,
        model: types.BaseChannel,
        evaluate: str,
        seed: int = 0,
        baseline_model: types.BaseChannel | None = None,
    ):
        """Args:
        examples: raw Examples, encoded pictures; the test split is used.
        facts: what is known of the same pictures; gives their sizes.
        model: the candidate.
        evaluate: JSON of `pipeline.config.Evaluate`.
        seed: of the bootstrap, and of the choice of pictures that are damaged.
        baseline_model: the latest blessed model; may be missing or hold nothing.
        """
        super().__init__(
            EvaluatorSpec(
                examples=examples,
                facts=facts,
                model=model,
                baseline_model=baseline_model,
                evaluate=evaluate,
                seed=seed,
                code_version=CODE_VERSION,
                evaluation=types.Channel(type=standard_artifacts.ModelEvaluation),
                blessing=types.Channel(type=standard_artifacts.ModelBlessing),
                predictions=types.Channel(type=Predictions),
            )
        )
