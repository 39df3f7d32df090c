"""One run on this machine, from the configuration to the last line on the terminal."""

import contextlib
import datetime
import logging
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import filelock
from rich.markup import escape

from components.errors import ConfigError
from pipeline.check import check_module, find_warnings
from pipeline.config import Config
from pipeline.places import Places
from pipeline.start import calm_libraries, compiled, record
from pipeline.stores import open_store
from pipeline.terminal import Terminal, library_noise_to


def run_local(config: Config, places: Places, quiet: bool = False) -> dict[str, Any]:
    """Runs the whole pipeline on this machine.

    Args:
      config: the task, already checked.
      places: where the run goes.
      quiet: print nothing but errors.

    Returns:
      The summary, as `summary.json` has it.

    Raises:
      ConfigError: the folder cannot be made, or another run is using it.
      StoreError: the metadata store there is damaged, or the summary cannot be written.
      BackboneError: the backbone cannot be what the configuration wants.
    """
    started = time.time()
    try:
        places.home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(
            f"{places.home}: cannot be made ({e.strerror}); give a folder with --runs"
        ) from None
    with only_run_in(places):
        run_id = datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")[:-3]
        with library_noise_to(places.log(run_id)) as stream:
            return _run(config, places, run_id, started, Terminal(stream, quiet))


def _run(
    config: Config, places: Places, run_id: str, started: float, terminal: Terminal
) -> dict[str, Any]:
    terminal.say(f"[bold]{config.name}[/]  run {run_id}")
    for warning in find_warnings(config):
        terminal.say(f"[yellow]warning:[/] {escape(warning)}")
    with terminal.working("loading TensorFlow Extended"):
        calm_libraries()
        from pipeline import lineage
        from pipeline.finish import finish
        from pipeline.local_runner import LocalBeamRunner
        from pipeline.node import NodeFailed

        check_module(config)
        ir = compiled(config, places)

    store = open_store(places.metadata)
    record(store, config, run_id, ir, started)

    @contextlib.contextmanager
    def around_node(node_id: str) -> Iterator[None]:
        try:
            with terminal.watching(node_id, places.artifacts):
                yield
        finally:
            terminal.node(lineage.node_state(store, run_id, node_id))

    places.summary.unlink(missing_ok=True)  # it is of an earlier run
    with _interrupts() as interrupted:
        error = None
        try:
            LocalBeamRunner(run_id, around_node).run_with_ir(ir)
        except NodeFailed:
            pass  # its message is in the store, and so in the summary
        except Exception as e:
            logging.getLogger(__name__).exception("outside any node")
            error = {"node": "pipeline", "message": f"{type(e).__name__}: {e}"}
        finally:
            with terminal.working("writing the report"):
                seconds = time.time() - started
                summary = finish(store, run_id, places, config, seconds, error)
            if not interrupted.is_set():
                terminal.end(summary, str(places.log(run_id)))
    return summary


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Ends in KeyboardInterrupt after a Ctrl-C, which Beam would turn into an error of its own.

    Yields:
      Set once there was one.
    """
    interrupted = threading.Event()

    def note(*_: Any) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    except Exception:
        if not interrupted.is_set():
            raise
    finally:
        signal.signal(signal.SIGINT, before)
    if interrupted.is_set():
        raise KeyboardInterrupt


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
