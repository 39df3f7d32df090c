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
        "frame": component_spec.ExecutionParameter(type=str),
        "augment": component_spec.ExecutionParameter(type=str),
        "stored_side": component_spec.ExecutionParameter(type=int),
        "seed": component_spec.ExecutionParameter(type=int),
        "own_code": component_spec.ExecutionParameter(type=str),
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
        `preprocessing.json`, {"image_size",
        "crop_fraction", "resize", "augment", "seed", "stored_side"};
        `augmentation/`, a SavedModel, see `augmentation.export_augmentation`;
        `contact_sheet.png`, up to six training pictures with what augmentation makes of them;
        `contact_sheet.json`, a list of what it shows: {"label", "path", "id", "views", "drawn"}, in
        which `views` are the numbers to draw them again, and `drawn` what each op drew for them.
    """

    SPEC_CLASS = ImageTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel,
        frame: str,
        augment: str,
        stored_side: int,
        seed: int,
        own_code: str = "",
    ):
        """Args:
        examples: ImageExampleGen's, with splits train, eval and test.
        frame: JSON of a `preprocessing.Frame`, {"image_size", "crop_fraction", "resize"}: how
          evaluation and serving bring a picture to the backbone's size.
        augment: JSON of a policy's name or its list of ops, see `policies.check_policy`.
        stored_side: shorter side in pixels to which training pictures are bounded.
        seed: of the views.
        own_code: `importing.source_hash` of the ops that the policy names by import path.
        """
        super().__init__(
            ImageTransformSpec(
                examples=examples,
                frame=frame,
                augment=augment,
                stored_side=stored_side,
                seed=seed,
                own_code=own_code,
                code_version=CODE_VERSION,
                transformed_examples=types.Channel(type=standard_artifacts.Examples),
                preprocessing=types.Channel(type=Preprocessing),
            )
        )
