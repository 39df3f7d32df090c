"""ImageTransform: vocabulary, serving preprocessing, augmentation graph, training pictures."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Preprocessing
from components.content import code_version
from components.image_transform.executor import Executor

CODE_VERSION = code_version(__file__)


class ImageTransformSpec(component_spec.ComponentSpec):
    """What ImageTransform takes and gives."""

    PARAMETERS = {
        "image_size": component_spec.ExecutionParameter(type=str),
        "crop_fraction": component_spec.ExecutionParameter(type=float),
        "augment": component_spec.ExecutionParameter(type=str),
        "stored_side": component_spec.ExecutionParameter(type=int),
        "seed": component_spec.ExecutionParameter(type=int),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {
        "transformed_examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
    }


class ImageTransform(base_beam_component.BaseBeamComponent):
    """Decides how pictures become inputs, and stores the train split's in as few bytes as do.

    Outputs:
      transformed_examples: the split train alone; `image` (encoded, upright, its shorter side at
        most `stored_side`), `label`, `id`, `path`; all bytes. Property: `images`.
      preprocessing: a folder with
        `labels.json`, the sorted labels of the train split: a class's number is its place;
        `preprocessing.json`, {"image_size", "crop_fraction", "augment", "seed", "stored_side"};
        `augmentation/`, a SavedModel, see `augmentation.export_augmentation`;
        `contact_sheet.png`, up to six training pictures with what augmentation makes of them;
        `contact_sheet.json`, a list of what it shows: {"label", "path", "id", "views"}, in which
        `views` are the numbers to draw them again.
    """

    SPEC_CLASS = ImageTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        image_size: str,
        crop_fraction: float,
        augment: str,
        stored_side: int,
        seed: int,
    ):
        """Args:
        examples: ImageExampleGen's, with splits train, eval and test.
        image_size: JSON [height, width] in pixels of what the backbone is given.
        crop_fraction: share of the shorter side that evaluation and serving keep, in (0, 1].
        augment: JSON of a policy's name or its list of ops, see `policies.check_policy`.
        stored_side: shorter side in pixels to which training pictures are bounded.
        seed: of the views.
        """
        super().__init__(
            ImageTransformSpec(
                examples=examples,
                image_size=image_size,
                crop_fraction=crop_fraction,
                augment=augment,
                stored_side=stored_side,
                seed=seed,
                code_version=CODE_VERSION,
                transformed_examples=types.Channel(type=standard_artifacts.Examples),
                preprocessing=types.Channel(type=Preprocessing),
            )
        )
