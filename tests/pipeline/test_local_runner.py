"""Nodes through TFX's launcher and Beam, on a real metadata store."""

import contextlib
import json
import math

import numpy as np
import pytest
from ml_metadata.proto import metadata_store_pb2 as pb
from PIL import Image
from tfx import v1 as tfx
from tfx.dsl.compiler.compiler import Compiler

from components.image_example_gen.component import ImageExampleGen
from pipeline import lineage
from pipeline.local_runner import LocalBeamRunner
from pipeline.node import NodeFailed, run_node
from pipeline.stores import open_store


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("ripe", "unripe"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 255, (12, 10, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / label / f"{i}.png")
    return tmp_path / "images"


@pytest.fixture
def compiled(tmp_path, images):
    def compile(min_per_class=2):
        examples = ImageExampleGen(
            source=str(images),
            split=json.dumps({"train": 0.5, "eval": 0.25, "test": 0.25}),
            group_by="content",
            max_rejected=0.1,
            max_pixels=10_000,
            min_per_class=min_per_class,
        )
        statistics = tfx.components.StatisticsGen(examples=examples.outputs["facts"])
        return Compiler().compile(
            tfx.dsl.Pipeline(
                pipeline_name="small",
                pipeline_root=str(tmp_path / "root"),
                components=[examples, statistics],
                enable_cache=True,
                metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
                    str(tmp_path / "metadata.db")
                ),
                beam_pipeline_args=["--runner=FnApiRunner", "--setup_file=setup.py"],
            )
        )

    return compile


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "metadata.db")


def run(store, ir, run_id):
    """Runs all nodes; returns what the store knows then, and the order in which nodes ran."""
    ids = [n.pipeline_node.node_info.id for n in ir.nodes]
    nodes = [lineage.Node(i, "skipped") for i in ids]
    lineage.record_start(store, lineage.Run(run_id, {}, "hash", 0.0, {}, nodes), "small")
    seen = []

    @contextlib.contextmanager
    def around_node(node_id):
        seen.append(node_id)
        yield

    try:
        LocalBeamRunner(run_id, around_node).run_with_ir(ir)
    except NodeFailed:
        pass
    return lineage.read_run(store, run_id), seen


def test_nodes_run_in_order_and_the_second_run_is_cached(store, compiled):
    first, seen = run(store, compiled(), "one")
    assert seen == ["ImageExampleGen", "StatisticsGen"]
    assert [n.state for n in first.nodes] == ["ran", "ran"]
    assert first.output("ImageExampleGen", "examples").properties["images"] == 40

    second, _ = run(store, compiled(), "two")
    assert [n.state for n in second.nodes] == ["cached", "cached"]
    assert second.output("StatisticsGen", "statistics") == first.output(
        "StatisticsGen", "statistics"
    )
    assert lineage.run_ids(store, "small") == ["one", "two"]


def test_a_failed_node_leaves_the_users_sentence_and_nothing_after_it_runs(store, compiled):
    ended, seen = run(store, compiled(min_per_class=30), "one")
    assert seen == ["ImageExampleGen"]
    assert [n.state for n in ended.nodes] == ["failed", "skipped"]
    assert "fewer than 30 pictures" in ended.failed.error
    assert "Traceback" not in ended.failed.error


def test_a_property_that_is_no_number_leaves_the_run_readable(store):
    artifact = pb.Artifact(type_id=store.put_artifact_type(pb.ArtifactType(name="Figures")))
    held = artifact.custom_properties["metrics"].struct_value
    held.fields["__value__"].struct_value.fields["accuracy"].number_value = float("nan")
    held.fields["__value__"].struct_value.fields["names"].list_value.values.add(string_value="a")
    found = lineage._artifact(artifact).properties["metrics"]
    assert math.isnan(found["accuracy"]) and found["names"] == ["a"]


def test_inputs_that_cannot_be_resolved_are_a_failure(store, compiled):
    # TFX's launcher publishes FAILED and returns as if all were well.
    with pytest.raises(NodeFailed, match="StatisticsGen: its inputs could not be resolved"):
        run_node(compiled(), "StatisticsGen", "one")
    assert lineage.node_state(store, "one", "StatisticsGen").state == "failed"


def test_a_second_attempt_finds_nothing_of_the_first(store, compiled, tmp_path):
    ir = compiled()
    run_node(ir, "ImageExampleGen", "one")
    facts = tmp_path / "root" / "ImageExampleGen" / "facts"
    facts.rename(tmp_path / "away")
    with pytest.raises(NodeFailed):
        run_node(ir, "StatisticsGen", "one")
    failed = lineage.find_execution(store, "one", "StatisticsGen")
    # As a killed attempt leaves it, after which TFX cannot tidy up.
    output = tmp_path / "root" / "StatisticsGen" / "statistics" / str(failed.id)
    output.mkdir(parents=True)
    (output / "half").write_text("")
    (tmp_path / "away").rename(facts)
    run_node(ir, "StatisticsGen", "one")
    again = lineage.find_execution(store, "one", "StatisticsGen")
    assert again.id == failed.id and again.last_known_state == pb.Execution.COMPLETE
    assert "half" not in [path.name for path in output.iterdir()]
