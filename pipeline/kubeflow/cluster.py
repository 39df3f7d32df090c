"""The way to Kubeflow Pipelines: its address, a login, and one message for whatever goes wrong."""

import contextlib
import http
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from components.errors import ClusterError

if TYPE_CHECKING:
    import kfp

ADDRESS = "KF_PIPELINES_ENDPOINT"
"""Environment variable with the address; Kubeflow Pipelines' own."""

TOKEN = "KFP_TOKEN"
"""Environment variable with a bearer token. No option takes one: it would end in logs."""

_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
_CONNECT_SECONDS, _READ_SECONDS = 10, 60
_REACH = (
    f"check --host or {ADDRESS}, and that a port-forward still runs, such as "
    "`kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80`"
)


class Refusal(ClusterError):
    """Kubeflow Pipelines answered, and not with what was asked for."""

    def __init__(self, message: str, status: int):
        """Args:
        message: what, where, what to do.
        status: the HTTP status.
        """
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Cluster:
    """An open client, the address that it asks, and the namespace that it asks for.

    `namespace` is None where there is but one (no multi-user mode).
    """

    client: "kfp.Client"
    address: str
    namespace: str | None

    def page(self, path: str) -> str:
        """Where a browser shows a thing, such as page("runs/details/ID")."""
        base = os.environ.get("KF_PIPELINES_UI_ENDPOINT") or self.address
        return f"{base.rstrip('/')}/#/{path}"


def open_cluster(
    host: str | None = None, namespace: str | None = None, token_file: str | None = None
) -> Cluster:
    """Connects, and asks once whether anybody is there.

    Args:
      host: the address; by default KF_PIPELINES_ENDPOINT, then the service that pods of the
        cluster see, then what kubectl's configuration leads to.
      namespace: the user's, in multi-user mode; by default that of Kubeflow Pipelines' context
        file (~/.config/kfp/context.json, which may hold a cookie too), then the pod's own.
      token_file: a file with a bearer token, read anew for each call since such tokens are
        renewed; by default KFP_TOKEN, then the service account's file where there is one.

    Raises:
      ClusterError: there is no address, nobody answers, or not as Kubeflow Pipelines does.
    """
    address = _address(host)
    file = _token_file(token_file)
    token = None if token_file else os.environ.get(TOKEN, "").strip() or None
    if address is None and (token or token_file):
        # kfp.Client would send the token to localhost.
        raise ClusterError(f"a token is given and no address; give --host or set {ADDRESS}")
    client = _client(address, token, None if token else file)
    health = client.get_kfp_healthz()
    namespace = namespace or client.get_user_namespace() or None
    if health.multi_user and namespace is None:
        raise ClusterError(
            f"{address or 'the cluster'}: serves several users; give --namespace yours"
        )
    # Only a server of several users knows namespaces; older ones of a single user refuse them.
    namespace = namespace if health.multi_user else None
    client.set_user_namespace(namespace or "")
    return Cluster(client, client._existing_config.host, namespace)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keeps kfp.Client's prints and warnings out of what a user, or a reader of JSON, sees."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _address(host: str | None) -> str | None:
    """Without a trailing slash; None: kubectl's configuration leads there."""
    said = (host or os.environ.get(ADDRESS) or "").strip()
    if not said:
        if _POD.exists():
            return _IN_CLUSTER
        if os.environ.get("KUBECONFIG") or (Path.home() / ".kube" / "config").exists():
            return None
        raise ClusterError(f"no address of Kubeflow Pipelines; give --host or set {ADDRESS}")
    address = (said if "://" in said else f"https://{said}").rstrip("/")
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise ClusterError(f"{said}: is no address; give http://HOST[:PORT] or https://HOST[:PORT]")
    if parts.username or parts.password:
        # Without the address itself, which holds the password.
        raise ClusterError(
            f"the address holds a user or a password; remove them, and set {TOKEN} or give "
            "--token-file"
        )
    return address


def _token_file(given: str | None) -> Path | None:
    from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH

    if given:
        _read_token(Path(given))
        return Path(given)
    found = Path(os.environ.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH)
    return found if found.exists() else None


def _read_token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as e:
        raise ClusterError(f"{path}: no token can be read ({e}); give --token-file one") from None
    if not token or "\n" in token:
        raise ClusterError(f"{path}: holds no token, which is one line; give --token-file one")
    return token


