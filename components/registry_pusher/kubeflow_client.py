"""The generated client of Kubeflow Model Registry: its address, its token, what its failures mean.

Of the package `model-registry` the generated half, mr_openapi: the other half takes several steps
in one call, which cannot be finished when they were killed, rewrites properties that are not ours,
patches the event loop, and sets up the log of the whole process when it is imported.
"""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from mr_openapi import ApiClient, Configuration, ModelRegistryServiceApi
from mr_openapi.exceptions import ApiException, NotFoundException

from components.errors import RegistryError
from components.registry_pusher.patience import NoAnswer, patiently

SECONDS = 30.0  # for one request
# Newest first. What we use of it is the same in both, so a server of either age is spoken to.
API_VERSIONS = ("v1", "v1alpha3")
POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_PAGE = "200"
_NO_ANSWER = (408, 425, 429, 500, 502, 503, 504)

T = TypeVar("T")


class KubeflowClient:
    """Holds conversations with one server, each in an event loop of its own."""

    def __init__(self, uri: str, token_path: str | None = None):
        """Args:
        uri: http(s)://HOST:PORT, and a path below which a gateway shows the server.
        token_path: file of the bearer token; by default where the package's own client looks.
        """
        self._uri, self._token_path = uri.rstrip("/"), token_path
        self._api_version: str | None = None

    def ask(self, work: Callable[[ModelRegistryServiceApi], Awaitable[T]]) -> T:
        """Returns what some work on the server gives; it may be done several times over.

        Raises:
          RegistryError: the server does not answer, refuses, or is no Model Registry.
        """

        return patiently(lambda: _run(self._converse(work)), self._named())

    async def _converse(self, work: Callable[[ModelRegistryServiceApi], Awaitable[T]]) -> T:
        token, whence = self._token()  # each time, since a pod's token is renewed
        try:
            async with _Client(self._uri, token) as client:
                api = ModelRegistryServiceApi(client)
                self._api_version = self._api_version or await self._find_api_version(client, api)
                client.api_version = self._api_version
                return await work(api)
        except (aiohttp.InvalidURL, aiohttp.ClientSSLError) as e:
            raise RegistryError(
                f"{self._named()} cannot be spoken to ({e}); correct push.registry_uri, or name "
                "the file of your own certificate authority in SSL_CERT_FILE"
            ) from e
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise NoAnswer(_first_line(e)) from e
        except ApiException as e:
            raise self._meaning(e, whence) from e
        except ValueError as e:  # of pydantic and json
            raise self._no_registry(_first_line(e)) from e

    async def _find_api_version(self, client: "_Client", api: ModelRegistryServiceApi) -> str:
        for version in API_VERSIONS:
            client.api_version = version
            if await or_none(api.get_registered_models(page_size="1")):
                return version
        raise self._no_registry(f"it knows neither of the paths {' and '.join(API_VERSIONS)}")

    def _token(self) -> tuple[str | None, str]:
        """The token, if there is any, and where it comes from."""
        named = self._token_path or os.environ.get("KF_PIPELINES_SA_TOKEN_PATH")
        path = Path(named or POD_TOKEN)
        where = "push.registry_token_path" if self._token_path else "KF_PIPELINES_SA_TOKEN_PATH"
        try:
            return path.read_text(encoding="utf-8").strip() or None, f"the token in {path}"
        except (OSError, ValueError) as e:
            if named:
                raise RegistryError(
                    f"{where}: the token in {path} cannot be read ({_first_line(e)}); give a file "
                    "that can"
                ) from None
            return None, "no token"

    def _meaning(self, e: ApiException, whence: str) -> Exception:
        said = _message(e)
        if e.status in _NO_ANSWER:
            return NoAnswer(f"{e.status}: {said}")
        if e.status in (401, 403):
            return RegistryError(
                f"{self._named()} refuses {whence} ({e.status}: {said}); name the file of a token "
                "that may use it in push.registry_token_path or KF_PIPELINES_SA_TOKEN_PATH, or "
                "grant its account access"
            )
        if not e.status:
            return self._no_registry(said)
        return RegistryError(
            f"{self._named()} refuses ({e.status}: {said}); correct that, or push.model_name and "
            "push.registry_uri, and run again"
        )

    def _no_registry(self, reason: str) -> RegistryError:
        return RegistryError(
            f"push.registry_uri: what answers at {self._uri} is no Kubeflow Model Registry "
            f"({reason}); give the address of its REST service, and where a login page stands "
            "before it, a token by push.registry_token_path"
        )

    def _named(self) -> str:
        return f"Kubeflow Model Registry at {self._uri}"


async def every(listing: Callable[..., Awaitable[Any]], *args: str, **kwargs: Any) -> AsyncIterator:
    """All things of a list, page after page; `listing` is one of the generated list calls."""
    token = None
    while token != "":
        page = await listing(*args, page_size=_PAGE, next_page_token=token, **kwargs)
        token = page.next_page_token or ""
        for item in page.items:
            yield item


async def or_none(answer: Awaitable[T]) -> T | None:
    """An answer, or None for 404."""
    try:
        return await answer
    except NotFoundException:
        return None


def _run(conversation: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end; sets no loop and patches none."""

    def alone() -> T:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(conversation)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return alone()
    with ThreadPoolExecutor(1) as thread:  # a thread has one loop, and this one, a notebook's say
        return thread.submit(alone).result()


class _Client(ApiClient):
    """Speaks one version of the API, whichever the client was generated from, in bounded time."""

    api_version = API_VERSIONS[0]

    def __init__(self, uri: str, token: str | None):
        super().__init__(Configuration(host=uri, access_token=token))

    def param_serialize(self, method: str, resource_path: str, *args: Any, **kwargs: Any) -> Any:
        resource_path = re.sub(r"(?<=^/api/model_registry/)[^/]+", self.api_version, resource_path)
        return super().param_serialize(method, resource_path, *args, **kwargs)

    async def call_api(self, *args: Any, **kwargs: Any) -> Any:
        # Its own limit is five minutes.
        kwargs["_request_timeout"] = aiohttp.ClientTimeout(total=SECONDS)
        return await super().call_api(*args, **kwargs)


def _message(e: ApiException) -> str:
    """What the server said; a gateway's page is cut short."""
    text = str(e.body or e.reason or "")
    try:
        text = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(text.split())[:300]


def _first_line(e: Exception) -> str:
    return (str(e).strip().splitlines() or [type(e).__name__])[0][:300]
