"""Runs a compiled pipeline on this machine, by Beam, one node after the other."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.proto.orchestration import pipeline_pb2

from pipeline.node import NodeFailed, run_node

AroundNode = Callable[[str], AbstractContextManager[None]]

# Beam copies what it is given; a run's own objects are found here by its id instead.
_runs: dict[str, tuple[pipeline_pb2.Pipeline, AroundNode, list[NodeFailed]]] = {}


class LocalBeamRunner(BeamDagRunner):
    """TFX's Beam runner with three things that it cannot be given from outside.

    The run id is ours; the Beam runner is named, since Beam's default would download one; and
    nodes run by `run_node`, which fails where TFX's launcher only logs.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> "LocalBeamRunner":
        """Skips BeamDagRunner's choice of its legacy form."""
        return object.__new__(cls)

    def __init__(self, run_id: str, around_node: AroundNode):
        """Args:
        run_id: of this run.
        around_node: called with a node's id, gives a context in which that node runs.
        """
        super().__init__()
        self._run_id, self._around_node = run_id, around_node

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: Any = None) -> None:
        """Runs every node in the order of its edges.

        Raises:
          NodeFailed: the first node that failed; those after it have not run.
        """
        failures: list[NodeFailed] = []
        _runs[self._run_id] = (pipeline, self._around_node, failures)
        try:
            with beam.Pipeline(runner=FnApiRunner()) as p:
                start = p | "Start" >> beam.Create([None])
                done: dict[str, Any] = {}
                for node in pipeline.nodes:  # in topological order
                    info = node.pipeline_node
                    upstream = [beam.pvalue.AsIter(done[n]) for n in info.upstream_nodes]
                    done[info.node_info.id] = start | info.node_info.id >> beam.ParDo(
                        _NodeDoFn(info.node_info.id, self._run_id), *upstream
                    )
        except Exception:
            if failures:
                # Beam carries errors between its threads as text: this is the one that was raised.
                raise failures[0] from None
            raise
        finally:
            del _runs[self._run_id]


class _NodeDoFn(beam.DoFn):
    """Runs one node once everything upstream has ended; gives nothing on."""

    def __init__(self, node_id: str, run_id: str):
        self._node_id, self._run_id = node_id, run_id

    def process(self, element: None, *upstream: Any) -> None:
        for signal in upstream:
            list(signal)
        pipeline, around_node, failures = _runs[self._run_id]
        try:
            with around_node(self._node_id):
                run_node(pipeline, self._node_id, self._run_id)
        except NodeFailed as e:
            failures.append(e)
            raise
