"""The wiring, as nodes see it: what reruns, what is left alone, and what stops what."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tfx.dsl.compiler.compiler import Compiler

from pipeline import lineage
from pipeline.config_file import load_config
from pipeline.dag import create_pipeline
from pipeline.local_runner import LocalBeamRunner
from pipeline.node import NodeFailed, run_node
from pipeline.places import Places
from pipeline.stores import open_store

BEFORE_THE_GATE = ["ImageExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator"]


class Task:
    """A configuration over a folder of pictures, run node by node."""

    def __init__(self, folder):
        self.folder, self.runs = folder, 0
        rng = np.random.default_rng(0)
        for label in ("red", "blue"):
            (folder / "images" / label).mkdir(parents=True)
            for i in range(20):
                pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "images" / label / f"{i}.png")

    def compile(self, serving=None, **data):
        data = {"source": str(self.folder / "images"), **data}
        values = {"name": "hues", "data": data, "transform": {"image_size": [32, 32]}}
        values["serving"] = serving or {}
        (self.folder / "hues.yaml").write_text(yaml.safe_dump(values))
        config = load_config(self.folder / "hues.yaml")
        places = Places.of(self.folder / "runs", config)
        places.home.mkdir(parents=True, exist_ok=True)
        self.store = open_store(places.metadata)
        self.runs += 1
        return Compiler().compile(create_pipeline(config, places)), f"run-{self.runs}"

    def run(self, nodes, **data):
        """Runs these nodes one by one; returns their states by id."""
        ir, run_id = self.compile(**data)
        for node in nodes:
            run_node(ir, node, run_id)
        return {node: lineage.node_state(self.store, run_id, node).state for node in nodes}


@pytest.fixture
def task(tmp_path):
    return Task(tmp_path)


def inputs_of(ir, node_id):
    (node,) = (n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == node_id)
    return set(node.inputs.inputs), set(node.upstream_nodes)


def test_the_serving_check_gets_its_section_and_the_preprocessing(task):
    ir, _ = task.compile(serving={"tolerance": 1e-3, "max_memory_mb": 2000})
    inputs, _ = inputs_of(ir, "ServingCheck")
    assert inputs == {"model", "examples", "predictions", "preprocessing"}
    (node,) = (n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == "ServingCheck")
    given = {k: v.field_value for k, v in node.parameters.parameters.items()}
    assert given["tolerance"].double_value == 1e-3
    assert json.loads(given["limits"].string_value) == {
        "max_load_seconds": None, "max_memory_mb": 2000, "max_latency_ms": None,
    }  # fmt: skip


def test_pictures_wait_for_the_gate_but_do_not_depend_on_what_it_says(task):
    inputs, upstream = inputs_of(task.compile()[0], "ImageTransform")
    assert inputs == {"examples"}
    assert upstream == {"ImageExampleGen", "DataGate"}

    nodes = [*BEFORE_THE_GATE, "DataGate", "ImageTransform"]
    split = {"train": 0.7, "eval": 0.0, "test": 0.3}  # no eval split: no anomaly either
    assert set(task.run(nodes, split=split, on_anomaly="warn").values()) == {"ran"}
    strict = task.run(nodes, split=split, on_anomaly="fail")
    assert (strict["DataGate"], strict["ImageTransform"]) == ("ran", "cached")


def test_a_gate_that_fails_stops_everything_after_it(task):
    schema = reviewed(task.folder, ["red"])
    ir, run_id = task.compile(on_anomaly="fail", schema_path=str(schema))
    seen = []

    @contextlib.contextmanager
    def around_node(node_id):
        seen.append(node_id)
        yield

    lineage.record_start(task.store, lineage.Run(run_id, {}, "hash", 0.0, {}, []), "hues")
    with pytest.raises(NodeFailed, match="(?s)DataGate: the data has anomalies.*blue"):
        LocalBeamRunner(run_id, around_node).run_with_ir(ir)
    assert set(seen) == {*BEFORE_THE_GATE, "DataGate"} - {"SchemaGen"} | {"ImportSchemaGen"}


def reviewed(folder, labels):
    """Writes a schema in which `label` has these values only."""
    (folder / "schema.pbtxt").write_text(
        'feature { name: "label" type: BYTES domain: "labels" '
        "presence { min_fraction: 1 min_count: 1 } }\n"
        'string_domain { name: "labels" ' + " ".join(f'value: "{x}"' for x in labels) + " }\n"
    )
    return folder / "schema.pbtxt"


def test_an_edited_schema_is_read_again_and_an_unchanged_one_is_not(task):
    path = str(reviewed(task.folder, ["red"]))
    assert task.run(["ImportSchemaGen"], schema_path=path) == {"ImportSchemaGen": "ran"}
    assert task.run(["ImportSchemaGen"], schema_path=path) == {"ImportSchemaGen": "cached"}
    reviewed(task.folder, ["red", "blue"])
    assert task.run(["ImportSchemaGen"], schema_path=path) == {"ImportSchemaGen": "ran"}
    schema = lineage.node_state(task.store, "run-3", "ImportSchemaGen").output("schema")
    assert 'value: "blue"' in Path(schema.path("schema.pbtxt")).read_text()
    kept = task.folder / "runs" / "hues" / "schemas"
    assert len(list(kept.glob("*/schema.pbtxt"))) == 2
