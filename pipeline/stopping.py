"""Ctrl-C and SIGTERM: work ends at once where it may be left, and what must be written, is."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_APART_SECONDS = 1.0
"""Two closer signals count as one: a terminal sends one, and a program in between sends it on."""


class Stopped(KeyboardInterrupt):
    """Somebody ended the work. A KeyboardInterrupt: who heeds that heeds SIGTERM, too."""


class Stop:
    """Whether somebody wants the command to end, and when that takes effect.

    By default at once. `run` holds it off while it must not be left half done.

    Attributes:
      command: what to type to go on.
      number: of the first signal; None while there was none.
    """

    def __init__(self, command: str = ""):
        self.command = command
        self.number: int | None = None
        self._last, self._ends = 0.0, (True, True)

    @property
    def exit_code(self) -> int:
        """As shells have it: 130 after Ctrl-C, 143 after SIGTERM; 0 while nobody stops."""
        return 128 + self.number if self.number else 0

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Takes both signals; one that is ignored, as in a shell's background job, stays so."""
        mine = threading.current_thread() is threading.main_thread()
        taken = [n for n in SIGNALS if mine and signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._note) for number in taken}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, a signal is noted and ends nothing."""
        with self._ending(False, False):
            yield

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, a signal raises Stopped, and so does one that came before."""
        with self._ending(True, True):
            self.check()
            yield

    @contextlib.contextmanager
    def if_again(self) -> Iterator[None]:
        """Within, the first signal is noted, and a further one raises Stopped."""
        with self._ending(False, True):
            yield

    def check(self) -> None:
        """Raises Stopped where there was a signal; a library may have swallowed the first."""
        if self.number:
            raise Stopped

    @contextlib.contextmanager
    def _ending(self, first: bool, again: bool) -> Iterator[None]:
        before, self._ends = self._ends, (first, again)
        try:
            yield
        finally:
            self._ends = before

    def _note(self, number: int, frame: Any) -> None:
        first, now = self.number is None, time.monotonic()
        if not first and now - self._last < _APART_SECONDS:
            return
        self.number, self._last = self.number or number, now
        if self._ends[0 if first else 1]:
            raise Stopped
