"""Which version is served and who says so: promotion, the way back, deletion; over any registry.

The served folder changes first, and notes what was taken from it, so that no rerun of the pipeline
pushes that again; the aliases follow. Whoever is killed in between gives the same command again.
"""

import contextlib
import dataclasses
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from components.content import content_hash as hash_of
from components.errors import RegistryError
from components.pusher.push import is_withdrawn, newest, push, rolled_back_to, withdraw
from components.registry_pusher.registry import Entry, ModelVersion, Registry


def promote(
    registry: Registry, version: ModelVersion, destination: str | Path, keep: int = 5
) -> str:
    """Makes a version the champion, and the one that is served.

    Where other content is served, the version's is pushed again as a higher number, and the other
    is withdrawn until somebody promotes it.

    Args:
      registry: where the version stands.
      version: which.
      destination: the served folder.
      keep: how many versions stay there.

    Returns:
      The pushed version's folder.

    Raises:
      RegistryError: the version was not registered from here, its files are lost, or the registry
        does not answer.
      ServingError: it cannot be pushed.
    """
    before = [it for it in registry.champions(version.name) if it != version.version]
    return _serve(registry, version, destination, keep, [*before, version.version], "")


def rollback(
    registry: Registry, version: ModelVersion, destination: str | Path, keep: int = 5
) -> str:
    """Goes back to a champion that `previous` has named: serves it, and ends the list with it.

    Arguments, result and errors are those of `promote`.
    """
    champions = registry.champions(version.name)
    if version.version not in champions:
        raise RegistryError(
            f"{version.name}: version {version.version} is no champion any more, since somebody "
            "else went back in the meantime; look at `graft registry list`"
        )
    back = champions[: champions.index(version.version) + 1]
    return _serve(registry, version, destination, keep, back, version.content_hash)


def previous(registry: Registry, name: str, destination: str | Path) -> ModelVersion:
    """The version that a rollback leads to: the champion where something else is served, else the
    champion before it. A rollback that was killed is finished, a promotion is taken back.

    Raises:
      RegistryError: there is none.
    """
    versions = {it.version: it for it in registry.versions(name)}
    champions = [versions[it] for it in registry.champions(name) if it in versions]
    if not champions:
        raise RegistryError(
            f"{name}: has no champion that one could go back to; name a version: "
            "`graft registry promote VERSION`"
        )
    champion, served = champions[-1], newest(destination)
    # A rollback withdraws first, with the content that it leads to, and moves the challenger last.
    aim = rolled_back_to(destination, champion.content_hash)
    for it in champions[:-1]:
        if it.content_hash == aim:
            return it
    unfinished = any(
        rolled_back_to(destination, it.content_hash) == champion.content_hash
        for it in versions.values()
        if "challenger" in it.aliases
    )
    is_served = served is not None and served.content_hash == champion.content_hash
    if unfinished or not is_served or aim is not None:
        return champion
    if len(champions) == 1:
        raise RegistryError(
            f"{name}: version {champion.version} is the first champion, and it is served; to go "
            "back to another version name it: `graft registry promote VERSION`"
        )
    return champions[-2]


def check_deletion(version: ModelVersion) -> None:
    """Raises RegistryError for a version that must stay, because an alias points at it."""
    if version.aliases:
        raise RegistryError(
            f"{version.name}: version {version.version} is the {' and the '.join(version.aliases)}"
            ", and what an alias points at is not deleted; promote another version first: "
            "`graft registry promote VERSION`"
        )


def delete(registry: Registry, version: ModelVersion) -> None:
    """Removes a version from the registry; what was pushed of it stays where it is.

    Raises:
      RegistryError: an alias points at it.
    """
    for it in registry.versions(version.name):  # somebody may have moved an alias since
        if it.version == version.version:
            check_deletion(it)
    registry.delete(version.name, version.version)


def _serve(
    registry: Registry,
    version: ModelVersion,
    destination: str | Path,
    keep: int,
    champions: list[str],
    aim: str,
) -> str:
    name, content = version.name, version.content_hash
    entry = registry.entry(name, version.version)
    if entry is None:
        raise RegistryError(
            f"{name}: version {version.version} was not registered from here, so nobody knows how "
            "it is served; choose another one: `graft registry list`"
        )
    served = newest(destination)
    if served and served.content_hash == content and not is_withdrawn(destination, content):
        path = served.path
    else:
        needed = [it.content_hash for it in registry.versions(name) if it.aliases]
        with _model(registry, version, entry) as folder:
            if served and served.content_hash != content:
                withdraw(destination, served.content_hash, aim)
            path = push(folder, destination, content, keep, aliased=needed)
    registry.set_champions(name, champions)
    now = newest(destination)
    if now is None or now.content_hash != content:
        raise RegistryError(
            f"{destination}: while version {version.version} of {name} was brought there, "
            "something else was: promote the one that you want once more, "
            "`graft registry promote VERSION`"
        )
    registry.register(dataclasses.replace(entry, pushed_path=path), challenger=True)
    return path


@contextlib.contextmanager
def _model(registry: Registry, version: ModelVersion, entry: Entry) -> Iterator[Path]:
    """The version's SavedModel: the trained or the pushed one, or else the registry's own copy."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(entry.model_folder())
        except RegistryError:
            if registry.kind != "mlflow":  # it alone keeps one
                raise
            folder = stack.enter_context(_copy(registry, version))
        yield folder


@contextlib.contextmanager
def _copy(registry: Registry, version: ModelVersion) -> Iterator[Path]:
    from components.registry_pusher.mlflow_client import downloaded
    from components.registry_pusher.mlflow_model import SAVED_MODEL

    address = urllib.parse.urlparse(version.uri)
    with contextlib.ExitStack() as stack:
        folder = Path(urllib.parse.unquote(address.path), SAVED_MODEL)
        if address.scheme not in ("", "file"):
            with contextlib.suppress(FileNotFoundError):
                uri = f"{version.uri}/{SAVED_MODEL}"
                folder = stack.enter_context(downloaded(uri, registry.address))
        if hash_of(folder) != version.content_hash:
            raise RegistryError(
                f"{version.uri}: the files of version {version.version} of {version.name} are lost "
                "or changed, and so are the trained and the pushed ones; choose another version: "
                "`graft registry list`"
            )
        yield folder
