"""What the metadata store knows of a run: its nodes, their states, their artifacts.

Summary, report and push state are functions of what is read here, so they can be made after any
run, good or bad, fresh or cached. This module needs ML Metadata but not TFX.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import ml_metadata as mlmd
from ml_metadata.proto import metadata_store_pb2 as pb

from components.files import read_json

RUN_CONTEXT = "graft_run"
_RESOLVER = "tfx.dsl.components.common.resolver.Resolver"
_STATES = {pb.Execution.COMPLETE: "ran", pb.Execution.CACHED: "cached"}
GOOD_STATES = tuple(_STATES)
"""Of an execution that has ended as it should."""
GOOD_NODES = tuple(_STATES.values())
"""The same of a node: it ran, or took an earlier result."""
LOOK_BACK = 30
"""Runs, in search of the one before that took other pictures."""


@dataclasses.dataclass(frozen=True)
class Artifact:
    """One artifact: where it lies and what was said of it."""

    id: int
    type: str
    uri: str
    properties: dict[str, Any]

    def path(self, *parts: str) -> str:
        """A file or folder inside the artifact, for `components.files`: it may be in a bucket."""
        return os.path.join(self.uri, *parts)

    def json(self, name: str) -> Any:
        """The content of a JSON file inside the artifact, or None where there is no such file."""
        try:
            return read_json(self.path(name))
        except (FileNotFoundError, NotADirectoryError):
            return None


@dataclasses.dataclass(frozen=True)
class Node:
    """One node of one run.

    Attributes:
      id: the node's name in the pipeline, such as "Trainer".
      state: "ran", "cached", "failed" or "skipped" (never started).
      seconds: wall time of its execution; 0 where it was skipped.
      inputs, outputs: artifacts by key; several where a key holds several.
      error: what it failed with, a user's sentence where there is one; else None.
    """

    id: str
    state: str
    seconds: float = 0.0
    inputs: dict[str, list[Artifact]] = dataclasses.field(default_factory=dict)
    outputs: dict[str, list[Artifact]] = dataclasses.field(default_factory=dict)
    error: str | None = None

    def output(self, key: str) -> Artifact | None:
        """The first artifact under an output key, or None."""
        return next(iter(self.outputs.get(key, [])), None)


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of the pipeline.

    Attributes:
      id: the run id.
      config: the whole configuration, as plain values.
      config_hash: 12 hexadecimal characters of it.
      started: seconds since the epoch.
      versions: library names and versions it ran with; and "git", the commit of the project's own
        code where that is a checkout, see `components.content.git_commit`.
      nodes: in the order of the DAG, those that were never reached included.
      upstream: the nodes before each node, by id; empty of a run from before that was recorded.
    """

    id: str
    config: dict[str, Any]
    config_hash: str
    started: float
    versions: dict[str, str]
    nodes: list[Node]
    upstream: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    def node(self, node_id: str) -> Node:
        """A node by its id; one that the run does not have counts as skipped."""
        return next((n for n in self.nodes if n.id == node_id), Node(node_id, "skipped"))

    def output(self, node_id: str, key: str) -> Artifact | None:
        """The first artifact that a node put under a key, or None."""
        return self.node(node_id).output(key)

    @property
    def failed(self) -> Node | None:
        """The first failed node, or None."""
        return next((n for n in self.nodes if n.state == "failed"), None)


def record_start(store: mlmd.MetadataStore, run: Run, pipeline_name: str) -> None:
    """Writes down, before any node runs, what the store itself would never know of a run.

    Of a run that is written down already the first word stands: a task that is tried again says
    it again.
    """
    type_id = store.put_context_type(pb.ContextType(name=RUN_CONTEXT))
    context = pb.Context(type_id=type_id, name=f"{pipeline_name}.{run.id}")
    values = {
        "config": json.dumps(run.config, sort_keys=True),
        "config_hash": run.config_hash,
        "versions": json.dumps(run.versions, sort_keys=True),
        "nodes": json.dumps([node.id for node in run.nodes]),
        "upstream": json.dumps(run.upstream),
    }
    for key, value in values.items():
        context.custom_properties[key].string_value = value
    context.custom_properties["started"].double_value = run.started
    with contextlib.suppress(mlmd.errors.AlreadyExistsError):
        store.put_contexts([context])


def record_error(store: mlmd.MetadataStore, run_id: str, node_id: str, message: str) -> None:
    """Writes a node's error onto its execution, where summary and report find it."""
    execution = find_execution(store, run_id, node_id)
    if execution is not None:
        execution.custom_properties["error"].string_value = message[:20_000]
        store.put_executions([execution])


