"""What every run begins with, wherever it runs: the compiled DAG, and its entry in the store."""

import contextlib
import importlib.metadata
import logging
import os
import time
import warnings
from typing import TYPE_CHECKING, Any

from components.content import git_commit
from pipeline.config import Config, config_hash
from pipeline.places import Places

if TYPE_CHECKING:
    import ml_metadata as mlmd

LIBRARIES = (
    "graft",
    "tfx",
    "tensorflow",
    "tensorflow-hub",
    "tf-keras",
    "apache-beam",
    "mlflow-skinny",
    "kfp",
)


def calm_libraries() -> None:
    """Keeps the log readable: TensorFlow's start-up lines and Google's warnings about Python."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.filterwarnings("ignore", category=FutureWarning)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname).1s %(name)s: %(message)s"
    )


def compiled(config: Config, places: Places, unseen: bool = False) -> Any:
    """Compiles the DAG; costs the import of TensorFlow Extended.

    Args:
      config, places, unseen: see `dag.create_pipeline`.

    Returns:
      TFX's Pipeline proto, its nodes in an order in which they can run.
    """
    from tfx.dsl.compiler.compiler import Compiler

    from pipeline import dag

    return Compiler().compile(dag.create_pipeline(config, places, unseen))


def graph_of(config: Config) -> dict[str, list[str]]:
    """The nodes before each node of a configuration's DAG; the backbone need not be here."""
    return edges(compiled(config, Places.of("runs", config), unseen=True))


def edges(ir: Any) -> dict[str, list[str]]:
    """The nodes before each node of a compiled DAG, by id, in an order in which they can run."""
    nodes = [node.pipeline_node for node in ir.nodes]
    return {node.node_info.id: sorted(node.upstream_nodes) for node in nodes}


def record(
    store: "mlmd.MetadataStore", config: Config, run_id: str, ir: Any, started: float | None = None
) -> None:
    """Writes a run down before any of its nodes runs; the second time does nothing.

    Args:
      store: the metadata store.
      config: the run's configuration.
      run_id: of the run.
      ir: the compiled DAG.
      started: seconds since the epoch; by default now.
    """
    from pipeline import lineage

    lineage.record_start(
        store,
        lineage.Run(
            id=run_id,
            config=config.model_dump(mode="json"),
            config_hash=config_hash(config),
            started=time.time() if started is None else started,
            versions=_versions(),
            nodes=[lineage.Node(node_id, "skipped") for node_id in edges(ir)],
            upstream=edges(ir),
        ),
        config.name,
    )


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[library] = importlib.metadata.version(library)
    if commit := git_commit():
        found["git"] = commit
    return found
