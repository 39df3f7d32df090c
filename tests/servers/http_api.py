"""What the servers for tests have in common: real HTTP, calls that can be told to go wrong."""

import http.server
import threading
from typing import Any


class Answer(Exception):
    """An answer other than what was asked for."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class HttpApi:
    """A server; `address` is where it listens. Use it as a context manager.

    Tests set `token` (what a caller must bear). They read `calls`, such as "GET healthz", and
    `offences`, the calls that were off the contract.
    """

    def __init__(self, port: int = 0) -> None:
        self.token: str | None = None
        self.calls: list[str] = []
        self.offences: list[str] = []
        self._failures: list[list] = []
        self.lock = threading.Lock()  # one call after the other
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Any:
        serve = {"poll_interval": 0.01}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, call: str, how: int | str, times: int = 1) -> None:
        """Has the next calls go wrong.

        Args:
          call: such as "POST recurringruns" or "DELETE recurringruns/ID".
          how: a status; "drop" (no answer), "lost" (done, and no answer), "html" (a login page),
            "blind" (a list that does not know yet what is there).
          times: how many calls; a client repeats a GET or DELETE without an answer three times.
        """
        self._failures.append([call, how, times])

    def called(self, call: str) -> int:
        """How often a call was made, such as "GET healthz"."""
        return self.calls.count(call)

    # What follows runs in the server's threads.

    def _answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, bytes, bool]:
        """Returns: status, body, and whether it reaches the caller."""
        raise NotImplementedError

    def _failure(self, call: str) -> Any:
        for failure in self._failures:
            if failure[0] == call and failure[2] > 0:
                failure[2] -= 1
                return failure[1]
        return None


def _handler(api: HttpApi) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # Head and body in one packet: the second would wait for the first.

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with api.lock:
                status, said, reaches = api._answer(self.command, self.path, self.headers, body)
            if not reaches:
                self.close_connection = True
                return
            self.send_response(status)
            html = said.startswith(b"<")
            self.send_header("Content-Type", "text/html" if html else "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer

        def log_message(self, *_: object) -> None:
            pass

    return Handler
