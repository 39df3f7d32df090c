"""ServingCheck: lets no model out that does not serve what was evaluated."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import Predictions, Preprocessing
from components.content import code_version
from components.serving_check.executor import Executor

CODE_VERSION = code_version(__file__, "image_transform", "trainer")


class ServingCheckSpec(component_spec.ComponentSpec):
    """What ServingCheck takes and gives."""

    PARAMETERS = {
        "max_images": component_spec.ExecutionParameter(type=int),
        "tolerance": component_spec.ExecutionParameter(type=float),
        "limits": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "predictions": component_spec.ChannelParameter(type=Predictions),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
    }
    OUTPUTS = {
        "infra_blessing": component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)
    }


class ServingCheck(base_component.BaseComponent):
    """Loads the exported model in a fresh process and sends it original test pictures.

    What it asks and gets are requests and responses of TensorFlow Serving. Beside test pictures,
    which must be scored as in the evaluation, it sends pictures that cannot be read, an empty batch
    and a huge one; and it looks into the SavedModel for what no server has. The evaluation, too,
    goes through the exported graph, so some pictures are also prepared outside it, by what prepares
    the training's eval split, and must be scored as those that are served.

    Output `infra_blessing`, as TFX's InfraValidator gives it: file INFRA_BLESSED or
    INFRA_NOT_BLESSED and custom property `blessed`, 1 or 0; and, as in a ModelBlessing,
    `current_model_id`, by which Baseline knows whose it is. Beside it `infra_blessing.json`:
      passed: bool: whether all checks did.
      reasons: sentences with figures: those of the checks that failed, or what was seen in all.
      checks: [{name, passed, sentence}]: loads, equal, preprocessing, latency, memory,
        bad_pictures, empty_batch, huge_batch, json, no_python, no_paths. Of a model that does not
        load, the first and the last two.
      images: how many test pictures were sent. kinds: {kind of file: images}.
      max_difference: of a probability, or null.
      load_seconds; latency_ms {"1", "32"}: median of the calls with so many pictures; memory_mb
        {"loaded", "answering"}: most that the process held, after loading and after its answers,
        Python (some 500 MB) and the pictures included; huge_batch {images, seconds}. All of this
        machine; null where it did not come so far.
    """

    SPEC_CLASS = ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        predictions: types.BaseChannel,
        preprocessing: types.BaseChannel,
        max_images: int = 64,
        tolerance: float = 1e-5,
        limits: str = '{"max_load_seconds": null, "max_memory_mb": null, "max_latency_ms": null}',
    ):
        """Args:
        model: the candidate.
        examples: raw Examples; pictures of the test split are sent.
        predictions: the Evaluator's, of the same model and examples.
        preprocessing: ImageTransform's, by which the candidate was trained.
        max_images: how many pictures are sent at most, at least 1.
        tolerance: largest difference of a probability that is allowed. A batch of one alone gives
          1e-6 to 3e-6 in float32, up to 8e-6 where logits go into the hundreds; hardware other than
          the evaluation's, or TF32, gives more.
        limits: the other keys of the configuration's section `serving`, in JSON.
        """
        super().__init__(
            ServingCheckSpec(
                model=model,
                examples=examples,
                predictions=predictions,
                preprocessing=preprocessing,
                max_images=max_images,
                tolerance=tolerance,
                limits=limits,
                code_version=CODE_VERSION,
                infra_blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
