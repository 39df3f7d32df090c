"""One run on this machine, from the configuration to the last line on the terminal."""

import contextlib
import dataclasses
import datetime
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from components.errors import ConfigError
from pipeline import lineage
from pipeline.check import check_module, find_warnings
from pipeline.config import Config
from pipeline.live_table import LiveTable
from pipeline.places import Places
from pipeline.run_lines import error_line, stopped_lines, summary_lines
from pipeline.shown import as_data
from pipeline.start import calm_libraries, compiled, edges, record
from pipeline.stopping import Stop, Stopped
from pipeline.stores import open_store
from pipeline.summary import summarize, write_summary
from pipeline.terminal import Terminal, library_noise_to, real_stderr

INTERRUPTED = "interrupted"
"""What a node failed with that a signal ended; `node.run_node` says the same."""


def run_local(
    config: Config, places: Places, quiet: bool = False, stop: Stop | None = None
) -> dict[str, Any]:
    """Runs the whole pipeline on this machine.

    Args:
      config: the task, already checked.
      places: where the run goes.
      quiet: print nothing but errors.
      stop: whether somebody wants it to end; by default nobody does.

    Returns:
      The summary, as `summary.json` has it; of a run that was stopped, too.

    Raises:
      ConfigError: the folder cannot be made, or another run is using it.
      StoreError: the metadata store there is damaged, or the summary cannot be written.
      BackboneError: the backbone cannot be what the configuration wants.
      Stopped: before there was a run.
    """
    started, stop = time.time(), stop or Stop()
    try:
        places.home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(
            f"{places.home}: cannot be made ({e.strerror}); give a folder with --runs"
        ) from None
    with stop.held(), only_run_in(places), real_stderr() as errors:
        run_id = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        log = places.log(run_id)
        with library_noise_to(log) as stream, _said_where(log, stop):
            run = _LocalRun(config, places, run_id, started, stop)
            return run.run(Terminal(stream, quiet, errors))


@contextlib.contextmanager
def _said_where(log: Path, stop: Stop) -> Iterator[None]:
    """Adds to an error that ends a run early where the log lies, and how to go on."""
    try:
        yield
    except Stopped as e:
        e.add_note("before the first node, so there is nothing to keep")
        e.add_note(f"go on       {stop.command}")
        e.add_note(f"log         {log}")
        raise
    except Exception as e:
        e.add_note(f"log         {log}")
        raise


@dataclasses.dataclass
class _LocalRun:
    """One run, from its first line to its last."""

    config: Config
    places: Places
    id: str
    started: float
    stop: Stop

    def run(self, terminal: Terminal) -> dict[str, Any]:
        terminal.say(f"[bold]{as_data(self.config.name)}[/]  run {self.id}")
        for warning in find_warnings(self.config):
            terminal.say(f"[yellow]warning:[/] {as_data(warning)}")
        table = LiveTable(terminal, self.places.artifacts, self.stop)
        with table.shown():
            with table.doing("loading TensorFlow Extended"), self._loading():
                calm_libraries()
                from pipeline.local_runner import LocalBeamRunner  # noqa: F401

                check_module(self.config)
                ir = compiled(self.config, self.places)
            store = open_store(self.places.metadata)
            table.expect(list(edges(ir)), lineage.last_seconds(store, self.config.name))
            record(store, self.config, self.id, ir, self.started)
            self.places.summary.unlink(missing_ok=True)  # it is of an earlier run
            error = self._run_nodes(store, ir, table)
            table.not_reached()
            with table.doing("writing the report"):
                summary, reported = self._finish(store, error)
        self._say_end(terminal, summary, reported)
        return summary

    @contextlib.contextmanager
    def _loading(self) -> Iterator[None]:
        """Work that a signal ends at once, whatever a library in the midst of it makes of that."""
        try:
            with self.stop.at_once():
                yield
        except Exception:
            self.stop.check()
            raise
        self.stop.check()

    def _run_nodes(self, store: Any, ir: Any, table: LiveTable) -> dict[str, str] | None:
        """Runs all nodes; returns {node, message} of what went wrong outside them."""
        from pipeline.local_runner import LocalBeamRunner
        from pipeline.node import NodeFailed

        @contextlib.contextmanager
        def around_node(node_id: str) -> Iterator[None]:
            self.stop.check()
            try:
                with table.running(node_id):
                    yield
            finally:
                node = lineage.node_state(store, self.id, node_id)
                if self.stop.number and node.state == "failed":
                    # Whatever else it failed with came of that.
                    lineage.record_error(store, self.id, node_id, INTERRUPTED)
                table.ended(node)

        try:
            with self.stop.at_once():
                LocalBeamRunner(self.id, around_node).run_with_ir(ir)
        except (NodeFailed, KeyboardInterrupt):
            pass  # its message is in the store, and so in the summary
        except Exception as e:
            if not self.stop.number:  # Beam turns that into an error of its own
                logging.getLogger(__name__).exception("outside any node")
                return {"node": "pipeline", "message": f"{type(e).__name__}: {e}"}
        return None

    def _finish(self, store: Any, error: dict[str, str] | None) -> tuple[dict[str, Any], bool]:
        """Writes report and summary; returns the summary, and whether there is a report."""
        from pipeline.finish import finish

        run = lineage.read_run(store, self.id)
        assert run is not None  # it has just been recorded
        if self.stop.number and any(node.state == "skipped" for node in run.nodes):
            error = {"node": "pipeline", "message": INTERRUPTED}  # unless it was in a node
        seconds = time.time() - self.started
        try:
            with self.stop.if_again():
                return finish(store, self.id, self.places, self.config, seconds, error), True
        except Stopped:
            report = self.places.report(self.id) / "index.html"
            summary = summarize(run, str(report), seconds)
            if error and not summary["error"]:
                summary |= {"status": "failed", "error": error}
            write_summary(summary, self.places.summary)
            return summary, False

    def _say_end(self, terminal: Terminal, summary: dict[str, Any], reported: bool) -> None:
        log = str(self.places.log(self.id))
        terminal.say("")
        if self.stop.number:
            goes_on = any(path.is_dir() for path in self.places.checkpoints.glob("*"))
            command = self.stop.command
            for line in stopped_lines(summary, goes_on, command, not reported):
                terminal.fail(line)
        if summary["error"] and summary["error"]["message"] != INTERRUPTED:
            terminal.fail(error_line(summary["error"]))
        if summary["error"] and terminal.quiet:
            terminal.fail(f"  log         {as_data(log)}")
        for line in summary_lines(
            {**summary, "report": reported and summary["report"]}, log, terminal.width
        ):
            terminal.say(line)


@contextlib.contextmanager
def only_run_in(places: Places) -> Iterator[None]:
    """Keeps two runs off one SQLite store; the lock goes with its process, however that ends."""
    lock = filelock.FileLock(places.home / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ConfigError(
            f"{places.home}: another run is going on there; wait for it, or give another folder "
            "with --runs"
        ) from None
    try:
        yield
    finally:
        lock.release()
