"""Kubeflow Model Registry as a model registry. It keeps facts and addresses, and no files.

A registration is: a registered model; a version of it, archived; the version's artifact, which says
where the model lies and holds the whole entry; the alias; and as the last step the version comes to
life. Each step looks first for what an earlier, killed one left. A version's `externalId`, which
the server keeps unique, is made of model and content, so two pushers cannot make two of one
content. A deleted version is an archived one too, since the server deletes nothing: who registers
that content again finishes it again, under its old number.

The server knows no aliases: they are custom properties of the registered model.
"""

import dataclasses
import json

from mr_openapi import (
    Artifact,
    ModelArtifact,
    ModelArtifactUpdate,
    ModelVersionCreate,
    ModelVersionUpdate,
    RegisteredModel,
    RegisteredModelCreate,
    RegisteredModelUpdate,
)
from mr_openapi import ModelRegistryServiceApi as Api
from mr_openapi import ModelVersion as KubeflowVersion
from mr_openapi.exceptions import ConflictException

from components.errors import RegistryError
from components.registry_pusher.addresses import check_name, check_server
from components.registry_pusher.kubeflow_client import KubeflowClient, every
from components.registry_pusher.kubeflow_facts import (
    address_of,
    artifact_properties,
    model_version,
    text_of,
    value_of,
    version_properties,
)
from components.registry_pusher.kubeflow_lookup import (
    ARCHIVED,
    CHALLENGER,
    CHAMPION,
    CHAMPIONS,
    LIVE,
    artifact_of,
    champions_of,
    entry_of,
    identity_of,
    live_versions,
    registered_model,
    uri_of,
    version_named,
    version_of_content,
)
from components.registry_pusher.model_card import model_card
from components.registry_pusher.patience import NoAnswer
from components.registry_pusher.registry import Entry, ModelVersion, Registered

_TRIES = 20  # where other pushers are quicker


class KubeflowRegistry:
    """See `components.registry_pusher.registry.Registry`.

    Attributes:
      kind: "kubeflow".
      address: the server's.
    """

    kind = "kubeflow"

    def __init__(self, uri: str, token_path: str | None = None):
        """Args:
        uri: http(s)://HOST:PORT of the REST service.
        token_path: file of the bearer token; by default KF_PIPELINES_SA_TOKEN_PATH names it, or
          it is the pod's service account's; without any of them no token is sent.

        Raises:
          ConfigError: it is no such address.
        """
        check_server(uri)
        self.address = uri.rstrip("/")
        self._client = KubeflowClient(uri, token_path)

    def register(self, entry: Entry, challenger: bool = True, champion: bool = False) -> Registered:
        """See Registry.register."""
        check_name(entry.name)
        return self._client.ask(lambda api: _register(api, entry, challenger, champion))

    def find(self, name: str, content_hash: str) -> Registered | None:
        """See Registry.find."""

        async def work(api: Api) -> Registered | None:
            model = await registered_model(api, name)
            version = await version_of_content(api, model, content_hash) if model else None
            if version is None or version.state != LIVE:
                return None
            return Registered(name, version.name, False, await uri_of(api, version))

        return self._client.ask(work)

    def versions(self, name: str) -> list[ModelVersion]:
        """See Registry.versions."""

        async def work(api: Api) -> list[ModelVersion]:
            model = await registered_model(api, name)
            if model is None:
                return []
            found = sorted(
                await live_versions(api, model), key=lambda it: int(it.id or 0), reverse=True
            )
            aliases = {key: text_of(model.custom_properties, key) for key in (CHALLENGER, CHAMPION)}
            return [model_version(name, it, aliases, await uri_of(api, it)) for it in found]

        return self._client.ask(work)

    def entry(self, name: str, version: str) -> Entry | None:
        """See Registry.entry."""

        async def work(api: Api) -> Entry | None:
            model = await registered_model(api, name)
            found = await version_named(api, model, version) if model else None
            if found is None or found.state != LIVE:
                raise _no_version(name, version)
            return await entry_of(api, found)

        return self._client.ask(work)

    def champions(self, name: str) -> list[str]:
        """See Registry.champions. None without the alias, whatever stood there before."""

        async def work(api: Api) -> list[str]:
            model = await registered_model(api, name)
            return await champions_of(api, model) if model else []

        return self._client.ask(work)

    def set_champions(self, name: str, versions: list[str]) -> None:
        """See Registry.set_champions."""

        async def work(api: Api) -> None:
            model = await registered_model(api, name)
            there = (
                {version.name for version in await live_versions(api, model)} if model else set()
            )
            for version in versions:
                if model is None or version not in there:
                    raise _no_version(name, version)
            await _point(api, model, {CHAMPION: versions[-1], CHAMPIONS: json.dumps(versions)})

        self._client.ask(work)

    def delete(self, name: str, version: str) -> None:
        """See Registry.delete. The version is archived, its aliases are gone."""

        async def work(api: Api) -> None:
            model = await registered_model(api, name)
            found = await version_named(api, model, version) if model else None
            if model is None or found is None:
                return
            properties = model.custom_properties
            gone: dict[str, str | None] = {
                alias: None
                for alias in (CHALLENGER, CHAMPION)
                if text_of(properties, alias) == version
            }
            listed = [it for it in await champions_of(api, model) if it != version]
            if text_of(properties, CHAMPIONS):
                gone[CHAMPIONS] = json.dumps(listed)
            await _point(api, model, gone)
            if found.state == LIVE:
                await api.update_model_version(found.id, ModelVersionUpdate(state=ARCHIVED))

        self._client.ask(work)


