"""What TFX's runner for Vertex AI cannot carry: should it learn to, these tests say so."""

import pytest
from click.testing import CliRunner
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner
from tfx.types import standard_artifacts

from components.baseline.component import create_baseline
from components.image_example_gen.component import ImageExampleGen
from pipeline.cli import main


def compile_for_vertex(tmp_path, *nodes):
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(default_image="graft:latest")
    )
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="small", pipeline_root=str(tmp_path), components=list(nodes)
    )
    return runner.run(pipeline, write_out=False)


def images():
    return ImageExampleGen(
        source="builtin://digits",
        split="{}",
        group_by="content",
        max_rejected=0.1,
        max_pixels=10_000,
        min_per_class=2,
    )


def test_artifact_types_of_our_own_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Invalid custom artifact type name: Rejects"):
        compile_for_vertex(tmp_path, images())


def test_the_baseline_is_refused(tmp_path):
    model = tfx.dsl.Importer(source_uri="m", artifact_type=standard_artifacts.Model)
    baseline = create_baseline(model.outputs["result"], str(tmp_path / "serving"))
    with pytest.raises(TypeError, match="Unexpected resolver policy"):
        compile_for_vertex(tmp_path, model, baseline)


def test_the_driver_of_image_example_gen_would_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr("components.artifacts.Rejects.TYPE_NAME", "graft.Rejects")
    job = compile_for_vertex(tmp_path, images())
    (executor,) = job["pipelineSpec"]["deploymentSpec"]["executors"].values()
    assert "lifecycle" not in executor["container"]


def test_the_command_says_what_is_missing():
    ended = CliRunner().invoke(main, ["compile", "--target", "vertex"])
    assert ended.exit_code == 2
    assert "cannot carry this pipeline" in ended.output and "Baseline" in ended.output
