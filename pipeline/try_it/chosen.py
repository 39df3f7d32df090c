"""Which model is tried: the pushed one of the last run, or a registered version."""

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

from components.errors import RegistryError
from pipeline.places import Places
from pipeline.predict import pushed_model
from pipeline.registry import find_version, registered_model


class Chosen(NamedTuple):
    """A model to be served.

    Attributes:
      name: the configuration's, under which TensorFlow Serving has it, too.
      version: the number of the pushed version, or the registry's own word for it.
      folder: of the SavedModel, on a disk or in a bucket.
      said: what it is, for people.
    """

    name: str
    version: str
    folder: str
    said: str


@contextlib.contextmanager
def chosen(places: Places, word: str | None = None) -> Iterator[Chosen]:
    """Finds the model; its folder is there as long as the context lasts.

    Args:
      places: of the task.
      word: a registered version's number, alias or content hash; None: what is pushed.

    Raises:
      ServingError: nothing is pushed.
      ConfigError: there is no run yet, or its runs register nothing.
      RegistryError: there is no such version, or its files are gone.
    """
    if word is None:
        folder = pushed_model(places)
        version = os.path.basename(folder.rstrip("/"))
        yield Chosen(places.name, version, folder, f"pushed version {version}")
        return
    model = registered_model(places)
    it = find_version(model.versions(), word)
    entry = model.registry.entry(model.name, it.version)
    if entry is None:
        raise RegistryError(
            f"{model.name}: version {it.version} was not registered from here, so its files are "
            "not known; choose another version, or leave --version out to serve the pushed one"
        )
    aliases = f" ({', '.join(it.aliases)})" if it.aliases else ""
    with entry.model_folder() as path:
        yield Chosen(
            places.name, it.version, str(path), f"registered version {it.version}{aliases}"
        )
