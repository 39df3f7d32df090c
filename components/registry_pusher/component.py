"""RegistryPusher: enters a pushed model, with where it comes from, into a model registry."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Preprocessing, Registration
from components.content import code_version
from components.registry_pusher.executor import Executor

CODE_VERSION = code_version(__file__)


class RegistryPusherSpec(component_spec.ComponentSpec):
    """What RegistryPusher takes and gives."""

    PARAMETERS = {
        "registry": component_spec.ExecutionParameter(type=str),
        "pipeline_name": component_spec.ExecutionParameter(type=str),
        "config": component_spec.ExecutionParameter(type=str),
        "card": component_spec.ExecutionParameter(type=str),
        "champion": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel),
        "evaluation": component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        "blessing": component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
    }
    OUTPUTS = {"registration": component_spec.ChannelParameter(type=Registration)}


class RegistryPusher(base_component.BaseComponent):
    """Registers a model that was pushed, once for each content.

    Output `registration` has the custom property `registered` (1 or 0); where it is 1: `registry`
    (its kind), `name`, `version` (a text), and the file `registration.json` (see
    `registry.write_registration`); where it is 0: `reason` (a sentence), and no file.
    """

    SPEC_CLASS = RegistryPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        pushed_model: types.BaseChannel,
        evaluation: types.BaseChannel,
        blessing: types.BaseChannel,
        examples: types.BaseChannel,
        preprocessing: types.BaseChannel,
        *,
        registry: str,
        pipeline_name: str,
        config: str,
        card: str = "{}",
        champion: str = "manual",
    ):
        """Args:
        model: the Trainer's; gives content, module handle and module hash.
        pushed_model: the Pusher's; what was not pushed is not registered.
        evaluation: the Evaluator's; gives metrics, intervals and slices.
        blessing: the Evaluator's; gives the reasons.
        examples: ImageExampleGen's; gives span, fingerprint and counts.
        preprocessing: ImageTransform's; gives labels and image size.
        registry: JSON {"kind", "uri", "model_name"}, and for kubeflow "token_path".
        pipeline_name: the pipeline's name.
        config: JSON of the configuration's sections that shape a model.
        card: JSON {"description", "limits", "data_licence", "module_licence"}, texts.
        champion: "push": a version becomes the champion when it is registered; "manual": it
          does not.
        """
        super().__init__(
            RegistryPusherSpec(
                model=model,
                pushed_model=pushed_model,
                evaluation=evaluation,
                blessing=blessing,
                examples=examples,
                preprocessing=preprocessing,
                registry=registry,
                pipeline_name=pipeline_name,
                config=config,
                card=card,
                champion=champion,
                code_version=CODE_VERSION,
                registration=types.Channel(type=Registration),
            )
        )