async def _register(api: Api, entry: Entry, challenger: bool, champion: bool) -> Registered:
    """All steps; whichever an earlier call has done changes nothing."""
    model = await registered_model(api, entry.name) or await _made_model(api, entry.name)
    version = await version_of_content(api, model, entry.content_hash) or await _made(
        api, model, entry
    )
    before, uri = version.state == LIVE, await uri_of(api, version)
    tells = not before
    if before and challenger and entry.pushed_path and uri != entry.pushed_path:
        # Pushed anew: it is elsewhere now, and all else stays as it was said first.
        said = await entry_of(api, version) or entry
        entry, tells = dataclasses.replace(said, pushed_path=entry.pushed_path), True
    elif tells:
        with entry.model_folder():
            pass  # What is gone, or is another by now, is not registered.
    if tells:
        uri = address_of(entry)
        await _tell(api, version, entry)

    if challenger:
        await _point(api, model, {CHALLENGER: version.name})
    if tells:
        update = ModelVersionUpdate(
            state=LIVE,
            description=model_card(entry),
            custom_properties=version_properties(entry),
        )
        await api.update_model_version(version.id, update)
    if champion:  # last: the earlier one stays until there is a whole version to take its place
        others = [it for it in await champions_of(api, model) if it != version.name]
        listed = [*others, version.name]
        await _point(api, model, {CHAMPION: version.name, CHAMPIONS: json.dumps(listed)})
    return Registered(entry.name, version.name, not before, uri)


async def _made_model(api: Api, name: str) -> RegisteredModel:
    try:
        return await api.create_registered_model(RegisteredModelCreate(name=name))
    except ConflictException:
        if found := await registered_model(api, name):
            return found  # the other pusher was quicker
        raise RegistryError(
            f"push.model_name: the registry has a model that differs from {name!r} in upper and "
            "lower case alone, and cannot tell them apart; use its name, or another"
        ) from None


async def _made(api: Api, model: RegisteredModel, entry: Entry) -> KubeflowVersion:
    """A version of the next number, not yet to be seen: or another pusher's of this content."""
    for _ in range(_TRIES):
        names = [it.name async for it in every(api.get_registered_model_versions, model.id)]
        last = max((int(name) for name in names if name.isdecimal()), default=0)
        new = ModelVersionCreate(
            name=str(last + 1),
            registered_model_id=model.id,
            external_id=identity_of(model, entry.content_hash),
            state=ARCHIVED,
        )
        try:
            return await api.create_model_version(new)
        except ConflictException:  # of the number, or of the content
            if found := await version_of_content(api, model, entry.content_hash):
                return found
    raise NoAnswer("other pushers take one number after the other")


async def _tell(api: Api, version: KubeflowVersion, entry: Entry) -> None:
    """Gives a version its artifact, or its artifact another address and entry."""
    artifact, uri = await artifact_of(api, version), address_of(entry)
    properties = artifact_properties(entry)
    if artifact is None:
        new = ModelArtifact(
            name=entry.name,
            uri=uri,
            artifact_type="model-artifact",
            model_format_name="tensorflow",
            model_format_version="2",  # of the SavedModel, as serving runtimes name it
            custom_properties=properties,
        )
        try:
            await api.upsert_model_version_artifact(version.id, Artifact(new))
            return
        except ConflictException:  # the other pusher was quicker
            artifact = await artifact_of(api, version)
    if artifact is not None:
        update = ModelArtifactUpdate(
            uri=uri, artifact_type="model-artifact", custom_properties=properties
        )
        await api.update_model_artifact(artifact.id, update)


async def _point(api: Api, model: RegisteredModel, wanted: dict[str, str | None]) -> None:
    """Sets custom properties of a model, None for none; what others keep there stays.

    All of them are written at once, and there is no lock: so they are read again afterwards.
    """
    for _ in range(3):
        held = dict((await api.get_registered_model(model.id)).custom_properties or {})
        if all((text_of(held, key) or None) == value for key, value in wanted.items()):
            return
        for key, value in wanted.items():
            held.pop(key, None)
            if value is not None:
                held[key] = value_of(value)
        await api.update_registered_model(model.id, RegisteredModelUpdate(custom_properties=held))


def _no_version(name: str, version: str) -> RegistryError:
    return RegistryError(f"{name}: there is no version {version}; see graft registry list")
