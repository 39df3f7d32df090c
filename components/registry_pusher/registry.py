"""What any model registry must offer here, and what it is told. Imports no client library."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from components.content import content_hash as hash_of
from components.errors import ConfigError, RegistryError
from components.files import exists, in_bucket, on_disk, read_json, write_json
from components.harmless import harmless, harmless_json
from components.pusher.push import newest, retraining


@dataclasses.dataclass(frozen=True)
class Entry:
    """One model as it is told to a registry: what it is, where it lies, where it comes from.

    Attributes:
      name: the registered model's name.
      content_hash: `components.content.content_hash` of the SavedModel; the identity.
      model_path: folder of the SavedModel, absolute, on a disk or in a bucket.
      pushed_path: folder of the pushed version, a copy of it.
      run_id: the pipeline run that made it.
      pipeline: the pipeline's name.
      span: of the data; None where the source has none.
      data_fingerprint: hash over ids, labels, contents and splits of the examples.
      counts: examples by split, and "rejected".
      module_handle, module_hash: the Hub backbone, as the user names it and by content.
      metrics: on the test split.
      intervals: by metric, lower and upper end of its 95 % interval; as far as they are known.
      slices: {slice: {value: {"images": count, metric: value}}}, as the Evaluator has them.
      blessed: whether the Evaluator blessed it.
      blessing_reasons: its sentences.
      labels: class names in the order of the model's outputs.
      image_size: height and width in pixels.
      config: the sections of the configuration that shaped it, as plain values.
      git_commit: of the project's code that trained it, "" where that is no checkout; ends in
        "+changes" where files differed from the commit.
      card: {"description", "limits", "data_licence", "module_licence"}, as the user wrote them;
        see `pipeline.config.Card`.
    """

    name: str
    content_hash: str
    model_path: str
    pushed_path: str = ""
    run_id: str = ""
    pipeline: str = ""
    span: int | None = None
    data_fingerprint: str = ""
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    module_handle: str = ""
    module_hash: str = ""
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    intervals: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    slices: dict[str, dict[str, dict[str, Any]]] = dataclasses.field(default_factory=dict)
    blessed: bool = False
    blessing_reasons: list[str] = dataclasses.field(default_factory=list)
    labels: list[str] = dataclasses.field(default_factory=list)
    image_size: list[int] = dataclasses.field(default_factory=list)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    git_commit: str = ""
    card: dict[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; `from_json` reads them back."""
        return dataclasses.asdict(self)

    def facts(self) -> dict[str, str | bool]:
        """What a registry shows of a version, one fact by one; "" where it is not known.

        `counts`, `labels` and `image_size` are JSON. Metrics, configuration and slices stay out.
        """
        return {
            "content_hash": self.content_hash,
            "run_id": self.run_id,
            "pipeline": self.pipeline,
            "span": "" if self.span is None else str(self.span),
            "data_fingerprint": self.data_fingerprint,
            "counts": as_json(self.counts),
            "module_handle": self.module_handle,
            "module_hash": self.module_hash,
            "blessed": self.blessed,
            "blessing_reasons": harmless("; ".join(self.blessing_reasons)),
            "labels": as_json(self.labels),
            "image_size": as_json(self.image_size),
            "git_commit": self.git_commit,
        }

    def flat_config(self) -> dict[str, str]:
        """The configuration by flat keys, see `flat_config`."""
        return flat_config(self.config)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Entry":
        """An entry from what `to_json` gave; keys that a later release added are passed over."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

    @contextmanager
    def model_folder(self) -> Iterator[Path]:
        """A folder on a disk that holds this very content: the trained one, or else the pushed.

        Raises:
          RegistryError: neither is there and unchanged.
        """
        # What is on a disk first: it costs no copy.
        for path in sorted(filter(None, (self.model_path, self.pushed_path)), key=in_bucket):
            if exists(path):
                with on_disk(path) as folder:
                    if hash_of(folder) == self.content_hash:
                        yield folder
                        return
        raise RegistryError(
            f"{self.name}: the model with content {self.content_hash} is neither in "
            f"{self.model_path} nor in {self.pushed_path or 'a pushed version'}; "
            f"{retraining(self.model_path)}"
        )


class Registered(NamedTuple):
    """Where a model stands in a registry.

    Attributes:
      name: the registered model's.
      version: the registry's own word for it; MLflow counts "1", "2", ...
      created: whether this call made the version; False where it was there already.
      uri: where the registered copy lies.
    """

    name: str
    version: str
    created: bool
    uri: str


@dataclasses.dataclass(frozen=True)
class ModelVersion:
    """One registered version, as `graft registry list --json` shows it.

    Attributes:
      name, version: as in Registered.
      aliases: such as "challenger", sorted.
      created: ISO 8601 in UTC, to the second.
      run_id: the pipeline run that made it.
      content_hash, data_fingerprint, metrics: as in Entry.
      module: {"handle", "hash"} of the backbone.
      blessed: as in Entry; None for a version that was not registered from here.
      uri: where it lies.
    """

    name: str
    version: str
    aliases: list[str]
    created: str
    run_id: str
    content_hash: str
    data_fingerprint: str
    module: dict[str, str]
    metrics: dict[str, float]
    blessed: bool | None
    uri: str

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return dataclasses.asdict(self)


class Registry(Protocol):
    """A model registry. Every method raises RegistryError where it does not answer.

    Attributes:
      kind: what it is, such as "mlflow".
      address: where it is, without passwords.
    """

    kind: str
    address: str

    def register(self, entry: Entry, challenger: bool = True, champion: bool = False) -> Registered:
        """Enters a model as a new version, unless its content is there already.

        May be killed at any moment and called again: what was begun is finished, and there is
        one version for one content.

        Args:
          entry: the model.
          challenger: whether it has just been pushed, so that the version becomes the challenger.
          champion: whether the version becomes the champion.
        """

    def find(self, name: str, content_hash: str) -> Registered | None:
        """The version that holds a content, if one was completely registered."""

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of a model, newest first; none for a name that is not registered.

        What a killed registration left half done is not among them.
        """

    def entry(self, name: str, version: str) -> Entry | None:
        """All that the registry was told of a version; None where it was not registered from here.

        Raises:
          RegistryError: there is no such version.
        """

    def champions(self, name: str) -> list[str]:
        """The versions that were champion one after the other, the present one last.

        The alias is the truth: where somebody moved it by other means, its version stands last.
        """

    def set_champions(self, name: str, versions: list[str]) -> None:
        """Replaces that list; its last version gets the alias `champion`. Not empty.

        Raises:
          RegistryError: there is no such version.
        """

    def delete(self, name: str, version: str) -> None:
        """Removes a version and what the registry holds of it; nothing where it is gone already."""


