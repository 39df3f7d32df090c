"""What stands in a Kubeflow Model Registry: models, versions, artifacts, champions."""

import json

from mr_openapi import ModelArtifact, ModelVersionState, RegisteredModel
from mr_openapi import ModelRegistryServiceApi as Api
from mr_openapi import ModelVersion as KubeflowVersion

from components.registry_pusher.kubeflow_client import every, or_none
from components.registry_pusher.kubeflow_facts import entry_from, text_of
from components.registry_pusher.registry import Entry

CHALLENGER, CHAMPION = "challenger", "champion"
CHAMPIONS = "champions"  # a JSON list, the property beside the alias
LIVE, ARCHIVED = ModelVersionState.LIVE, ModelVersionState.ARCHIVED


async def registered_model(api: Api, name: str) -> RegisteredModel | None:
    """The registered model of exactly this name."""
    # The server reads _ and % as placeholders and takes ASCII alone: then all are looked through.
    if name.isascii():
        found = await or_none(api.find_registered_model(name=name))
        if found and found.name == name:
            return found
    async for model in every(api.get_registered_models):
        if model.name == name:
            return model
    return None


async def version_named(api: Api, model: RegisteredModel, version: str) -> KubeflowVersion | None:
    """The version of a number, or of whatever name others gave it, in whatever state."""
    async for it in every(api.get_registered_model_versions, model.id):
        if it.name == version:
            return it
    return None


async def live_versions(api: Api, model: RegisteredModel) -> list[KubeflowVersion]:
    """All versions that are whole and not deleted, oldest first."""
    versions = every(api.get_registered_model_versions, model.id)
    return [version async for version in versions if version.state == LIVE]


async def version_of_content(
    api: Api, model: RegisteredModel, content_hash: str
) -> KubeflowVersion | None:
    """The version of a content, in whatever state."""
    identity = identity_of(model, content_hash)
    return await or_none(api.find_model_version(external_id=identity))


def identity_of(model: RegisteredModel, content_hash: str) -> str:
    """Unique in the whole registry, where two models may well hold the same content."""
    return f"{model.id}:{content_hash}"


async def artifact_of(api: Api, version: KubeflowVersion) -> ModelArtifact | None:
    """What a version is made of, if its registration came so far."""
    # Not asked for by type: servers before 0.3 do not know that.
    async for artifact in every(api.get_model_version_artifacts, version.id):
        if isinstance(artifact.actual_instance, ModelArtifact):
            return artifact.actual_instance
    return None


async def entry_of(api: Api, version: KubeflowVersion) -> Entry | None:
    """All that was told of a version; None for one of others."""
    artifact = await artifact_of(api, version)
    return entry_from(artifact.custom_properties) if artifact else None


async def uri_of(api: Api, version: KubeflowVersion) -> str:
    """Where a version lies; of one that others registered, its artifact says it."""
    said = text_of(version.custom_properties, "uri")
    if said or version.state != LIVE:
        return said
    artifact = await artifact_of(api, version)
    return (artifact.uri or "") if artifact else ""


async def champions_of(api: Api, model: RegisteredModel) -> list[str]:
    """See `Registry.champions`."""
    present = text_of(model.custom_properties, CHAMPION)
    there = {version.name for version in await live_versions(api, model)}
    if present not in there:
        return []
    try:
        listed = json.loads(text_of(model.custom_properties, CHAMPIONS) or "[]")
    except ValueError:
        listed = []  # somebody's own property of that name
    listed = [version for version in listed if version in there]
    return listed if listed[-1:] == [present] else [*listed, present]
