"""FeatureExtractor: what a frozen backbone makes of each picture, computed once."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Features, Preprocessing
from components.content import code_version
from components.feature_extractor.executor import Executor

CODE_VERSION = code_version(__file__, "backbone", "image_transform", "trainer")


class FeatureExtractorSpec(component_spec.ComponentSpec):
    """What FeatureExtractor takes and gives."""

    PARAMETERS = {
        "handle": component_spec.ExecutionParameter(type=str),
        "module_hash": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
    }
    OUTPUTS = {"features": component_spec.ChannelParameter(type=Features)}


class FeatureExtractor(base_component.BaseComponent):
    """Runs the backbone once over the train and the eval split.

    Output `features`: `Split-train` and `Split-eval`, TFRecords (gzip) of Examples with `feature`
    (float list, the vector), `label` and `id` (bytes); custom property images.
    """

    SPEC_CLASS = FeatureExtractorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        preprocessing: types.BaseChannel,
        handle: str,
        module_hash: str,
    ):
        """Args:
        examples: raw, so that features are of what serving would see.
        preprocessing: ImageTransform's, for image size and crop.
        handle: of the backbone.
        module_hash: content of the backbone's module, which its handle does not tell.
        """
        super().__init__(
            FeatureExtractorSpec(
                examples=examples,
                preprocessing=preprocessing,
                handle=handle,
                module_hash=module_hash,
                code_version=CODE_VERSION,
                features=types.Channel(type=Features),
            )
        )
