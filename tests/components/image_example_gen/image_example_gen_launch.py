"""Runs the component through TFX's own launcher, with a metadata store in SQLite."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils

from components.image_example_gen.component import ImageExampleGen

SHARES = {"train": 0.6, "eval": 0.2, "test": 0.2}
NODE = "ImageExampleGen"
_ROOT = Path(__file__).parents[3]


class Run(NamedTuple):
    """What one execution left behind."""

    state: str  # "COMPLETE", "CACHED"
    outputs: dict[str, Any]  # artifacts as the metadata store has them, by channel

    def records(self, split: str, channel: str = "examples") -> list[dict[str, Any]]:
        """The Examples of a split, as {feature: bytes or int}."""
        folder = Path(self.outputs[channel].uri) / f"Split-{split}"
        files = sorted(map(str, folder.iterdir()))
        dataset = tf.data.TFRecordDataset(files, compression_type="GZIP")
        return [_values(record) for record in dataset.as_numpy_iterator()]

    def all(self, channel: str = "examples") -> list[dict[str, Any]]:
        return [r for split in ("train", "eval", "test") for r in self.records(split, channel)]

    def split_by_path(self) -> dict[str, str]:
        return {r["path"].decode(): r["split"].decode() for r in self.all("facts")}

    def rejects(self) -> dict[str, str]:
        lines = (Path(self.outputs["rejects"].uri) / "rejects.jsonl").read_text("utf-8")
        return {r["path"]: r["reason"] for r in map(json.loads, lines.splitlines())}

    def counts(self) -> dict[str, int]:
        return {k: int(v) for k, v in self.custom("counts").items()}

    def custom(self, name: str) -> Any:
        return self.outputs["examples"].get_custom_property(name)


def run(root: Path, source: str | Path, **settings: Any) -> Run:
    """One run of a pipeline of this node; runs with the same `root` share a metadata store."""
    settings = {"split": json.dumps(SHARES), "min_per_class": 2, "max_rejected": 0.0, **settings}
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "metadata.db"))
    root.mkdir(exist_ok=True, parents=True)
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="images",
        pipeline_root=str(root / "artifacts"),
        components=[ImageExampleGen(source=str(source), **settings)],
        enable_cache=True,
        metadata_connection_config=store,
        beam_pipeline_args=["--runner=FnApiRunner", f"--setup_file={_ROOT / 'setup.py'}"],
    )
    ir = compiler.Compiler().compile(pipeline)
    with metadata.Metadata(store) as handle:
        name = f"run-{len(handle.store.get_executions())}"
    runtime_parameter_utils.substitute_runtime_parameter(
        ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: name}
    )
    deployment = runner_utils.extract_local_deployment_config(ir)
    launcher.Launcher(
        pipeline_node=ir.nodes[0].pipeline_node,
        pipeline_info=ir.pipeline_info,
        pipeline_runtime_spec=ir.runtime_spec,
        mlmd_connection=metadata.Metadata(store),
        executor_spec=runner_utils.extract_executor_spec(deployment, NODE),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, NODE),
    ).launch()
    return last(root)


def last(root: Path) -> Run:
    """The newest execution in the store under `root`, also after a failure."""
    from ml_metadata.proto import metadata_store_pb2
    from tfx.types import artifact_utils

    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "metadata.db"))
    with metadata.Metadata(store) as handle:
        execution = max(handle.store.get_executions(), key=lambda execution: execution.id)
        events = handle.store.get_events_by_execution_ids([execution.id])
        outputs = {}
        for event in events:
            [artifact] = handle.store.get_artifacts_by_id([event.artifact_id])
            [kind] = handle.store.get_artifact_types_by_id([artifact.type_id])
            key = event.path.steps[0].key
            outputs[key] = artifact_utils.deserialize_artifact(kind, artifact)
    state = metadata_store_pb2.Execution.State.Name(execution.last_known_state)
    return Run(state, outputs)


def _values(record: bytes) -> dict[str, Any]:
    features = tf.train.Example.FromString(record).features.feature
    return {
        name: (list(value.bytes_list.value) or list(value.int64_list.value))[0]
        for name, value in features.items()
    }