def _client(address: str | None, token: str | None, file: Path | None) -> "kfp.Client":
    import kfp
    from kfp.client import TokenCredentialsBase

    class Credentials(TokenCredentialsBase):
        def refresh_api_key_hook(self, config: Any) -> None:
            config.api_key["authorization"] = _read_token(file) if file else ""

    class Client(kfp.Client):
        _health: Any = None

        def _load_config(self, *arguments: Any, **named: Any) -> Any:
            config = super()._load_config(*arguments, **named)
            if address is None:
                _finish_kubectls(config)
            return config

        def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
            # kfp's own asks five times, with five seconds and a traceback in between.
            if self._health is None:
                _guard(self._healthz_api.api_client.rest_client, self._existing_config.host)
                self._health = self._healthz_api.healthz_service_get_healthz()
            return self._health

        def set_user_namespace(self, namespace: str) -> None:
            # kfp's own writes it into the user's home, for all programs to come.
            self._context_setting["namespace"] = namespace

    context = kfp.Client._LOCAL_KFP_CONTEXT
    try:
        with hushed():
            client = Client(
                host=address, existing_token=token, credentials=Credentials() if file else None
            )
            client.get_user_namespace()
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise ClusterError(
            f"{context}: cannot be used ({type(e).__name__}: {e}); it is JSON with the key "
            "namespace; correct it, or move it away"
        ) from None
    return client


def _finish_kubectls(config: Any) -> None:
    """Corrects what kfp.Client has made of kubectl's configuration.

    Raises:
      ClusterError: there was no cluster in it, which kfp.Client merely prints.
    """
    host, renew = config.host.rstrip("/"), config.refresh_api_key_hook
    if "/proxy" not in host:
        raise ClusterError(
            f"kubectl's configuration leads to no cluster; give --host or set {ADDRESS}"
        )

    def hook(config: Any) -> None:
        # It renews the token, but also puts the bare server back as the host, without the path of
        # the proxy, and itself back as the hook.
        renew(config)
        config.host, config.refresh_api_key_hook = host, hook

    config.host = host
    config.refresh_api_key_hook = renew and hook


def _guard(rest: Any, address: str) -> None:
    """Puts a time limit on every request, and makes every failure a ClusterError.

    It sits below the generated client, which waits for ever, takes a login page for an empty
    answer, and falls over its own handling of TLS errors.
    """
    import urllib3
    from kfp_server_api import ApiException

    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    ask = rest.request

    def request(method: str, url: str, **arguments: Any) -> Any:
        arguments["_request_timeout"] = (_CONNECT_SECONDS, _READ_SECONDS)
        where = f"{address}: {method} {urlsplit(url).path}"
        try:
            answer = ask(method, url, **arguments)
        except ApiException as e:
            if not e.status:
                reason = str(e.reason).splitlines()[-1]
                raise ClusterError(f"{address}: cannot be reached ({reason}); {_REACH}") from None
            raise _refusal(where, url, e) from None
        except urllib3.exceptions.HTTPError as e:
            raise ClusterError(f"{address}: cannot be reached ({_cause(e)}); {_REACH}") from None
        try:
            json.loads(answer.data)
        except ValueError:
            raise Refusal(
                f"{where}: answered with something that is not JSON, such as a login page; give "
                "the address of Kubeflow Pipelines, and --token-file where it asks for a login",
                answer.status,
            ) from None
        return answer

    rest.request = request


def _cause(error: Any) -> str:
    """The innermost reason, without the names of Python objects."""
    inner: Any = error
    while isinstance(inner, Exception):
        error, inner = inner, getattr(inner, "reason", None) or (inner.args or [None])[-1]
    return re.sub(r"^\w+\(host=.*?\): ", "", str(error)) or type(error).__name__


def _refusal(where: str, url: str, answer: Any) -> Refusal:
    status = int(answer.status)
    do = {
        400: "correct what it names",
        401: f"log in: give --token-file, or set {TOKEN}; a token that was given has run out or "
        "is not for this server",
        403: "the login may not do this in this namespace; ask for the right, or give another "
        "--namespace or token",
        404: "it is not there, or no longer; `graft schedule list` says what is",
        409: "something of that name is there already; give the command again, or another name",
    }.get(status, "correct what it names")
    if status == 404 and "/healthz" in url:
        do = f"that is not Kubeflow Pipelines with its API v2beta1; check --host or {ADDRESS}"
    if status == 429 or status >= 500:
        do = "the server is at fault or busy; try again, its own log says more"
    phrase = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else ""
    said = _said(answer.body)
    return Refusal(f"{where}: answered {status} {phrase}{': ' if said else ''}{said}; {do}", status)


def _said(body: bytes | str | None) -> str:
    """The server's own words: in JSON by its API, in other JSON by its upload, or anything."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        answer = json.loads(text)
        text = answer.get("message") or answer.get("error_message") or ""
    except (ValueError, AttributeError):
        text = "" if text.lstrip().startswith("<") else text
    line = " ".join(str(text).split())
    return line if len(line) <= 400 else line[:400] + " …"
