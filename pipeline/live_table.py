"""What a run shows while it goes on: all its nodes, and how far the running one is."""

import collections
import contextlib
import glob
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.text import Text

from components.progress import read_progress
from pipeline.lineage import Node
from pipeline.run_lines import node_line, row
from pipeline.shown import as_data, spelt
from pipeline.stopping import Stop
from pipeline.terminal import Terminal

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_WINDOW_SECONDS = 30.0
_LEAST_SECONDS = 3.0
_STANDS_SECONDS = 5.0
_PHASE = re.compile(r"\bphase (\d+)/(\d+)")
_BAR = 14  # columns


class Pace:
    """How fast a count grows of late: a training's phases, and its start, differ in speed."""

    def __init__(self) -> None:
        self._grown: collections.deque[tuple[float, int]] = collections.deque()
        self._now = 0.0

    def see(self, seconds: float, done: int) -> None:
        """Takes down a count at a time; after a stop, or where it is smaller, begins anew."""
        grown = self._grown
        if grown and (done < grown[-1][1] or (done > grown[-1][1] and self._stands(seconds))):
            grown.clear()
        if not grown or done > grown[-1][1]:
            grown.append((seconds, done))
        while len(grown) > 2 and seconds - grown[1][0] >= _WINDOW_SECONDS:
            grown.popleft()
        self._now = seconds

    def _stands(self, now: float) -> bool:
        """Whether it has not grown for much longer than it used to take."""
        if len(self._grown) < 2:
            return False
        each = (self._grown[-1][0] - self._grown[0][0]) / (len(self._grown) - 1)
        return now - self._grown[-1][0] > max(_STANDS_SECONDS, 3 * each)

    @property
    def rate(self) -> float | None:
        """Growth a second over the last half minute; None where that is not known, or it stands."""
        if len(self._grown) < 2 or self._stands(self._now):
            return None
        (start, before), (end, done) = self._grown[0], self._grown[-1]
        return (done - before) / (end - start) if end - start >= _LEAST_SECONDS else None

    def left(self, total: int | None) -> float | None:
        """Seconds until `total` at this rate; None where nobody can know."""
        rate, done = self.rate, self._grown[-1][1] if self._grown else 0
        return (total - done) / rate if rate and total and done < total else None


