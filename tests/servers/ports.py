"""Where a test's server listens."""

import socket


def free_port():
    """A port of this machine on which nobody listens at this moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
