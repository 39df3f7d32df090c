"""The strategy in its place: a compiled pipeline, TFX's launcher, a real SQLite store."""

import os
import shutil

import pytest
from tfx import types
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.dsl.components.base import base_component, base_executor, executor_spec
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.types import artifact_utils, component_spec, standard_artifacts

from components.artifacts import Preprocessing
from components.baseline.component import create_baseline
from components.evaluator.component import Evaluator
from components.pusher.push import withdraw
from components.serving_check.component import ServingCheck


class SourceExecutor(base_executor.BaseExecutor):
    """Gives Examples, and a preprocessing that nobody reads."""

    def Do(self, input_dict, output_dict, exec_properties):
        artifact_utils.get_single_instance(output_dict["examples"]).split_names = '["test"]'


class TrainerExecutor(base_executor.BaseExecutor):
    """Trains a model whose content is what it was told."""

    def Do(self, input_dict, output_dict, exec_properties):
        model = artifact_utils.get_single_instance(output_dict["model"])
        os.makedirs(os.path.join(model.uri, "Format-Serving"))
        model.set_string_custom_property("content_hash", exec_properties["content"])


class StubExecutor(base_executor.BaseExecutor):
    """Blesses as told; says which baseline it was given."""

    baselines: list[str | None] = []
    verdict = True

    def Do(self, input_dict, output_dict, exec_properties):
        given = input_dict["baseline_model"]
        self.baselines.append(
            given[0].get_string_custom_property("content_hash") if given else None
        )
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        blessing.set_int_custom_property("current_model_id", input_dict["model"][0].id)
        blessing.set_int_custom_property("blessed", int(self.verdict))


class ServingExecutor(base_executor.BaseExecutor):
    """Passes models as told, or dies where told nothing."""

    verdict: bool | None = True

    def Do(self, input_dict, output_dict, exec_properties):
        if self.verdict is None:
            raise RuntimeError("killed")
        blessing = artifact_utils.get_single_instance(output_dict["infra_blessing"])
        blessing.set_int_custom_property("current_model_id", input_dict["model"][0].id)
        blessing.set_int_custom_property("blessed", int(self.verdict))


class SourceSpec(component_spec.ComponentSpec):
    PARAMETERS = {}
    INPUTS = {}
    OUTPUTS = {
        "examples": component_spec.ChannelParameter(type=standard_artifacts.Examples),
        "preprocessing": component_spec.ChannelParameter(type=Preprocessing),
    }


class Source(base_component.BaseComponent):
    SPEC_CLASS = SourceSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SourceExecutor)


class TrainerSpec(component_spec.ComponentSpec):
    PARAMETERS = {
        "content": component_spec.ExecutionParameter(type=str),
        "attempt": component_spec.ExecutionParameter(type=int),
    }
    INPUTS = {}
    OUTPUTS = {"model": component_spec.ChannelParameter(type=standard_artifacts.Model)}


class Trainer(base_component.BaseComponent):
    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(TrainerExecutor)


class Runs:
    """Runs of a pipeline of Trainer, Baseline, Evaluator and ServingCheck against one store."""

    def __init__(self, folder, name="fruit"):
        self.folder, self.name, self.count = str(folder), name, 0
        self.serving = os.path.join(self.folder, "serving")
        StubExecutor.baselines, StubExecutor.verdict = [], True
        ServingExecutor.verdict = True

    def pipeline(self, content, attempt):
        source = Source(
            SourceSpec(
                examples=types.Channel(type=standard_artifacts.Examples),
                preprocessing=types.Channel(type=Preprocessing),
            )
        )
        trainer = Trainer(
            TrainerSpec(
                content=content, attempt=attempt, model=types.Channel(type=standard_artifacts.Model)
            )
        )
        baseline = create_baseline(trainer.outputs["model"], self.serving)
        evaluator = Evaluator(
            examples=source.outputs["examples"],
            facts=source.outputs["examples"],
            model=trainer.outputs["model"],
            baseline_model=baseline.outputs["model"],
            evaluate="{}",
        )
        evaluator.executor_spec = executor_spec.ExecutorClassSpec(StubExecutor)
        serving = ServingCheck(
            model=trainer.outputs["model"],
            examples=source.outputs["examples"],
            predictions=evaluator.outputs["predictions"],
            preprocessing=source.outputs["preprocessing"],
        )
        serving.executor_spec = executor_spec.ExecutorClassSpec(ServingExecutor)
        return tfx.dsl.Pipeline(
            pipeline_name=self.name,
            pipeline_root=os.path.join(self.folder, self.name),
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                os.path.join(self.folder, "metadata.db")
            ),
            components=[source, trainer, baseline, evaluator, serving],
            enable_cache=True,
        )

    def run(self, content, attempt=0):
        """Runs all nodes; returns the content of the baseline, "cached" if none was asked for."""
        self.count += 1
        before = len(StubExecutor.baselines)
        pipeline = self.pipeline(content, attempt)
        ir = compiler.Compiler().compile(pipeline)
        runtime_parameter_utils.substitute_runtime_parameter(
            ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: f"{self.name}-{self.count}"}
        )
        deployment = runner_utils.extract_local_deployment_config(ir)
        connection = metadata.Metadata(pipeline.metadata_connection_config)
        with connection as handle:
            earlier = {e.id for e in handle.store.get_executions()}
        for node in ir.nodes:
            id_ = node.pipeline_node.node_info.id
            launcher.Launcher(
                pipeline_node=node.pipeline_node,
                mlmd_connection=connection,
                pipeline_info=ir.pipeline_info,
                pipeline_runtime_spec=ir.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(deployment, id_),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, id_),
            ).launch()
        with connection as handle:
            # The launcher returns as if all were well when inputs cannot be resolved.
            executions = [e for e in handle.store.get_executions() if e.id not in earlier]
            states = [e.last_known_state for e in executions]
            assert not set(states) - {3, 5}, "an execution is neither COMPLETE nor CACHED"
        return StubExecutor.baselines[-1] if len(StubExecutor.baselines) > before else "cached"

    def model_folder(self, number):
        """The model's folder of the Trainer execution with this number among its own."""
        root = os.path.join(self.folder, self.name, "Trainer", "model")
        return os.path.join(root, sorted(os.listdir(root), key=int)[number])


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path)


