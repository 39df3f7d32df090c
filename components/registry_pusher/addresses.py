"""Where a registry is and what a model may be called there, as texts. Imports no client library."""

import os
import re
import urllib.parse
from pathlib import Path

from components.errors import ConfigError

# What MLflow has a client or a driver for, beside a SQLite file.
_SERVERS = r"(https?|databricks(-uc)?|(postgresql|mysql|mssql)(\+[a-z0-9]+)?)://."
_SECRET_KEYS = "password|passwd|pwd|token|secret"


def check_address(uri: str) -> None:
    """Raises ConfigError for what is no MLflow tracking URI; does not ask whether it answers."""
    if not path_of(uri) and not re.match(_SERVERS, uri):
        raise ConfigError(
            f"push.registry_uri: {uri!r} is no MLflow tracking URI; write sqlite:///PATH for "
            "a file on this machine, http(s)://HOST:PORT for a server, or a database such as "
            "postgresql://HOST/NAME"
        )


def check_server(uri: str) -> None:
    """Raises ConfigError for what is no address of a Kubeflow Model Registry; does not ask it."""
    parts = urllib.parse.urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(
            f"push.registry_uri: {redacted(uri)!r} is no address of a Kubeflow Model Registry; "
            "write http(s)://HOST:PORT, such as "
            "http://model-registry-service.kubeflow.svc.cluster.local:8080"
        )
    if "/api/model_registry" in parts.path:
        raise ConfigError(
            f"push.registry_uri: {redacted(uri)} goes too far; leave out /api/model_registry and "
            "what follows it"
        )


def check_token(path: str) -> None:
    """Raises ConfigError for a token's file that cannot be read."""
    try:
        Path(path).read_bytes()
    except OSError as e:
        raise ConfigError(
            f"push.registry_token_path: the token in {path} cannot be read ({e.strerror}); give a "
            "file that can, or remove the key for the pod's service account"
        ) from None


def check_name(name: str) -> None:
    """Raises ConfigError for a name that no registered model can have."""
    if not re.fullmatch(r"[^/:'\"`%\\]{1,250}", name):
        raise ConfigError(
            f"push.model_name: {name!r} cannot be registered; use up to 250 letters, digits, "
            "spaces, dots, - and _"
        )


def path_of(uri: str) -> Path | None:
    """The file that an address such as sqlite:///runs/mlflow.db names; None for all others.

    As SQLAlchemy reads it since 2.1: %20 stands for a space, and a ? ends the path.
    """
    match = re.fullmatch(r"sqlite:///([^?]+)(\?.*)?", uri, re.DOTALL)
    return Path(os.path.abspath(urllib.parse.unquote(match[1]))) if match else None


def address_of(path: Path) -> str:
    """The address of a SQLite file, absolute; `path_of` gives the file back."""
    text = os.path.abspath(path)
    if text.isprintable() and not set("%?") & set(text):
        return f"sqlite:///{text}"
    # With its slashes quoted too: MLflow makes the folder that it sees in an address, and it does
    # not unquote what it sees, so it is shown none.
    return f"sqlite:///{urllib.parse.quote(text, safe='')}"


def holds_secret(uri: str) -> bool:
    """Whether an address holds a password or a token; of a web server, a user's name too."""
    if re.search(r"://[^:/@]*:[^@]+@", uri):  # up to the @: a password may hold a slash
        return True
    if re.match(r"https?://[^/?#]*@", uri, re.IGNORECASE):
        return True
    return bool(re.search(rf"[?&;]({_SECRET_KEYS})=", urllib.parse.unquote(uri), re.IGNORECASE))


def redacted(text: str) -> str:
    """The text without the passwords in its addresses."""
    return re.sub(r"://([^:/@\s]*:\S*|[^/\s]*)@", "://***@", text)