def run_ids(store: mlmd.MetadataStore, pipeline_name: str) -> list[str]:
    """The runs of a pipeline that the store knows, oldest first."""
    contexts = sorted(store.get_contexts_by_type(RUN_CONTEXT), key=lambda c: c.id)
    names = (c.name.split(".", 1) for c in contexts)
    return [run_id for pipeline, run_id in names if pipeline == pipeline_name]


def run_config(store: mlmd.MetadataStore, pipeline_name: str, run_id: str) -> dict[str, Any]:
    """The configuration of a run that the store knows, as plain values."""
    context = store.get_context_by_type_and_name(RUN_CONTEXT, f"{pipeline_name}.{run_id}")
    return json.loads(context.custom_properties["config"].string_value)


def read_run(store: mlmd.MetadataStore, run_id: str) -> Run | None:
    """Returns a run as the store has it, or None where it has none of that id."""
    context = next(
        (c for c in store.get_contexts_by_type(RUN_CONTEXT) if c.name.split(".", 1)[1] == run_id),
        None,
    )
    if context is None:
        return None
    found = [
        _read_node(store, node_id, execution) for node_id, execution in _executions(store, run_id)
    ]
    return _run(context, run_id, found)


def last_on_other_data(store: mlmd.MetadataStore, pipeline_name: str, run: Run) -> Run | None:
    """Returns the last run before one that took another set of pictures; None where there is none.

    It looks at no more than LOOK_BACK runs, and reads only the one that it returns.
    """
    mine = run.output("ImageExampleGen", "examples")
    if mine is None:
        return None
    imports = _execution_ids(store, "node", f"{pipeline_name}.ImageExampleGen")
    own = imports & _execution_ids(store, "pipeline_run", run.id)
    before = sorted(id for id in imports if id < min(own, default=0))[-LOOK_BACK:]
    events = _events(store, before)
    for execution_id in reversed(before):
        theirs = _put_out(events[execution_id])
        if theirs and mine.id not in theirs:
            contexts = store.get_contexts_by_execution(execution_id)
            return read_run(store, next(c.name for c in contexts if c.type == "pipeline_run"))
    return None


def read_runs(store: mlmd.MetadataStore, pipeline_name: str) -> list[Run]:
    """Returns all runs of a pipeline, oldest first, with few questions: a server may be far."""
    mine = f"{pipeline_name}."
    node_of = {
        execution.id: context.name.removeprefix(mine)
        for context in store.get_contexts_by_type("node")
        if context.name.startswith(mine)
        for execution in store.get_executions_by_context(context.id)
    }
    executions = {
        context.name: [e for e in store.get_executions_by_context(context.id) if e.id in node_of]
        for context in store.get_contexts_by_type("pipeline_run")
    }
    events = _events(store, node_of)
    ids = {event.artifact_id for of_one in events.values() for event in of_one}
    artifacts = {a.id: a for a in store.get_artifacts_by_id(list(ids))} if ids else {}

    before: dict[str, set[int]] = {}
    nodes = {}
    for execution in sorted((e for ran in executions.values() for e in ran), key=lambda e: e.id):
        node_id, of_one = node_of[execution.id], events[execution.id]
        nodes[execution.id] = _node(node_id, execution, of_one, artifacts, before.get(node_id))
        before[node_id] = _put_out(of_one)
    contexts = sorted(store.get_contexts_by_type(RUN_CONTEXT), key=lambda c: c.id)
    known = [(c, c.name.removeprefix(mine)) for c in contexts if c.name.startswith(mine)]
    return [
        _run(context, run_id, [nodes[e.id] for e in executions.get(run_id, [])])
        for context, run_id in known
    ]


def last_seconds(store: mlmd.MetadataStore, pipeline_name: str) -> dict[str, float]:
    """Returns how long each node of a pipeline took when it last ran to its end, by id."""
    mine, seconds = f"{pipeline_name}.", {}
    for context in store.get_contexts_by_type("node"):
        if context.name.startswith(mine):
            executions = store.get_executions_by_context(context.id)
            ran = [e for e in executions if e.last_known_state == pb.Execution.COMPLETE]
            if ran:
                last = max(ran, key=lambda e: e.id)
                seconds[context.name.removeprefix(mine)] = _seconds(last)
    return seconds


def _seconds(execution: pb.Execution) -> float:
    return (
        execution.last_update_time_since_epoch - execution.create_time_since_epoch
    ) / 1000  # of milliseconds


def node_state(store: mlmd.MetadataStore, run_id: str, node_id: str) -> Node:
    """Returns one node of a run; "skipped" where it has not started."""
    execution = find_execution(store, run_id, node_id)
    return Node(node_id, "skipped") if execution is None else _read_node(store, node_id, execution)