class LiveTable:
    """The nodes of a run: ended ones stay as printed lines, the others change below them.

    Where lines cannot change, the printed ones are all there is.
    """

    def __init__(self, terminal: Terminal, artifacts: str, stop: Stop):
        """Args:
        terminal: where to print.
        artifacts: TFX's pipeline root, below which nodes tell how far they are.
        stop: whether somebody wants it to end, which is shown.
        """
        self._terminal, self._artifacts, self._stop = terminal, artifacts, stop
        self._started = time.monotonic()
        self._waiting: list[str] = []
        self._count = 0
        self._last: Mapping[str, float] = {}
        self._doing: str | None = None
        self._running: _Running | None = None

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the table, while the run goes on."""
        with self._terminal.showing(self):
            yield

    @contextlib.contextmanager
    def doing(self, text: str) -> Iterator[None]:
        """Says what goes on outside any node."""
        self._doing = text
        try:
            yield
        finally:
            self._doing = None

    def expect(self, nodes: Sequence[str], last: Mapping[str, float]) -> None:
        """Says which nodes there will be, and how many seconds some took when they last ran."""
        self._waiting, self._count, self._last = list(nodes), len(nodes), last

    @contextlib.contextmanager
    def running(self, node_id: str) -> Iterator[None]:
        """Shows a node as running, and how far it is."""
        self._waiting = [waiting for waiting in self._waiting if waiting != node_id]
        self._running = _Running(node_id, self._artifacts, self._last.get(node_id))
        try:
            yield
        finally:
            self._running = None

    def ended(self, node: Node) -> None:
        """Prints the line of a node that has ended."""
        self._waiting = [waiting for waiting in self._waiting if waiting != node.id]
        self._terminal.say(node_line(node))

    def not_reached(self) -> None:
        """Prints the lines of the nodes that wait still; the run is over."""
        for node_id in list(self._waiting):
            self.ended(Node(node_id, "skipped"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Draws what changes, in one row less than the window has, and cut to its width."""
        running, room = self._running, max(console.size.height - 1, 1)
        top = running.lines() if running else []
        bottom = [self._footer()]
        top, bottom = top[:room], bottom[: max(room - len(top), 0)]
        shown = [*top, *self._waiting_lines(room - len(top) - len(bottom)), *bottom]
        for line in shown:
            text = Text.from_markup(line)
            text.truncate(options.max_width - 1, overflow="ellipsis")
            yield text

    def _waiting_lines(self, room: int) -> list[str]:
        waiting = self._waiting
        if len(waiting) > room:
            waiting = waiting[: max(room - 1, 0)]
        lines = [self._waiting_line(node_id) for node_id in waiting]
        if len(waiting) < len(self._waiting) and room > 0:
            lines.append(f"  [dim]· and {len(self._waiting) - len(waiting)} more wait[/]")
        return lines

    def _waiting_line(self, node_id: str) -> str:
        last = self._last.get(node_id)
        middle = "waiting" if last is None else f"waiting{'last time':>25}"
        return f"[dim]{row('·', node_id, middle, '' if last is None else spelt(last))}[/]"

    def _footer(self) -> str:
        total = spelt(time.monotonic() - self._started, digits=0)
        ended = self._count - len(self._waiting) - (self._running is not None)
        said = f"{ended} of {self._count} nodes" if self._count else ""
        if self._doing:
            said = as_data(self._doing)
        if self._stop.number:
            again = "; Ctrl-C again leaves the report out" if self._doing else ""
            said = f"[yellow]stopping{again}[/]"
        words = ", ".join(filter(None, (said, f"{total} in all")))
        return f"  {_spin() if self._doing else ' '} {words}"


class _Running:
    """A node that runs, and what it tells of itself."""

    def __init__(self, node_id: str, artifacts: str, last: float | None):
        self._id, self._last, self._pace = node_id, last, Pace()
        self._pattern = os.path.join(glob.escape(artifacts), node_id, ".system", "**")
        # A file's time may lag a little; what a killed run has left is older by far.
        self._started, self._since = time.monotonic(), time.time() - 1

    def lines(self) -> list[str]:
        """Its row, and where it tells something a second one with how far it is."""
        told = read_progress(self._pattern, self._since)
        seconds = time.monotonic() - self._started
        total = told["total"] if told else None
        if told and total and told["done"] > total:
            total = None  # whoever said so was wrong, and so would be what is left
        if told:
            self._pace.see(seconds, told["done"])
        middle = f"{'running':<32}"
        if told and total:
            share = told["done"] / total
            middle = f"{_bar(share)} {100 * share:3.0f} %".ljust(32 + len("[green][/][dim][/]"))
        first = row(f"[green]{_spin()}[/]", self._id, middle, spelt(seconds, digits=0))
        second = self._amount(told, total) if told else []
        if not second and self._last is not None:
            second = [f"last time {spelt(self._last)}"]
        return [first, f"[dim]    {as_data(' · '.join(second))}[/]"] if second else [first]

    def _amount(self, told: dict[str, Any], total: int | None) -> list[str]:
        of = f" of {total:,}" if total else ""
        said = [f"{told['done']:,}{of} {told['unit']}"]
        if rate := self._pace.rate:
            said.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:,.1f}/s")
        phase = _PHASE.search(told["note"])
        last = phase is None or phase[1] == phase[2]  # the next one's speed nobody knows
        if last and (left := self._pace.left(total)) is not None:
            said.append(f"~{spelt(left, digits=0)} left")
        return [*said, told["note"]] if told["note"] else said


def _bar(share: float) -> str:
    done = int(share * _BAR)
    return f"[green]{'━' * done}[/][dim]{'─' * (_BAR - done)}[/]"


def _spin() -> str:
    return _SPINNER[int(time.monotonic() * 4) % len(_SPINNER)]
