"""A few nodes as a pipeline of their own, timed by the metadata store."""

import shutil
from pathlib import Path
from typing import Any


def run_nodes(nodes: list[Any], root: Path) -> dict[str, float]:
    """Runs nodes by TFX's LocalDagRunner and Beam's in-process runner, in an empty folder.

    Args:
      nodes: TFX components, in order.
      root: emptied first; artifacts lie in `artifacts/NODE/KEY/`.

    Returns:
      Seconds of each node.
    """
    from tfx import v1 as tfx

    from pipeline.stores import open_store

    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    database = str(root / "metadata.db")
    setup = Path(__file__).parents[1] / "setup.py"
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="benchmark",
        pipeline_root=str(root / "artifacts"),
        components=nodes,
        enable_cache=False,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            database
        ),
        beam_pipeline_args=["--runner=FnApiRunner", f"--setup_file={setup}"],
    )
    tfx.orchestration.LocalDagRunner().run(pipeline)
    seconds = {}
    for execution in open_store(database).get_executions():
        took = execution.last_update_time_since_epoch - execution.create_time_since_epoch
        seconds[execution.type.rpartition(".")[2]] = took / 1000
    return seconds
