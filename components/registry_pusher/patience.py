"""Asking a registry again that does not answer: a server's restart should fail no run."""

import time
from collections.abc import Callable
from typing import TypeVar

from components.errors import RegistryError

WAITS = (1.0, 2.0, 4.0)  # seconds before another try

T = TypeVar("T")


class NoAnswer(Exception):
    """A registry gave no answer, for the reason that is the message; another try could help."""


def patiently(action: Callable[[], T], registry: str) -> T:
    """Takes an action until it raises no NoAnswer, with longer and longer waits.

    Args:
      action: may be repeated.
      registry: what does not answer and where, such as "MLflow at http://mlflow:5000".

    Raises:
      RegistryError: there was no answer to any try.
    """
    for wait in (*WAITS, None):
        try:
            return action()
        except NoAnswer as e:
            if wait is None:
                raise RegistryError(
                    f"{registry} does not answer, after {len(WAITS) + 1} tries in "
                    f"{sum(WAITS):.0f} s ({e}); see that it runs and that push.registry_uri is "
                    "right, then run again: nothing is registered twice"
                ) from e
        time.sleep(wait)
    raise AssertionError("unreachable")
