"""The part of the configuration that says where a blessed model goes, and what is said of it."""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.registry_pusher.addresses import holds_secret
from pipeline.section import Section


class Push(Section):
    """Where a blessed model goes."""

    destination: str | None = Field(
        None,
        description="Folder of numbered versions, on this machine or mounted, or in a bucket, "
        "gs://BUCKET/PATH; by default RUNS/<name>/serving.",
    )
    keep: int = Field(
        5,
        ge=1,
        description="Versions kept there, the newest; beside them those that an alias of the "
        "registry points at.",
    )
    registry: Literal["mlflow", "kubeflow", "none"] = Field(
        "mlflow", description="The model registry: MLflow, Kubeflow Model Registry, or none."
    )
    registry_uri: str | None = Field(
        None,
        description="MLflow tracking URI without a password (MLflow takes that from the "
        "environment), by default SQLite in RUNS/mlflow.db; or the address of a Kubeflow Model "
        "Registry, http(s)://HOST:PORT.",
    )
    registry_token_path: str | None = Field(
        None,
        description="File with the bearer token for a Kubeflow Model Registry; by default where "
        "its client looks: KF_PIPELINES_SA_TOKEN_PATH, or the pod's service account.",
    )
    champion: Literal["manual", "push"] = Field(
        "manual",
        description="Who makes a version the champion: 'manual': `graft registry promote`; "
        "'push': every push. A pushed version is the challenger in any case.",
    )
    model_name: str | None = Field(
        None, description="Registered name; by default the config's name."
    )

    @field_validator("destination")
    @classmethod
    def _a_place(cls, destination: str | None) -> str | None:
        if "://" not in (destination or ""):
            return destination
        bucket, _, folder = (destination or "").removeprefix("gs://").strip("/").partition("/")
        if not (destination or "").startswith("gs://") or not bucket or not folder:
            raise ValueError(
                f"{destination} is neither a folder nor gs://BUCKET/PATH; mount any other bucket "
                "or share, and give the path where it is mounted"
            )
        return destination

    @model_validator(mode="after")
    def _no_secrets(self) -> "Push":
        # Not a check of the field: its message would show the value, and so the password.
        if holds_secret(self.registry_uri or ""):
            raise ValueError(
                "registry_uri: holds a user or a password, which would stand in every report and "
                "log; remove it, and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD "
                "(or MLFLOW_TRACKING_TOKEN) in the environment; for a database keep it where its "
                "driver looks, such as ~/.pgpass; for Kubeflow name the token's file in "
                "registry_token_path"
            )
        return self

    @model_validator(mode="after")
    def _a_server_for_kubeflow(self) -> "Push":
        if self.registry == "kubeflow" and not re.match("https?://.", self.registry_uri or ""):
            raise ValueError(
                "registry_uri: kubeflow needs the address of a Kubeflow Model Registry, such as "
                "http://model-registry-service.kubeflow.svc.cluster.local:8080"
            )
        if self.registry == "mlflow" and self.registry_token_path:
            raise ValueError(
                "registry_token_path: is for kubeflow; MLflow takes its token from "
                "MLFLOW_TRACKING_TOKEN in the environment"
            )
        return self


class Card(Section):
    """What the model card of a registered version says beyond what the run knows by itself."""

    description: str = Field("", description="What the model is for, and for whom.")
    limits: str = Field("", description="Where it should not be used, and what it gets wrong.")
    data_licence: str = Field("", description="Licence or terms of the images.")
    module_licence: str = Field("", description="Licence of the backbone's weights.")
