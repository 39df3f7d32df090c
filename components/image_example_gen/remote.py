"""Pictures behind URIs: http(s) by the standard library, the rest by TensorFlow's file systems."""

import http.client
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

_TIMEOUT = 30.0
_AT_ONCE = 16


def is_remote(location: str) -> bool:
    """Whether a location is a URI rather than a local file."""
    return "://" in location


def remote_states(uris: Sequence[str]) -> list[str]:
    """Returns for each URI a text that changes when its content does, or "" where there is none."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(_state, uris))


def read_remote(uri: str, limit: int) -> bytes:
    """Returns at most `limit` bytes of what a URI names.

    Raises:
      OSError: it cannot be had; its text says why.
    """
    if _is_http(uri):
        try:
            with urllib.request.urlopen(uri, timeout=_TIMEOUT) as response:
                return response.read(limit)
        except (ValueError, http.client.HTTPException) as e:
            raise OSError(str(e)) from None
    import tensorflow as tf

    try:
        with tf.io.gfile.GFile(uri, "rb") as file:
            return file.read(limit)
    except tf.errors.OpError as e:
        raise OSError(e.message) from None


def _state(uri: str) -> str:
    if _is_http(uri):
        try:
            request = urllib.request.Request(uri, method="HEAD")
            with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
                kept = ("ETag", "Last-Modified", "Content-Length")
                return " ".join(response.headers.get(name, "") for name in kept)
        except (OSError, ValueError, http.client.HTTPException):
            return ""
    import tensorflow as tf

    try:
        status = tf.io.gfile.stat(uri)
    except tf.errors.OpError:
        return ""
    return f"{status.length} {status.mtime_nsec}"


def _is_http(uri: str) -> bool:
    return uri.lower().startswith(("http://", "https://"))