def find_execution(store: mlmd.MetadataStore, run_id: str, node_id: str) -> pb.Execution | None:
    """Returns a node's execution in a run, or None where it has not started."""
    return next((e for n, e in _executions(store, run_id) if n == node_id), None)


def _executions(store: mlmd.MetadataStore, run_id: str) -> Iterator[tuple[str, pb.Execution]]:
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return
    for execution in store.get_executions_by_context(context.id):
        for c in store.get_contexts_by_execution(execution.id):
            if c.type == "node":
                yield c.name.split(".", 1)[1], execution


def _execution_ids(store: mlmd.MetadataStore, kind: str, name: str) -> set[int]:
    """Of one node in all runs, or of one run's nodes."""
    context = store.get_context_by_type_and_name(kind, name)
    return {e.id for e in store.get_executions_by_context(context.id)} if context else set()


def _events(store: mlmd.MetadataStore, ids: Collection[int]) -> dict[int, list[pb.Event]]:
    """The events of executions, by the execution's id."""
    events: dict[int, list[pb.Event]] = {id: [] for id in ids}
    for event in store.get_events_by_execution_ids(list(ids)) if ids else []:
        events[event.execution_id].append(event)
    return events


def _run(context: pb.Context, run_id: str, found: list[Node]) -> Run:
    said = {key: value.string_value for key, value in context.custom_properties.items()}
    nodes = {node.id: node for node in found}
    return Run(
        id=run_id,
        config=json.loads(said["config"]),
        config_hash=said["config_hash"],
        started=context.custom_properties["started"].double_value,
        versions=json.loads(said["versions"]),
        nodes=[nodes.get(i, Node(i, "skipped")) for i in json.loads(said["nodes"])],
        upstream=json.loads(said.get("upstream", "{}")),
    )


def _read_node(store: mlmd.MetadataStore, node_id: str, execution: pb.Execution) -> Node:
    events = store.get_events_by_execution_ids([execution.id])
    artifacts = {a.id: a for a in store.get_artifacts_by_id([e.artifact_id for e in events])}
    before = None
    if execution.type == _RESOLVER:
        node = next(c for c in store.get_contexts_by_execution(execution.id) if c.type == "node")
        earlier = [e.id for e in store.get_executions_by_context(node.id) if e.id < execution.id]
        if earlier:
            before = _put_out(store.get_events_by_execution_ids([max(earlier)]))
    return _node(node_id, execution, events, artifacts, before)


def _node(
    node_id: str,
    execution: pb.Execution,
    events: Sequence[pb.Event],
    artifacts: Mapping[int, pb.Artifact],
    before: set[int] | None,
) -> Node:
    """A node of its execution's events; `before`: what its last execution put out, if there was
    one."""
    inputs: dict[str, list[Artifact]] = {}
    outputs: dict[str, list[Artifact]] = {}
    for event in events:
        side = inputs if event.type in (pb.Event.INPUT, pb.Event.DECLARED_INPUT) else outputs
        key = next((s.key for s in event.path.steps if s.key), "")
        side.setdefault(key, []).append(_artifact(artifacts[event.artifact_id]))
    state = _STATES.get(execution.last_known_state, "failed")
    found = {a.id for of_one in outputs.values() for a in of_one}
    if execution.type == _RESOLVER and state == "ran" and before == found:
        state = "cached"  # TFX never caches a Resolver, but it found just what it found before
    error = (
        execution.custom_properties["error"].string_value
        if "error" in execution.custom_properties
        else None
    )
    return Node(node_id, state, _seconds(execution), inputs, outputs, error)


def _put_out(events: Sequence[pb.Event]) -> set[int]:
    return {e.artifact_id for e in events if e.type in (pb.Event.OUTPUT, pb.Event.INTERNAL_OUTPUT)}


def _artifact(artifact: pb.Artifact) -> Artifact:
    properties = {**artifact.properties, **artifact.custom_properties}
    return Artifact(
        artifact.id, artifact.type, artifact.uri, {k: _value(v) for k, v in properties.items()}
    )


def _value(value: pb.Value) -> Any:
    kind = value.WhichOneof("value")
    if kind == "struct_value":  # how TFX keeps JSON values
        held = {key: _plain(item) for key, item in value.struct_value.fields.items()}
        return held.get("__value__", held)
    return getattr(value, kind) if kind else None


def _plain(value: Any) -> Any:
    """A protobuf Value as Python has it; protobuf's own way refuses what is no number."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return {key: _plain(item) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)
