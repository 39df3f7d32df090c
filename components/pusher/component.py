"""Pusher: puts a blessed model where it is served from."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.content import code_version
from components.pusher.executor import Executor

CODE_VERSION = code_version(__file__)


class PusherSpec(component_spec.ComponentSpec):
    """What Pusher takes and gives."""

    PARAMETERS = {
        "destination": component_spec.ExecutionParameter(type=str),
        "keep": component_spec.ExecutionParameter(type=int),
        "registry": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "model": component_spec.ChannelParameter(type=standard_artifacts.Model),
        "blessing": component_spec.ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
        "infra_blessing": component_spec.ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
    }
    OUTPUTS = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}


class Pusher(base_component.BaseComponent):
    """Pushes a model to `<destination>/<version>/`, atomically and once for each content.

    TFX's own Pusher numbers versions by the second, copies in place and skips a collision in
    silence; see push.py for what this one promises.

    Output `pushed_model` has the custom properties `content_hash` and `pushed` (1 or 0); where it
    is 1: `pushed_destination` (the version's folder), `pushed_version` (int); where it is 0:
    `reason` (a sentence). `note`, where there is one, is a sentence that a user should see.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel,
        blessing: types.BaseChannel | None = None,
        infra_blessing: types.BaseChannel | None = None,
        *,
        destination: str,
        keep: int = 5,
        registry: str = '{"kind": "none"}',
    ):
        """Args:
        model: the Trainer's.
        blessing: the Evaluator's; without one the metrics do not matter.
        infra_blessing: ServingCheck's; without one it does not matter whether the model serves.
        destination: folder of numbered versions, on a disk or in a bucket.
        keep: how many versions stay there, at least 1, beside those that the registry has an
          alias for.
        registry: JSON {"kind", "uri", "model_name"}.
        """
        super().__init__(
            PusherSpec(
                model=model,
                blessing=blessing,
                infra_blessing=infra_blessing,
                destination=destination,
                keep=keep,
                registry=registry,
                code_version=CODE_VERSION,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
