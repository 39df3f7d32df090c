"""The web application: the page, what it asks, and TensorFlow Serving's REST paths beside it."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from components.image_example_gen.pictures import Unusable
from pipeline.report.texts import environment
from pipeline.try_it import rest
from pipeline.try_it.limits import Limits, Refused
from pipeline.try_it.model import Model

TOP = 5
"""How many classes the page shows."""

_TEMPLATES = Path(__file__).parents[1] / "templates"
_HEADERS = {
    # The page needs nothing from elsewhere, and nobody else may frame it.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(model: Model, limits: Limits, hosts: Sequence[str] = ("*",)) -> Starlette:
    """Makes the application.

    Args:
      model: who answers.
      limits: of its requests.
      hosts: names by which it may be called; "*" for any. With a few of them no web page elsewhere
        can reach it by a name of its own that leads here (DNS rebinding).

    Returns:
      An ASGI application. Whatever it refuses is JSON, {"error": a sentence}.
    """
    one = f"/v1/models/{model.name}"
    version = f"{one}/versions/{model.version}"
    routes = [
        Route("/", _page(model, limits)),
        Route("/try_it.css", _file("try_it.css", "text/css")),
        Route("/try_it.js", _file("try_it.js", "text/javascript")),
        Route("/healthz", _healthz),
        Route("/classify", _classify(model, limits), methods=["POST"]),
    ]
    for path in (one, version):
        routes += [
            Route(path, _told(rest.status(model))),
            Route(f"{path}/metadata", _told(rest.metadata(model))),
            Route(f"{path}:predict", _predict(model, limits), methods=["POST"]),
            Route(f"{path}:classify", _no_such_method, methods=["POST"]),
            Route(f"{path}:regress", _no_such_method, methods=["POST"]),
        ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(_SafeHeaders),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        ],
        exception_handlers={Refused: _refuse, HTTPException: _say(model), Exception: _fail},
    )


def _page(model: Model, limits: Limits) -> Endpoint:
    page = (
        environment()
        .get_template("try_it.html.j2")
        .render(model=model, most=limits.max_bytes, top=TOP)
    )

    async def endpoint(request: Request) -> Response:
        return HTMLResponse(page)

    return endpoint


def _file(name: str, kind: str) -> Endpoint:
    content = (_TEMPLATES / name).read_bytes()

    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind)

    return endpoint


async def _healthz(request: Request) -> Response:
    return PlainTextResponse("ok")  # There is no application before the model is loaded.


def _classify(model: Model, limits: Limits) -> Endpoint:
    """The page's own question: a picture, as it is, for the likeliest classes."""

    async def endpoint(request: Request) -> Response:
        with limits.place():
            picture = await limits.read(request)
            try:
                said = await run_in_threadpool(model.classify, picture, TOP)
            except Unusable as e:
                raise Refused(400, f"The file {e}.") from None
            return JSONResponse(said)

    return endpoint


def _predict(model: Model, limits: Limits) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        with limits.place():
            body = await limits.read(request)
            return JSONResponse(await run_in_threadpool(rest.predict, model, body))

    return endpoint


def _told(answer: dict[str, Any]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(answer)

    return endpoint


async def _no_such_method(request: Request) -> Response:
    method = request.url.path.rpartition(":")[2]
    raise Refused(400, f"no signature of this model is made for {method}; use :predict")


def _refuse(request: Request, e: Exception) -> Response:
    assert isinstance(e, Refused)
    headers = {} if e.retry_after is None else {"Retry-After": str(e.retry_after)}
    return JSONResponse({"error": e.message}, e.status, headers)


def _say(model: Model) -> Callable[[Request, Exception], Response]:
    """Handles what the router refuses: unknown paths, and wrong methods."""

    def handler(request: Request, e: Exception) -> Response:
        assert isinstance(e, HTTPException)
        sentence = {
            404: f"there is no {request.url.path}; served is /v1/models/{model.name}, version "
            f"{model.version}",
            405: f"{request.url.path} is not to be asked by {request.method}",
        }.get(e.status_code, e.detail)
        return JSONResponse({"error": sentence}, e.status_code, e.headers)

    return handler


def _fail(request: Request, e: Exception) -> Response:
    return JSONResponse({"error": "the server failed; its terminal says why"}, 500)


class _SafeHeaders:
    """Adds the headers that keep a browser from doing more than the page needs."""

    def __init__(self, app: Any):
        self._app = app
        self._headers = [(k.lower().encode(), v.encode()) for k, v in _HEADERS.items()]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)