def get_registry(spec: str | Mapping[str, Any]) -> Registry:
    """Returns the registry that a specification names; does not yet speak to it.

    Args:
      spec: {"kind", "uri"}, and for kubeflow "token_path", as a mapping or as JSON; further keys
        are passed over.

    Raises:
      ConfigError: there is no such kind, or the address is none of its kind.
    """
    values = json.loads(spec) if isinstance(spec, str) else spec
    if values["kind"] == "mlflow":
        from components.registry_pusher.mlflow_registry import MlflowRegistry

        return MlflowRegistry(values["uri"])
    if values["kind"] == "kubeflow":
        from components.registry_pusher.kubeflow_registry import KubeflowRegistry

        return KubeflowRegistry(values["uri"], values.get("token_path"))
    raise ConfigError(
        f"push.registry: there is no registry {values['kind']!r}; use mlflow, kubeflow or none"
    )


def write_registration(path: str | Path, registry: Registry, it: Registered, entry: Entry) -> None:
    """Writes `registration.json`: where a model stands, and the whole entry to register it again.

    Keys: registry, registry_uri, name, version, uri, content_hash, created, entry.
    """
    values = {
        "registry": registry.kind,
        "registry_uri": registry.address,
        **it._asdict(),
        "content_hash": entry.content_hash,
        "entry": entry.to_json(),
    }
    folder, name = os.path.split(path)
    write_json(folder, name, values)


def restore(
    registration: str | Path, spec: str | Mapping[str, Any], champion: bool = False
) -> Registered:
    """Registers again what a `registration.json` tells of, where the registry has lost it.

    The file is brought up to date if the version, or the pushed one, is another now. The aliases
    stay where they are, wherever somebody moved them, unless the model was pushed anew, or the
    registry had lost it.

    Args:
      registration: as `write_registration` wrote it.
      spec: as for `get_registry`.
      champion: whether a push makes the champion, and not the challenger alone.

    Raises:
      RegistryError: the file cannot be read, the model is gone, or the registry does not answer.
    """
    try:
        said = read_json(registration)
        entry = Entry.from_json(said["entry"])
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise RegistryError(
            f"{registration}: is no registration that could be restored ({e!r}); delete the "
            f"folder {os.path.dirname(registration)} and run the pipeline again"
        ) from None
    registry = get_registry(spec)
    pushed_path = _pushed_anew(entry)
    if pushed_path:
        entry = dataclasses.replace(entry, pushed_path=pushed_path)
    anew = bool(pushed_path) or registry.find(entry.name, entry.content_hash) is None
    registered = registry.register(entry, challenger=anew, champion=champion and anew)
    if pushed_path or (said.get("version"), said.get("uri")) != (
        registered.version,
        registered.uri,
    ):
        write_registration(registration, registry, registered, entry)
    return registered


def _pushed_anew(entry: Entry) -> str | None:
    """The newest served version if it holds this model, and under another number than was said."""
    if not entry.pushed_path:
        return None
    served = newest(os.path.dirname(entry.pushed_path))
    if served and served.content_hash == entry.content_hash and served.path != entry.pushed_path:
        return served.path
    return None


def as_json(value: Any) -> str:
    """A fact as one JSON text, the same however it was put together, and harmless on a page."""
    return harmless_json(value, sort_keys=True)


def flat_config(config: Mapping[str, Any]) -> dict[str, str]:
    """A configuration by flat keys, sorted, as texts: "train.batch_size" -> "32".

    Parts of a list are numbered from 1: "train.phases.2.epochs" -> "6".
    """
    return dict(_flat(config))


def _flat(values: Any, prefix: str = "") -> list[tuple[str, str]]:
    parts: dict[Any, Any] = {}
    if isinstance(values, Mapping):
        parts = {key: values[key] for key in sorted(values)}
    elif isinstance(values, list) and all(isinstance(one, Mapping) for one in values):
        parts = dict(enumerate(values, 1))
    if parts:
        return [
            pair
            for key, value in parts.items()
            for pair in _flat(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    if not prefix:
        return []
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return [(prefix, values if isinstance(values, str) else text)]
