"""What a person sees while a pipeline runs: one line a node, and a last block that sums up."""

import atexit
import contextlib
import glob
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner

from components.progress import read_progress
from pipeline.lineage import Node
from pipeline.summary import MARKS

_MARKS = {
    "ran": "[green]✓[/]",
    "cached": "[blue]=[/]",
    "failed": "[red]✗[/]",
    "skipped": "[dim]·[/]",
}
_TONES = {"passed": "green", "failed": "red", "tie": "blue", "withheld": "yellow"}
_POLL_SECONDS = 0.25
MOST_CHECKS = 12
MOST_WARNINGS = 5


class _Console(Console):
    """Goes on in silence when the reader has gone, as with `| head`."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Terminal:
    """Prints to the real standard output while the libraries' own output goes to the log."""

    def __init__(self, stream: TextIO, quiet: bool = False):
        """Args:
        stream: where to print; plain lines where it is no terminal.
        quiet: print nothing but errors.
        """
        # One line stays one line where nobody knows how wide the reader's window is.
        width = None if stream.isatty() else 200
        self.console = _Console(
            file=stream, quiet=quiet, highlight=False, soft_wrap=True, width=width
        )
        self.errors = _Console(file=stream, highlight=False, soft_wrap=True, width=width)

    def say(self, text: str) -> None:
        """Prints a line; text from data must have gone through `escape`."""
        self.console.print(text)

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Shows that something is going on, while it does; nothing where it is no terminal."""
        if not self.console.is_terminal or self.console.quiet:
            yield
            return
        with self._live(Spinner("dots", escape(text))):
            yield

    @contextlib.contextmanager
    def watching(self, node_id: str, artifacts: str) -> Iterator[None]:
        """Shows a running node's progress file, live, while the node runs."""
        if not self.console.is_terminal or self.console.quiet:
            yield
            return
        started, stop = time.monotonic(), threading.Event()
        pattern = os.path.join(glob.escape(artifacts), node_id, ".system", "**")
        spinner = Spinner("dots", escape(node_id))
        with self._live(spinner):

            def follow() -> None:
                while not stop.wait(_POLL_SECONDS):
                    seconds = time.monotonic() - started
                    told = read_progress(pattern)
                    amount = _amount(told, seconds)
                    spinner.update(text=escape(f"{node_id:<18} {amount}  {seconds:.0f} s"))

            thread = threading.Thread(target=follow, daemon=True)
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()

    def _live(self, spinner: Spinner) -> Live:
        # Not console.status: it would catch what the libraries print, and show it.
        return Live(
            spinner,
            console=self.console,
            refresh_per_second=8,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def node(self, node: Node) -> None:
        """Prints the line of a node that has ended."""
        finds = node.id in ("Baseline", "WarmStart")  # and processes nothing
        made = {} if finds else node.outputs
        counted = [a.properties.get("images") for found in made.values() for a in found]
        images = next((count for count in counted if count), None)
        done = ""
        if node.state == "ran" and images:
            done = f"{images:,.0f} images".rjust(15)
            if node.seconds > 0:
                done += f"{images / node.seconds:,.0f}/s".rjust(10)
        seconds = "" if node.state != "ran" else f"{node.seconds:,.1f} s"
        self.say(f"  {_MARKS[node.state]} {node.id:<18} {node.state:<7}{done:<25} {seconds:>9}")

    def fail(self, text: str) -> None:
        """Prints an error, also when quiet."""
        self.errors.print(f"[red]error:[/] {escape(text)}")

    def end(self, summary: dict[str, Any], log: str) -> None:
        """Prints the last block: what came of it, and where it lies."""
        self.say("")
        if summary["error"]:
            node, message = summary["error"]["node"], summary["error"]["message"]
            self.fail(f"{node} failed: {message}")
        else:
            if summary["unchanged"]:
                self.say("  nothing new: data, configuration and code are those of an earlier run")
            accuracy = summary["metrics"].get("accuracy")
            images = summary["images"]
            if accuracy is not None:
                self.say(f"  accuracy    {accuracy:.4f} on {images.get('test', 0):,} test images")
            if images.get("rejected"):
                self.say(f"  rejected    {images['rejected']:,} inputs; the report says why")
            for warning in summary["warnings"][:MOST_WARNINGS]:
                self.say(f"  [yellow]warning[/]     {escape(warning)}")
            if len(summary["warnings"]) > MOST_WARNINGS:
                self.say(f"              and {len(summary['warnings']) - MOST_WARNINGS} more")
            verdict = "[green]yes[/]" if summary["blessed"] else "[yellow]no[/]"
            self.say(f"  blessed     {verdict}")
            for check in summary["checks"][:MOST_CHECKS]:
                mark = f"[{_TONES[check['state']]}]{MARKS[check['state']]}[/]"
                self.say(f"            {mark} {escape(check['sentence'])}")
            if len(summary["checks"]) > MOST_CHECKS:
                more = len(summary["checks"]) - MOST_CHECKS
                self.say(f"              and {more} more; the report has them")
            self.say(f"  pushed      {escape(summary['pushed'] or 'no')}")
            registered = summary["registered"]
            where = "no"
            if registered:
                name, version = registered["name"], registered["version"]
                where = escape(f"{name} version {version} ({registered['registry']})")
            self.say(f"  registered  {where}")
        self.say(f"  report      {escape(summary['report'])}")
        self.say(f"  log         {escape(log)}")
        self.say(f"  took        {summary['seconds']:.1f} s")


@contextlib.contextmanager
def library_noise_to(log: Path) -> Iterator[TextIO]:
    """Sends everything that is printed or logged, also by C++ code, to a file.

    So goes what libraries have to say as the interpreter ends, such as TensorFlow of its functions.

    Yields:
      A stream to the real standard output.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    real_out, real_err = os.dup(1), os.dup(2)
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    stream = os.fdopen(os.dup(real_out), "w", encoding="utf-8", errors="replace", buffering=1)
    try:
        yield stream
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.suppress(BrokenPipeError):
            stream.close()
        os.dup2(real_out, 1)
        os.dup2(real_err, 2)
        os.close(real_out)
        os.close(real_err)
        atexit.register(_errors_to, log)


def _errors_to(log: Path) -> None:
    with contextlib.suppress(OSError), log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 2)


def _amount(told: dict[str, Any] | None, seconds: float) -> str:
    if not told:
        return ""
    done, total, unit = told["done"], told["total"], told["unit"]
    rate = done / seconds if seconds > 0 else 0
    amount = f"{done:,} of {total:,} {unit}" if total else f"{done:,} {unit}"
    left = f", {(total - done) / rate:.0f} s left" if total and rate and done else ""
    return f"{amount}, {rate:,.0f}/s{left}  {told['note']}"
