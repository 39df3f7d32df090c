"""FeatureExtractor: what a frozen backbone makes of each picture, computed once."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
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
        "views": component_spec.ExecutionParameter(type=int),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "transformed_examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
    }
    OUTPUTS = {"features": component_spec.ChannelParameter(type=Features)}


class FeatureExtractor(base_beam_component.BaseBeamComponent):
    """Runs the frozen backbone once over each view of the train split, and over the eval split.

    Output `features`: `Split-train` and `Split-eval`, TFRecords (gzip) of Examples with `feature`
    (float list, the vector), `label`, `id` (bytes) and `view` (int64); each file holds one view of
    the pictures of one file. Without augmentation, and always in the eval split, view 0 is the
    original picture as it would be served; with it, view v is what the augmentation graph draws of
    the stored picture for (id, v). Custom properties: images (of both splits, each counted once)
    and views (of a training picture).
    """

    SPEC_CLASS = FeatureExtractorSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        transformed_examples: types.BaseChannel,
        preprocessing: types.BaseChannel,
        handle: str,
        module_hash: str,
        views: int,
    ):
        """Args:
        examples: raw, so that features are of what serving would see.
        transformed_examples: ImageTransform's, of which augmented views are drawn.
        preprocessing: ImageTransform's, for image size, crop and augmentation.
        handle: of the backbone.
        module_hash: content of the backbone's module, which its handle does not tell.
        views: of each training picture, at least 1; without augmentation there is one.
        """
        super().__init__(
            FeatureExtractorSpec(
                examples=examples,
                transformed_examples=transformed_examples,
                preprocessing=preprocessing,
                handle=handle,
                module_hash=module_hash,
                views=views,
                code_version=CODE_VERSION,
                features=types.Channel(type=Features),
            )
        )
