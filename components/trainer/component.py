"""Trainer: a backbone and labelled pictures in, a served classifier out."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Features, Preprocessing
from components.content import code_version
from components.trainer.executor import Executor

CODE_VERSION = code_version(__file__, "backbone", "image_transform")


class TrainerSpec(component_spec.ComponentSpec):
    """What Trainer takes and gives. TFX's own has no place for features or a vocabulary."""

    PARAMETERS = {
        "run_fn": component_spec.ExecutionParameter(type=str),
        # Not `model`: a spec's names are unique over inputs, outputs and parameters.
        "model_section": component_spec.ExecutionParameter(type=str),
        "train_section": component_spec.ExecutionParameter(type=str),
        "seed": component_spec.ExecutionParameter(type=int),
        "module_hash": component_spec.ExecutionParameter(type=str),
        "own_code": component_spec.ExecutionParameter(type=str),
        "checkpoints": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transformed_examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
        "features": component_spec.ChannelParameter(type=Features, optional=True),
        "facts": component_spec.ChannelParameter(type=standard_artifacts.Examples, optional=True),
        # Optional also at run time: the first run finds no model to begin from.
        "warm_start": component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
    }
    OUTPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "model_run": component_spec.ChannelParameter(type=standard_artifacts.ModelRun),
    }


class Trainer(base_component.BaseComponent):
    """Trains the network and exports it.

    Outputs:
      model: a SavedModel in TFX's serving folder and `weights/`, from which a later training may
        begin; with the custom properties content_hash, module_handle, module_hash, learnt_from
        (JSON: URIs of the facts of all that it has ever been trained on), head (its import path),
        began_from (URI of a model, or ""), checkpoints (the folder's name) and
        images (how many pictures were trained on, counted again in each epoch).
      model_run: `history.json` and TensorBoard's `logs/`.
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transformed_examples: types.BaseChannel,
        preprocessing: types.BaseChannel,
        run_fn: str,
        model: str,
        train: str,
        seed: int,
        module_hash: str,
        checkpoints: str,
        own_code: str = "",
        features: types.BaseChannel | None = None,
        facts: types.BaseChannel | None = None,
        warm_start: types.BaseChannel | None = None,
    ):
        """Args:
        examples: raw; the eval split watches the training through the serving preprocessing.
        transformed_examples: the train split, bounded in size.
        preprocessing: ImageTransform's vocabulary, preprocessing and augmentation.
        run_fn: import path of a function that takes a `fn_args.FnArgs`.
        model: JSON of the configuration's section `model`.
        train: JSON of the section `train`, `max_epochs` already applied to the phases.
        seed: of the run.
        module_hash: content of the backbone's module, which its handle does not tell.
        checkpoints: folder for the checkpoints that survive a kill, one folder in it a training.
        own_code: `importing.source_hash` of what the configuration names by import path.
        features: FeatureExtractor's, for the head-only phases in front; None where there is none.
        facts: of the examples; their URI is written onto the model, for a later warm start.
        warm_start: the model to begin from; None: the Hub module. It may hold nothing.
        """
        super().__init__(
            TrainerSpec(
                examples=examples,
                transformed_examples=transformed_examples,
                preprocessing=preprocessing,
                features=features,
                facts=facts,
                warm_start=warm_start,
                run_fn=run_fn,
                model_section=model,
                train_section=train,
                seed=seed,
                module_hash=module_hash,
                own_code=own_code,
                checkpoints=checkpoints,
                code_version=CODE_VERSION,
                model=types.Channel(type=standard_artifacts.Model),
                model_run=types.Channel(type=standard_artifacts.ModelRun),
            )
        )
