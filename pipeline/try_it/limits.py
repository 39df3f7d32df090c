"""What one server takes at a time: the size of a body, how long it may take, how many requests."""

import asyncio
import contextlib
from collections.abc import Iterator

from starlette.requests import ClientDisconnect, Request

READ_SECONDS = 60
"""How long a body may take to come: whoever sends slowly keeps others out meanwhile."""


class Refused(Exception):
    """A request that is not answered as asked.

    Attributes:
      status: of HTTP, from 400.
      message: a sentence for whoever asked.
      retry_after: seconds, where it is worth asking again.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None):
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after


class Limits:
    """Bounds memory: at most `max_concurrency` bodies of `max_bytes` are held at any moment."""

    def __init__(self, max_bytes: int, max_concurrency: int, read_seconds: float = READ_SECONDS):
        """Args:
        max_bytes: largest body.
        max_concurrency: requests that are read and answered side by side.
        read_seconds: how long a body may take to come.
        """
        self.max_bytes, self._free, self._seconds = max_bytes, max_concurrency, read_seconds

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place while a request is read and answered; to be used in the event loop alone.

        Raises:
          Refused: 503, all are taken. Nobody waits: a queue would hold bodies, too.
        """
        if not self._free:
            raise Refused(503, "too many requests at once; try again in a moment", retry_after=1)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    async def read(self, request: Request) -> bytes:
        """The body, never more of it than is allowed, however it is sent.

        Raises:
          Refused: 413 for one that is too large, 408 for one that takes too long, 400 for one that
            breaks off.
        """
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self.max_bytes:
                        raise self._too_large()
        except TimeoutError:
            raise Refused(408, f"the body did not come within {self._seconds:g} seconds") from None
        except ClientDisconnect:
            raise Refused(400, "the body broke off") from None
        return bytes(body)

    def _too_large(self) -> Refused:
        return Refused(
            413,
            f"the body is larger than {self.max_bytes / 2**20:g} MB; send less at once, or start "
            "`graft serve` with a larger --max-request-mb",
        )
