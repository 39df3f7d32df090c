"""Where a person reads along: the real terminal, while what libraries print goes to a log."""

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner

from pipeline.shown import as_data, colour, is_live

_LOG_COLUMNS = 200
_DRAWN_PER_SECOND = 4
"""One line stays one line where nobody knows how wide the reader's window is."""


class _Console(Console):
    """Goes on in silence when the reader has gone, as with `| head`."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def _console(stream: TextIO, quiet: bool = False) -> Console:
    return _Console(
        file=stream,
        quiet=quiet,
        highlight=False,
        soft_wrap=True,
        width=None if stream.isatty() else _LOG_COLUMNS,
        color_system=None if colour() is False else "auto",
    )


class Terminal:
    """Prints to the real streams while the libraries' own output goes to the log.

    Attributes:
      console: rich's, on the standard output.
      live: whether lines may change: at a terminal that can, and not under CI.
    """

    def __init__(self, stream: TextIO, quiet: bool = False, errors: TextIO | None = None):
        """Args:
        stream: where to print; plain lines where it is no terminal.
        quiet: print nothing but errors.
        errors: where errors go; by default the process's stderr.
        """
        self.console = _console(stream, quiet)
        self.live = is_live(stream) and not quiet
        self._errors = _console(errors or sys.stderr)
        self._drawing = threading.RLock()

    @property
    def quiet(self) -> bool:
        """Whether nothing but errors is printed."""
        return self.console.quiet

    @property
    def width(self) -> int:
        """Columns of the window; where there is none, more than any sentence needs: there a line
        stays a line."""
        return self.console.width if self.console.is_terminal else sys.maxsize

    def say(self, text: str) -> None:
        """Prints a line with rich's markup; text from data must have gone through `as_data`."""
        with self._drawing:
            self.console.print(text)

    def fail(self, text: str) -> None:
        """The same on stderr, also when quiet."""
        self._errors.print(text)

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Shows that something is going on, while it does; nothing where it is no terminal."""
        with self.showing(Spinner("dots", as_data(text))):
            yield

    @contextlib.contextmanager
    def showing(self, what: RenderableType) -> Iterator[None]:
        """Draws something four times a second below the lines that are printed, and removes it.

        Nothing where lines cannot change.
        """
        if not self.live:
            yield
            return
        # Not console.status: it would catch what the libraries print, and show it. And not rich's
        # own thread: between it and a printed line nobody holds a lock, and where the height has
        # changed meanwhile it erases lines that shall stay.
        live = Live(
            what,
            console=self.console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        ended = threading.Event()
        thread = threading.Thread(target=self._draw, args=(live, ended), daemon=True)
        with self._drawing:
            live.start(refresh=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with self._drawing:
                live.stop()

    def _draw(self, live: Live, ended: threading.Event) -> None:
        while not ended.wait(1 / _DRAWN_PER_SECOND):
            with self._drawing:
                live.refresh()


@contextlib.contextmanager
def real_stderr() -> Iterator[TextIO]:
    """A stream to what is the standard error now, whatever is redirected later."""
    stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace", buffering=1)
    try:
        yield stream
    finally:
        with contextlib.suppress(BrokenPipeError):
            stream.close()


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
