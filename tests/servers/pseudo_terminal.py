"""A pseudo-terminal with a program on it, as a window of a person's would be."""

import codecs
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

CTRL_C = b"\x03"


class PseudoTerminal:
    """Runs a command in a session of its own, whose terminal this is."""

    def __init__(self, command, columns=80, rows=24, **environment):
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        others = ("CI", "NO_COLOR", "COLUMNS", "LINES")  # as whoever runs the tests has them
        inherited = {k: v for k, v in os.environ.items() if k not in others}
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**inherited, "TERM": "xterm-256color", **environment},
            preexec_fn=_take_terminal,
        )
        os.close(theirs)
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.seen = ""

    def type(self, keys):
        os.write(self._ours, keys)

    def wait_for(self, text, seconds=240):
        """Reads until a text is there."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), f"{text!r} never came:\n{self.seen}"

    def read_for(self, seconds):
        """Reads what comes in that time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def end(self):
        """Reads to the end; returns the exit code."""
        while self._read():
            pass
        return self.process.wait()

    def _read(self, seconds=240):
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self._ours, 65536)
        except OSError:  # how Linux says that the other side has closed
            return False
        self.seen += self._decode(chunk).replace("\r\n", "\n")
        return bool(chunk)


def _take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # A shell's background job, and all that it starts, would pass over it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
