"""What a person is told of a node that failed: the user's own mistake, or the bug as it is."""

import apache_beam as beam
import pytest
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.compiler.compiler import Compiler
from tfx.dsl.components.base import (
    base_beam_component,
    base_beam_executor,
    base_component,
    base_executor,
    executor_spec,
)
from tfx.types import component_spec, standard_artifacts

from components.errors import DataError
from pipeline.node import NodeFailed, run_node


def mistake():
    raise DataError("a.csv: line 3: has no label; add one")


def bug_after_a_mistake():
    try:
        mistake()
    except DataError:
        return {}["missing"]


def mistake_as_the_cause():
    try:
        mistake()
    except DataError as e:
        raise RuntimeError("the writer gave up") from e


DO = {f.__name__: f for f in (mistake, bug_after_a_mistake, mistake_as_the_cause)}


class Executor(base_executor.BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        DO[exec_properties["do"]]()


class BeamExecutor(base_beam_executor.BaseBeamExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | beam.Create([exec_properties["do"]]) | "Work" >> beam.ParDo(Work())


class Work(beam.DoFn):
    def process(self, element):
        DO[element]()


class FailingSpec(component_spec.ComponentSpec):
    PARAMETERS = {"do": component_spec.ExecutionParameter(type=str)}
    INPUTS = {}
    OUTPUTS = {"out": component_spec.ChannelParameter(type=standard_artifacts.Examples)}


class Failing(base_component.BaseComponent):
    SPEC_CLASS = FailingSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)


class FailingOnBeam(base_beam_component.BaseBeamComponent):
    SPEC_CLASS = FailingSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BeamExecutor)


@pytest.fixture
def message(tmp_path):
    """message(component, what it does) -> what is said of it."""

    def message(component, do):
        spec = FailingSpec(do=do, out=types.Channel(type=standard_artifacts.Examples))
        ir = Compiler().compile(
            tfx.dsl.Pipeline(
                pipeline_name="small",
                pipeline_root=str(tmp_path / "root"),
                components=[component(spec)],
                metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.db")
                ),
                beam_pipeline_args=["--runner=FnApiRunner", "--setup_file=setup.py"],
            )
        )
        with pytest.raises(NodeFailed) as failed:
            run_node(ir, component.__name__, "one")
        return failed.value.message

    return message


@pytest.mark.parametrize("component", [Failing, FailingOnBeam])
def test_a_users_mistake_is_said_as_it_stands(message, component):
    assert message(component, "mistake") == "a.csv: line 3: has no label; add one"


@pytest.mark.parametrize("component", [Failing, FailingOnBeam])
def test_a_bug_is_not_hidden_by_a_mistake_that_was_handled(message, component):
    said = message(component, "bug_after_a_mistake")
    assert said.startswith("KeyError: ") and "missing" in said
    assert "has no label" not in said


def test_a_mistake_that_is_the_cause_is_found(message):
    assert message(Failing, "mistake_as_the_cause") == "a.csv: line 3: has no label; add one"
