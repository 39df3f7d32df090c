"""The errors that a user can cause. Each message says what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable
from typing import Any


class GraftError(Exception):
    """Base of all errors that are shown to a user as one message, without a traceback."""


class ConfigError(GraftError):
    """The configuration is wrong: a key, a value, or two values that do not go together."""


class DataError(GraftError):
    """The images, labels, manifest or splits cannot be used as they are."""


class BackboneError(GraftError):
    """A Hub module cannot be found, read, or used in the way that was asked for."""


class TrainingError(GraftError):
    """The training does not get anywhere."""


class EvaluationError(GraftError):
    """The model cannot be evaluated, or compared with the blessed one."""


class ServingError(GraftError):
    """The exported model cannot be loaded, asked, or pushed."""


class StoreError(GraftError):
    """The metadata store cannot be opened."""


class RegistryError(GraftError):
    """The model registry cannot be reached, or refuses what it is given."""


class ClusterError(GraftError):
    """Kubeflow Pipelines cannot be reached, or refuses what it is given."""


_SHOWN = 30


def nearest(word: Any, known: Iterable[str]) -> str:
    """The end of a message: which known word was probably meant, or which there are."""
    known = list(known)
    match = difflib.get_close_matches(str(word), known, n=1, cutoff=0.5)
    if match:
        return f"; did you mean {match[0]!r}?"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"; there are: {', '.join(known[:_SHOWN])}{more}"
