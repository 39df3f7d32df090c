"""ImageExampleGen: images of any source as Examples in splits, their facts, and the unusable."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Rejects
from components.content import code_version
from components.image_example_gen.driver import Driver
from components.image_example_gen.executor import Executor
from components.image_example_gen.near_copies import DIFFERENCE
from components.image_example_gen.pictures import MAX_PIXELS

CODE_VERSION = code_version(__file__, "image_transform")


class ImageExampleGenSpec(component_spec.ComponentSpec):
    """What ImageExampleGen takes and gives."""

    PARAMETERS = {
        "source": component_spec.ExecutionParameter(type=str),
        "spans": component_spec.ExecutionParameter(type=int),
        "split": component_spec.ExecutionParameter(type=str),
        "group_by": component_spec.ExecutionParameter(type=str),
        "near_copies": component_spec.ExecutionParameter(type=float),
        "max_rejected": component_spec.ExecutionParameter(type=float),
        "max_pixels": component_spec.ExecutionParameter(type=int),
        "min_per_class": component_spec.ExecutionParameter(type=int),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "facts": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "rejects": component_spec.ChannelParameter(type=Rejects),
    }


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Reads images, checks that each can be used, and writes them as Examples in splits.

    Outputs:
      examples: `image` (the original bytes), `label`, `path`, `group`, `id`, and a manifest's
        further columns as `column/<name>`, where not empty; all bytes. Splits train, eval and
        test. Properties: `span`, `version`, `fingerprint`, `images`, `counts`, `columns`,
        `notes`, `data_fingerprint`.
      facts: the same without pixels, with `split`, `format` (bytes), `width`, `height` (upright,
        in pixels), `channels` (of the file) and `bytes` (int64). Same splits and properties;
        and `groups.jsonl`, see `history`.
      rejects: `rejects.jsonl`, one {"path", "reason"} a line.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        source: str,
        split: str,
        spans: int = 1,
        group_by: str = "content",
        near_copies: float = DIFFERENCE,
        max_rejected: float = 0.05,
        max_pixels: int = MAX_PIXELS,
        min_per_class: int = 10,
    ):
        """Args:
        source: see `sources.list_source`; {SPAN} and {VERSION} in it stand for the newest.
        spans: how many of the newest spans are read together.
        split: JSON object of the shares of train, eval and test, which add up to 1.
        group_by: "content", or the manifest column whose values must not be torn apart.
        near_copies: the difference up to which pictures are near-copies, see
          `near_copies.earliest_near`; -1.0: only identical ones are copies.
        max_rejected: largest share of unusable inputs, in [0, 1], before the node fails.
        max_pixels: largest width times height (of all frames); checked before decoding.
        min_per_class: fewest usable pictures that a class may have.
        """
        super().__init__(
            ImageExampleGenSpec(
                source=source,
                spans=spans,
                split=split,
                group_by=group_by,
                near_copies=near_copies,
                max_rejected=max_rejected,
                max_pixels=max_pixels,
                min_per_class=min_per_class,
                code_version=CODE_VERSION,
                examples=types.Channel(type=standard_artifacts.Examples),
                facts=types.Channel(type=standard_artifacts.Examples),
                rejects=types.Channel(type=Rejects),
            )
        )
