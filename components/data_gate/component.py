"""DataGate: stands between validation and everything that costs time."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.artifacts import GateReport
from components.content import code_version
from components.data_gate.executor import Executor

CODE_VERSION = code_version(__file__)


class DataGateSpec(component_spec.ComponentSpec):
    """What DataGate takes and gives."""

    PARAMETERS = {
        "on_anomaly": component_spec.ExecutionParameter(type=str),
        "code_version": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        "anomalies": component_spec.ChannelParameter(type=standard_artifacts.ExampleAnomalies),
        "facts": component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
    OUTPUTS = {"gate": component_spec.ChannelParameter(type=GateReport)}


class DataGate(base_component.BaseComponent):
    """Fails the run, or only reports, when the facts about the images look wrong."""

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, anomalies: types.BaseChannel, facts: types.BaseChannel, on_anomaly: str):
        """Args:
        anomalies: ExampleValidator's, over the facts.
        facts: ImageExampleGen's; labels are counted here, for TFX's statistics know 1,000 at most.
        on_anomaly: "fail" or "warn".
        """
        super().__init__(
            DataGateSpec(
                anomalies=anomalies,
                facts=facts,
                on_anomaly=on_anomaly,
                code_version=CODE_VERSION,
                gate=types.Channel(type=GateReport),
            )
        )
