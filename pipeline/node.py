"""Runs one node of a compiled pipeline. The local runner and Kubeflow both call this."""

import os

from ml_metadata.proto import metadata_store_pb2 as pb
from tfx.dsl.compiler import constants
from tfx.dsl.io import fileio
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from components.errors import GraftError
from pipeline import lineage


class NodeFailed(Exception):
    """A node did not end well. Its text is for a person; the traceback is in the log."""

    def __init__(self, node_id: str, message: str):
        super().__init__(f"{node_id}: {message}")
        self.node_id, self.message = node_id, message


def with_run_id(ir: pipeline_pb2.Pipeline, run_id: str) -> pipeline_pb2.Pipeline:
    """Returns a copy of the compiled pipeline that belongs to one run."""
    copy = pipeline_pb2.Pipeline()
    copy.CopyFrom(ir)
    runtime_parameter_utils.substitute_runtime_parameter(
        copy, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
    )
    return copy


def run_node(ir: pipeline_pb2.Pipeline, node_id: str, run_id: str) -> None:
    """Runs one node: resolves its inputs, takes the cache or executes, publishes.

    Args:
      ir: the compiled pipeline, without a run id.
      node_id: which node.
      run_id: the run it belongs to.

    Raises:
      NodeFailed: unless the node's execution ends COMPLETE or CACHED. TFX's launcher returns
        as if all were well when a node's inputs cannot be resolved, so the state is read back.
    """
    ir = with_run_id(ir, run_id)
    deployment = runner_utils.extract_local_deployment_config(ir)
    connection = getattr(
        deployment.metadata_connection_config,
        deployment.metadata_connection_config.WhichOneof("connection_config"),
    )
    node = next(n.pipeline_node for n in ir.nodes if n.pipeline_node.node_info.id == node_id)
    try:
        _clear_leftovers(ir, node, connection, run_id)
        launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=ir.pipeline_info,
            pipeline_runtime_spec=ir.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        ).launch()
    except (Exception, KeyboardInterrupt) as e:
        message = _sentence(e)
        _record(connection, run_id, node_id, message)
        raise NodeFailed(node_id, message) from e
    with metadata.Metadata(connection) as handle:
        state = lineage.node_state(handle.store, run_id, node_id).state
    if state not in ("ran", "cached"):
        message = "its inputs could not be resolved; see the log for which"
        _record(connection, run_id, node_id, message)
        raise NodeFailed(node_id, message)


def _clear_leftovers(
    ir: pipeline_pb2.Pipeline,
    node: pipeline_pb2.PipelineNode,
    connection: pb.ConnectionConfig,
    run_id: str,
) -> None:
    """Removes what a killed attempt of this node in this run has left.

    TFX's launcher takes up the same execution again, and with it the same output folders.
    """
    node_id = node.node_info.id
    with metadata.Metadata(connection) as handle:
        execution = lineage.find_execution(handle.store, run_id, node_id)
    if execution is None or execution.last_known_state in lineage.GOOD_STATES:
        return
    root = ir.runtime_spec.pipeline_root.field_value.string_value
    folders = [*node.outputs.outputs, ".system/executor_execution"]
    for folder in folders:
        leftover = os.path.join(root, node_id, folder, str(execution.id))
        if fileio.exists(leftover):
            fileio.rmtree(leftover)


def _record(connection: pb.ConnectionConfig, run_id: str, node_id: str, message: str) -> None:
    with metadata.Metadata(connection) as handle:
        lineage.record_error(handle.store, run_id, node_id, message)


def _sentence(error: BaseException) -> str:
    """A user's own error as it stands; anything else with its type, as a bug would be reported."""
    seen: BaseException | None = error
    # By cause alone: the context is whatever had been handled when a bug struck.
    while seen is not None:
        if isinstance(seen, GraftError):
            return _without_step(str(seen))
        seen = seen.__cause__
    text = str(error).strip() or "no message"
    if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in text:
        return "interrupted"
    # Beam carries the error of a worker only as text; its last line is the error itself.
    for kind in GraftError.__subclasses__():
        marker = f"{kind.__module__}.{kind.__name__}: "
        if marker in text:
            return _without_step(text.rsplit(marker, 1)[1])
    return (
        f"{type(error).__name__}: {text.splitlines()[-1][:2000]}\n"
        "The log has it in full. If a file that an earlier node made is damaged, delete that "
        "node's folder under artifacts/, and the next run makes it anew."
    )


def _without_step(text: str) -> str:
    """Without the name of the step, which Beam appends to a worker's error."""
    return text.split(" [while running", 1)[0].strip()
