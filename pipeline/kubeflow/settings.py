"""The section `kubeflow` of the configuration: where on a cluster, with what, and how often."""

from typing import Annotated, Literal

import pydantic
from pydantic import Field, field_validator, model_validator

from components.errors import ConfigError
from pipeline.kubeflow.cron import check_cron
from pipeline.section import Section
from pipeline.stores import check_uri

ACCELERATOR_NODES = ("Trainer",)
"""Nodes that get an accelerator where the configuration says nothing: it is idle in the others."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
Cores = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$|^[0-9]+m$")]
Bytes = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?([KMGTPE]i?)?$")]
Folder = Annotated[str, Field(pattern=r"^/[^/].*$")]


class Volume(Section):
    """The persistent volume claim that every task mounts: runs, checkpoints, pushed models."""

    claim: Name = Field(
        "graft",
        description="Its name; must be mountable by several pods (ReadWriteMany) unless the "
        "cluster has one node. deploy/kubeflow/volume.yaml makes it.",
    )
    mount_path: Folder = Field("/mnt/graft", description="Where tasks see it.")


class Metadata(Section):
    """The metadata store that all tasks share: MySQL or MariaDB."""

    uri: str = Field(
        "mysql://graft-mysql:3306/graft",
        description="mysql://HOST[:PORT]/DATABASE, without user and password: those come from "
        "the secret. SQLite is refused: several pods would write to one file over a network.",
    )
    secret: Name = Field(
        "graft-mysql",
        description="The Kubernetes secret with the keys username and password.",
    )

    @model_validator(mode="after")
    def _a_server(self) -> "Metadata":
        # Not a check of the field: its message would show the value, and so the password.
        try:
            check_uri(self.uri)
        except ConfigError as e:
            raise ValueError(f"uri: {e}") from None
        return self


class Accelerator(Section):
    """A GPU, or whatever else the cluster counts as a resource."""

    type: Annotated[str, Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$")] = Field(
        "nvidia.com/gpu", description="The resource's name in Kubernetes."
    )
    count: int = Field(1, ge=1, le=64, description="How many a pod gets.")


class Toleration(Section):
    """A taint of cluster nodes that pods put up with."""

    key: str | None = Field(None, description="The taint's key; none: every key.")
    operator: Literal["Equal", "Exists"] = Field("Equal", description="How value is compared.")
    value: str | None = Field(None, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect; none: all of them."
    )
    seconds: Annotated[int, Field(ge=0)] | None = Field(
        None, description="For NoExecute: how long a pod stays."
    )

    @model_validator(mode="after")
    def _goes_together(self) -> "Toleration":
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("value: means nothing with operator Exists; remove one of them")
        if self.key is None and self.operator == "Equal":
            raise ValueError("key: is required with operator Equal; give it, or operator: Exists")
        if self.seconds is not None and self.effect != "NoExecute":
            raise ValueError("seconds: counts for effect NoExecute alone; remove it")
        return self


class Retry(Section):
    """What happens after a task has failed."""

    times: int = Field(2, ge=0, le=10, description="How often it is tried again.")
    wait: Annotated[str, Field(pattern=r"^[1-9][0-9]*[smh]$")] = Field(
        "30s", description="How long until the first retry: a number with s, m or h."
    )
    factor: float = Field(
        2.0, ge=1.0, le=10.0, description="By what the wait grows from one retry to the next."
    )


class Variable(Section):
    """An environment variable out of a Kubernetes secret."""

    secret: Name = Field(description="The secret's name.")
    key: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$")] = Field(description="The key in it.")


class Placement(Section):
    """What one task asks of the cluster."""

    cpu: Cores | None = Field(None, description="CPU requested, such as 2 or 500m.")
    cpu_limit: Cores | None = Field(None, description="CPU at most.")
    memory: Bytes | None = Field(None, description="Memory requested, such as 8Gi.")
    memory_limit: Bytes | None = Field(None, description="Memory at most.")
    accelerator: Accelerator | None = Field(None, description="None, or type and count.")
    node_selector: dict[str, str] = Field(
        {}, description="Labels that the cluster node must have, by key."
    )
    tolerations: tuple[Toleration, ...] = Field((), description="Taints put up with.")
    retry: Retry = Field(Retry(), description="What happens after a failure.")
    timeout: Annotated[str, Field(pattern=r"^[1-9][0-9]*[smh]$")] | None = Field(
        None,
        description="Longest time of one try: a number with s, m or h.",
    )
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], Variable] = Field(
        {}, description="Environment variables out of secrets, by name: {secret, key}."
    )


class Schedule(Section):
    """How often a run begins by itself."""

    cron: str | None = Field(
        None,
        description="Six fields in UTC, seconds first: second minute hour day month weekday; "
        "'0 0 3 * * *' is every night at three.",
    )
    max_concurrency: int = Field(
        1,
        ge=1,
        le=10,
        description="Runs at the same time. 1, since a second one would train on the same span.",
    )
    no_catchup: bool = Field(
        True,
        description="Whether runs that were missed are left out. They are: a run takes the newest "
        "span anyway, so each one made up for would find nothing new.",
    )

    @field_validator("cron")
    @classmethod
    def _six_fields(cls, cron: str | None) -> str | None:
        try:
            return check_cron(cron) if cron is not None else None
        except ConfigError as e:
            raise ValueError(str(e)) from None


class Kubeflow(Section):
    """How the same pipeline runs on open-source Kubeflow Pipelines v2."""

    image: str = Field(
        "graft:latest",
        min_length=1,
        description="The container image of every task; `make image` builds it.",
    )
    image_pull_secret: Name | None = Field(
        None, description="The secret that lets the cluster pull the image."
    )
    service_account: Name | None = Field(
        None, description="Of the pods of a run; by default the cluster's for pipelines."
    )
    root: str | None = Field(
        None,
        description="Where artifacts go: gs://BUCKET/PATH; by default RUNS/<name>/artifacts on "
        "the volume.",
    )
    volume: Volume = Field(Volume(), description=Volume.__doc__)
    metadata: Metadata = Field(Metadata(), description=Metadata.__doc__)
    accelerator: Accelerator | None = Field(
        Accelerator(),
        description="What the Trainer gets, and nobody else: it would idle there. None for CPU.",
    )
    defaults: Placement = Field(
        Placement(), description="What every task asks for where `nodes` says nothing."
    )
    nodes: dict[Annotated[str, Field(pattern=r"^[A-Za-z]+$")], Placement] = Field(
        {}, description="What single nodes ask for, by node id, such as Trainer: {memory: 16Gi}."
    )
    schedule: Schedule = Field(Schedule(), description=Schedule.__doc__)

    @field_validator("root")
    @classmethod
    def _a_bucket(cls, root: str | None) -> str | None:
        if root is not None and not root.startswith("gs://"):
            raise ValueError(
                "give gs://BUCKET/PATH, or remove the key to keep artifacts on the volume "
                "(s3:// is mounted as a volume, see docs/kubeflow.md)"
            )
        return root.rstrip("/") if root else None

    def placement(self, node: str) -> Placement:
        """What a node asks for: its own words, then those of `defaults`, then the accelerator."""
        own = self.nodes.get(node, Placement())
        said = {**_said(self.defaults), **_said(own)}
        if "accelerator" not in said and node in ACCELERATOR_NODES:
            said["accelerator"] = self.accelerator
        return Placement.model_construct(**{**dict(Placement()), **said})


def _said(section: pydantic.BaseModel) -> dict[str, object]:
    return {name: getattr(section, name) for name in section.model_fields_set}
