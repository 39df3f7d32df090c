"""Which models the registry's aliases point at, asked in passing: a push does not wait for it."""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.errors import GraftError
from components.pusher.push import removable
from components.registry_pusher.registry import get_registry

ANSWER_SECONDS = 20.0
"""Time for an answer. A registry's client, whose import is part of it, may try for minutes."""

UNKNOWN_ALIASES = (
    "no old version was removed, since the registry did not say which have an alias; the next run "
    "removes them"
)


def aliased_contents(
    registry: str | Mapping[str, Any], destination: str | Path, keep: int
) -> set[str] | None:
    """Asks a registry, once and not for long, which contents have an alias.

    Args:
      registry: {"kind", "uri", "model_name"}, as a mapping or as JSON.
      destination: where the versions lie; where a push would remove none, nobody is asked.
      keep: how many versions stay there.

    Returns:
      Content hashes; None where the registry does not answer in time.
    """
    spec = json.loads(registry) if isinstance(registry, str) else registry
    if spec["kind"] == "none" or not removable(destination, keep):
        return set()
    found: list[set[str]] = []

    def ask() -> None:
        try:
            versions = get_registry(spec).versions(spec["model_name"])
        except GraftError as e:
            logging.getLogger(__name__).warning("%s", e)
        else:
            found.append({it.content_hash for it in versions if it.aliases})

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return found[0] if found else None