def test_the_first_run_has_no_baseline_and_is_evaluated(runs):
    assert runs.run("apple") is None


def test_an_unchanged_run_does_not_meet_itself_and_is_cached(runs):
    runs.run("apple")
    assert runs.run("apple") == "cached"


def test_the_same_model_trained_again_does_not_meet_itself(runs):
    runs.run("apple")
    assert runs.run("apple", attempt=1) is None


def test_another_model_meets_the_one_blessed_last(runs):
    runs.run("apple")
    assert runs.run("banana") == "apple"
    assert runs.run("cherry") == "banana"


def test_a_model_that_was_refused_is_no_baseline(runs):
    runs.run("apple")
    StubExecutor.verdict = False
    runs.run("banana")
    assert runs.run("cherry") == "apple"


def test_a_model_that_the_serving_check_refused_is_no_baseline(runs):
    runs.run("apple")
    ServingExecutor.verdict = False
    runs.run("banana")
    assert runs.run("cherry") == "apple"


def test_a_model_whose_run_died_before_the_serving_check_is_no_baseline(runs):
    runs.run("apple")
    ServingExecutor.verdict = None
    with pytest.raises(RuntimeError, match="killed"):
        runs.run("banana")
    ServingExecutor.verdict = True
    assert runs.run("cherry") == "apple"


def test_the_last_verdict_on_a_models_serving_counts(runs):
    runs.run("apple")
    runs.run("banana")
    ServingExecutor.verdict = False
    assert runs.run("apple") == "banana"  # the Trainer is cached, its model judged anew
    assert runs.run("cherry") == "banana"


def test_limits_that_were_tried_on_a_pushed_model_leave_it_the_baseline(runs):
    runs.run("apple")
    ServingExecutor.verdict = False
    runs.run("apple")
    ServingExecutor.verdict = True
    assert runs.run("banana") == "apple"


def test_the_model_that_was_blessed_last_counts_not_the_one_trained_last(runs):
    runs.run("apple")
    runs.run("banana")
    assert (
        runs.run("apple") == "banana"
    )  # back again: the Trainer is cached, its model blessed anew
    assert runs.run("cherry") == "apple"


def test_a_model_that_was_rolled_back_from_is_no_baseline(runs):
    runs.run("apple")
    runs.run("banana")
    withdraw(runs.serving, "banana")
    assert runs.run("cherry") == "apple"
    withdraw(runs.serving, "cherry")
    assert runs.run("banana") == "cached"
    assert runs.run("damson") == "apple"


def test_a_model_whose_folder_is_gone_is_passed_over(runs):
    runs.run("apple")
    runs.run("banana")
    shutil.rmtree(runs.model_folder(1))
    assert runs.run("cherry") == "apple"


def test_models_of_other_pipelines_on_the_same_store_do_not_count(tmp_path):
    Runs(tmp_path, "vegetables").run("leek")
    assert Runs(tmp_path, "fruit").run("apple") is None


def test_the_compiled_pipeline_names_the_strategy_by_import_path_and_has_no_cycle(runs):
    ir = compiler.Compiler().compile(runs.pipeline("apple", 0))
    nodes = {n.pipeline_node.node_info.id: n.pipeline_node for n in ir.nodes}
    (graph,) = nodes["Baseline"].inputs.input_graphs.values()
    operations = {n.op_node.op_type for n in graph.nodes.values() if n.HasField("op_node")}
    assert operations == {"components.baseline.strategy.LatestBlessedOtherThanCandidate"}
    assert list(nodes["Baseline"].upstream_nodes) == ["Trainer"]
