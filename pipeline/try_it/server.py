"""Listens, serves, and stops."""

import errno
import ipaddress
import os
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from components.errors import ConfigError

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
MOST_CONNECTIONS = 100
"""Open connections; what is beyond is answered with 503 at once."""
_LAST_SECONDS = 5
"""How long requests may still take once the server was told to stop."""


def listen(host: str, port: int) -> socket.socket:
    """Takes an address, before the model is loaded: callers wait until it is.

    Args:
      host: a name or an address of this machine.
      port: 0 for any that is free.

    Raises:
      ConfigError: it is taken, not ours to take, or not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address[:2], family=family)  # type: ignore[arg-type]
    except socket.gaierror as e:
        raise ConfigError(
            f"--host {host}: is no address of this machine ({e.strerror}); 127.0.0.1 is for this "
            "machine alone, 0.0.0.0 for all that can reach it"
        ) from None
    except OSError as e:
        raise ConfigError(f"{url_of(host, port)}: {_trouble(e)}") from None


def url_of(host: str, port: int) -> str:
    """The address as a browser takes it."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def allowed_hosts(bound: socket.socket, host: str) -> list[str]:
    """The names by which a server may be called: of this machine's own, where it listens to that
    alone; else any."""
    if not ipaddress.ip_address(bound.getsockname()[0]).is_loopback:
        return ["*"]
    return sorted({*LOOPBACK_NAMES, f"[{host}]" if ":" in host else host})


def server_of(app: ASGIApp) -> uvicorn.Server:
    """The server of an application, which runs on what `listen` gave."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=_LAST_SECONDS,
        )
    )


def serve(app: ASGIApp, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Answers until the process gets SIGINT or SIGTERM; lets running requests end.

    uvicorn hands the signal on then, to whoever handled it before.

    Args:
      app: the application.
      bound: what `listen` gave.
      ready: called as the first request can be answered.
    """
    ready()
    server_of(app).run(sockets=[bound])


def _trouble(e: OSError) -> str:
    if e.errno == errno.EADDRINUSE:
        return "another program listens there; end it, or give another --port, such as 8601"
    if e.errno == errno.EACCES:
        return "ports below 1024 are not yours to take; give another --port, such as 8501"
    if e.errno == errno.EADDRNOTAVAIL:
        return "is no address of this machine; give another --host, such as 127.0.0.1"
    return f"cannot be listened to ({os.strerror(e.errno or 0)}); give another --host or --port"
