"""Runs the component through TFX's own runner, with a metadata store in SQLite."""

from pathlib import Path
from typing import NamedTuple

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.orchestration import metadata
from tfx.types import standard_artifacts

from components.artifacts import Preprocessing
from components.feature_extractor.component import FeatureExtractor

_SETUP = Path(__file__).parents[3] / "setup.py"


class Run(NamedTuple):
    """What one execution left behind."""

    state: str  # "COMPLETE", "CACHED"
    uri: str  # of the features


def launch(
    root: Path,
    examples: str,
    preprocessing: str,
    module: str,
    transformed: str,
    views: int = 2,
    module_hash: str = "abc",
) -> Run:
    """One run of a pipeline of this node; runs with the same `root` share a metadata store."""
    inputs = {
        "examples": (examples, standard_artifacts.Examples),
        "transformed_examples": (transformed, standard_artifacts.Examples),
        "preprocessing": (preprocessing, Preprocessing),
    }
    given = {
        name: tfx.dsl.Importer(source_uri=uri, artifact_type=kind).with_id(name)
        for name, (uri, kind) in inputs.items()
    }
    node = FeatureExtractor(
        **{name: importer.outputs["result"] for name, importer in given.items()},
        handle=module,
        module_hash=module_hash,
        views=views,
    )
    store = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(root / "metadata.db"))
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="features",
        pipeline_root=str(root / "artifacts"),
        components=[*given.values(), node],
        enable_cache=True,
        metadata_connection_config=store,
        beam_pipeline_args=["--runner=FnApiRunner", f"--setup_file={_SETUP}"],
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    with metadata.Metadata(store) as handle:
        execution = max(handle.store.get_executions(), key=lambda execution: execution.id)
        [uri] = [
            artifact.uri
            for event in handle.store.get_events_by_execution_ids([execution.id])
            if event.type != metadata_store_pb2.Event.Type.INPUT
            for artifact in handle.store.get_artifacts_by_id([event.artifact_id])
        ]
    return Run(metadata_store_pb2.Execution.State.Name(execution.last_known_state), uri)
