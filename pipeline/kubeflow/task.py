"""What a task does in its pod: one node, or the report at the end."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ml_metadata as mlmd

from components.errors import ConfigError, GraftError
from pipeline import lineage
from pipeline.check import check, check_module, find_warnings
from pipeline.config import Config
from pipeline.kubeflow import pages
from pipeline.kubeflow.parameters import CONFIG, configured
from pipeline.places import Places
from pipeline.start import calm_libraries, compiled, edges, record
from pipeline.stores import open_store


def run_task(values: Mapping[str, Any]) -> None:
    """Runs one node of a run, and writes its page.

    Args:
      values: by name what `tasks.node` takes, the artifacts of the page among them.

    Raises:
      SystemExit: the node did not end as it should; with the sentence for the user. A task is
        never green unless its node's execution is COMPLETE or CACHED.
    """
    with _sentences():
        _run_task(values)


def run_report(values: Mapping[str, Any]) -> None:
    """Makes what must stand after every run, good or bad: push state, report, summary.

    Args:
      values: by name what `tasks.report` takes.

    Raises:
      SystemExit: it cannot be made; with the sentence for the user.
    """
    with _sentences():
        _run_report(values)


def _run_task(values: Mapping[str, Any]) -> None:
    node_id, run_id = values["node_id"], values["run_id"]
    config, places = _begin(values)
    ir = compiled(config, places)
    if values["graph"]:
        # The first task of a run: what can be known is checked before any work.
        check_graph(json.loads(values["graph"]), edges(ir))
        check(config, places)
        check_module(config)
        places.summary.unlink(missing_ok=True)  # it is of an earlier run
        for warning in find_warnings(config):
            print(f"warning: {warning}", flush=True)
    from pipeline.node import NodeFailed, run_node

    record(open_store(places.metadata), config, run_id, ir)
    try:
        run_node(ir, node_id, run_id)
    except NodeFailed as e:
        # The store is opened anew: the server may have been restarted in the hours since.
        _write(values["summary"], pages.task_page(_read(places, run_id), node_id))
        raise SystemExit(f"error: {e}") from e
    run = _read(places, run_id)
    _write(values["summary"], pages.task_page(run, node_id))
    if "metrics" in values:
        for name, value in pages.metrics(run).items():
            values["metrics"].log_metric(name, value)
        labels, counts = pages.confusion_matrix(run)
        if labels:
            values["confusion"].log_confusion_matrix(labels, counts)
    state = run.node(node_id).state
    print(f"{node_id}: {state} in run {run_id}", flush=True)


def _run_report(values: Mapping[str, Any]) -> None:
    from pipeline.finish import finish

    run_id = values["run_id"]
    config, places = _begin(values)
    store = open_store(places.metadata)
    run = lineage.read_run(store, run_id)
    if run is None:
        raise ConfigError(
            f"run {run_id}: its first task did not get as far as the metadata store; see its log"
        )
    summary = finish(store, run_id, places, config, time.time() - run.started)
    failed_nodes = {node.id for node in run.nodes if node.state == "failed"}
    _write(values["summary"], pages.run_page(summary))
    _write(values["page"], Path(summary["report"]).read_text(encoding="utf-8"))
    print(pages.run_page(summary), flush=True)
    error = summary["error"]
    if error and error["node"] not in failed_nodes:
        # No task is red for it yet.
        raise SystemExit(f"error: {error['node']}: {error['message']}")


def check_graph(expected: dict[str, list[str]], found: dict[str, list[str]]) -> None:
    """Checks that a configuration has the graph that the file was compiled for.

    Args:
      expected, found: the nodes before each node, by id.

    Raises:
      ConfigError: with what differs.
    """
    if expected == found:
        return
    more, fewer = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
    said = [
        f"the configuration has {', '.join(more)} besides" if more else "",
        f"it has no {', '.join(fewer)}" if fewer else "",
        "its edges are others" if not more and not fewer else "",
    ]
    raise ConfigError(
        "this pipeline was compiled for another graph: "
        + " and ".join(part for part in said if part)
        + "; compile and upload the new configuration (`graft compile`, or `graft submit`)"
    )


def _begin(values: Mapping[str, Any]) -> tuple[Config, Places]:
    calm_libraries()
    if "{{" in values["run_id"]:
        # Taken as it stands, all runs would be one, and a second run would do nothing.
        raise ConfigError(
            f"run id {values['run_id']!r}: this Kubeflow Pipelines does not fill it in; it must be "
            "2.5 or newer"
        )
    config = configured(values[CONFIG], values)
    places = Places.on_kubeflow(config)
    try:
        places.home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(
            f"{places.home}: cannot be made ({e.strerror}); see that the volume "
            f"{config.kubeflow.volume.claim} is mounted at {config.kubeflow.volume.mount_path} and "
            "that the image's user may write there"
        ) from None
    return config, places


def _read(places: Places, run_id: str) -> lineage.Run:
    run = lineage.read_run(open_store(places.metadata), run_id)
    if run is None:
        raise KeyError(run_id)
    return run


def _write(artifact: Any, text: str) -> None:
    os.makedirs(os.path.dirname(artifact.path), exist_ok=True)
    Path(artifact.path).write_text(text, encoding="utf-8", errors="backslashreplace")


@contextlib.contextmanager
def _sentences() -> Iterator[None]:
    """Ends a task with a user's error as a sentence, not as a traceback."""
    try:
        yield
    except GraftError as e:
        raise SystemExit(f"error: {e}") from None
    except mlmd.errors.StatusError as e:
        raise SystemExit(f"error: the metadata store does not answer: {e}") from None
    finally:
        sys.stdout.flush()
