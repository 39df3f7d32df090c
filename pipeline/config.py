"""The configuration: what a user may say, with bounds, units and defaults."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from components.errors import ConfigError
from components.image_example_gen.near_copies import DIFFERENCE
from components.image_example_gen.pictures import MAX_PIXELS
from components.image_transform.policies import POLICIES, check_policy, split_policy
from pipeline.config_gate import Evaluate, Serving
from pipeline.config_push import Card, Push
from pipeline.config_training import Model, Train
from pipeline.kubeflow.settings import Kubeflow
from pipeline.section import Fraction, Section


class Split(Section):
    """How large a share of the groups goes into each split. The three add up to 1."""

    train: Fraction = Field(0.8, description="Share of groups that the model learns from.")
    eval: Fraction = Field(
        0.1, description="Share that watches the training (early stopping, calibration)."
    )
    test: Fraction = Field(
        0.1, description="Share that decides the blessing; never seen in training."
    )

    @model_validator(mode="after")
    def _adds_up(self) -> "Split":
        total = self.train + self.eval + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, eval and test add up to {total:g}; make them add up to 1")
        if not self.train or not self.test:
            raise ValueError("train and test both need a share above 0")
        return self


class Data(Section):
    """Which images, with which labels, in which splits."""

    source: str = Field(
        description="A folder of class folders, a .csv or .jsonl manifest, a folder of TFRecords, "
        "builtin://digits or builtin://solar_cells. {SPAN} and {VERSION} in it stand for "
        "numbers; the newest is taken."
    )
    spans: int = Field(
        1, ge=1, le=1000, description="How many of the newest spans are read together."
    )
    split: Split = Field(
        Split(), description="Shares of the splits; a manifest's own split column wins."
    )
    group_by: str = Field(
        "auto",
        description="What must share a split: 'content' (identical pictures), the name of a "
        "manifest column such as a patient or a site, or 'auto': the column 'group' where the "
        "manifest has one, else content.",
    )
    near_copies: Annotated[float, Field(gt=0.0, le=0.5)] | None = Field(
        DIFFERENCE,
        description="How far near-copies of a picture (saved again, smaller, lighter) may differ, "
        "in units of its own contrast; they share a split. None: only identical pictures do.",
    )
    max_rejected: Fraction = Field(
        0.05, description="Largest share of inputs that may be rejected before the run fails."
    )
    max_pixels: int = Field(
        MAX_PIXELS,
        gt=0,
        description="Width times height above which a picture is rejected before it is decoded; "
        "the default is Pillow's own bound.",
    )
    min_per_class: int = Field(10, ge=2, description="Fewest pictures that a class may have.")
    schema_path: str | None = Field(
        None,
        description="A reviewed TFDV schema (schema.pbtxt) of the facts; without one it is "
        "inferred from the data.",
    )
    on_anomaly: Literal["fail", "warn"] = Field(
        "warn", description="Whether an anomaly in the facts fails the run or is only reported."
    )


class Transform(Section):
    """What happens to a picture before the backbone sees it."""

    image_size: tuple[
        Annotated[int, Field(ge=32, le=2048)], Annotated[int, Field(ge=32, le=2048)]
    ] = Field((224, 224), description="Height and width in pixels that the backbone is given.")
    crop_fraction: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.875,
        description="Share of the shorter side that evaluation and serving keep, from the centre; "
        "0.875 is slim's. 1 keeps the largest centred box. Padding keeps all.",
    )
    resize: Literal["crop", "stretch", "pad"] = Field(
        "crop",
        description="How evaluation, serving and policies without a random crop reach the image "
        "size: 'crop' fills it with the picture's centre, 'stretch' with all of it, 'pad' leaves "
        "black at two sides.",
    )
    augment: str | list[dict[str, Any]] = Field(
        "none",
        description="A named policy (" + ", ".join(POLICIES) + ") or a list of ops, each "
        "{op: name, argument: value}; an op of one's own by import path. Training only.",
    )
    stored_side: Annotated[int, Field(ge=32)] | None = Field(
        None,
        description="Shorter side in pixels to which training pictures are bounded on disk; by "
        "default 8/7 of the image size, more where the policy crops hard.",
    )
    views: int = Field(
        4,
        ge=1,
        le=64,
        description="Augmented views of each training picture whose features are computed while "
        "the backbone is frozen; epoch e of a head-only phase learns from view e mod views.",
    )

    @model_validator(mode="after")
    def _sound_policy(self) -> "Transform":
        try:
            check_policy(self.augment)
        except ConfigError as e:
            raise ValueError(str(e).removeprefix("transform.")) from None
        return self

    @model_validator(mode="after")
    def _stored_large_enough(self) -> "Transform":
        if self.stored_side is not None and self.stored_side < max(self.image_size):
            raise ValueError(
                f"stored_side: {self.stored_side} pixels would have to be enlarged to the image "
                f"size; give at least {max(self.image_size)}, or remove the key"
            )
        return self


Option = bool | int | float | str


class Beam(Section):
    """Who does the work on many pictures inside a node: Beam, here or on a cluster."""

    runner: str = Field(
        "FnApiRunner",
        pattern=r"^[A-Za-z][\w.]*$",
        # Never Beam's own default, which tries a runner that it downloads.
        description="Beam's runner. FnApiRunner works in the node's own process; others are "
        "PortableRunner, FlinkRunner, SparkRunner, DataflowRunner.",
    )
    options: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Option | list[Option]] = (
        Field(
            {},
            description="Beam's pipeline options by name, such as direct_running_mode: "
            "multi_processing. true sets a flag; a list gives an option several times.",
        )
    )

    @field_validator("options")
    @classmethod
    def _runner_stands_beside(cls, options: dict[str, Any]) -> dict[str, Any]:
        if "runner" in options:
            raise ValueError("name the runner in beam.runner")
        return options

    def arguments(self) -> list[str]:
        """As Beam's command line has it."""
        found = [f"--runner={self.runner}"]
        for name, value in self.options.items():
            for one in value if isinstance(value, list) else [value]:
                if one is True:
                    found.append(f"--{name}")
                elif one is not False:
                    found.append(f"--{name}={one}")
        return found


class Config(Section):
    """One task: its images, its network, its gate."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] = Field(
        description="Lower-case letters, digits, - and _: names the folder under RUNS and the "
        "registered model."
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="Seed of weights, order, views and dropout; the split goes by content alone.",
    )
    data: Data = Field(description=Data.__doc__)
    transform: Transform = Field(Transform(), description=Transform.__doc__)
    model: Model = Field(Model(), description=Model.__doc__)
    train: Train = Field(Train(), description=Train.__doc__)
    evaluate: Evaluate = Field(Evaluate(), description=Evaluate.__doc__)
    serving: Serving = Field(Serving(), description=Serving.__doc__)
    push: Push = Field(Push(), description=Push.__doc__)
    card: Card = Field(Card(), description=Card.__doc__)
    beam: Beam = Field(Beam(), description=Beam.__doc__)
    kubeflow: Kubeflow = Field(Kubeflow(), description=Kubeflow.__doc__)

    @property
    def frozen(self) -> bool:
        """Whether no phase trains the backbone."""
        return all(phase.train == "head" for phase in self.train.phases)

    @property
    def trains_batch_norm(self) -> bool:
        """Whether some phase runs the backbone's batch norm in training mode."""
        return not self.frozen and self.model.backbone.batch_norm != "inference"

    @property
    def uses_features(self) -> bool:
        """Whether training begins on features that FeatureExtractor computes once."""
        prepares = self.train.warm_start and not self.frozen  # in the first run alone
        return self.train.phases[0].train == "head" and not prepares

    @model_validator(mode="after")
    def _can_stop_early(self) -> "Config":
        if not self.data.split.eval and any(phase.patience for phase in self.train.phases):
            raise ValueError(
                "train.phases: patience watches the eval split; give data.split.eval a share"
            )
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> "Config":
        if self.frozen and self.model.auxiliary_head:
            raise ValueError(
                "model.auxiliary_head: on a frozen backbone its loss trains nothing but the head "
                "itself; remove it, or add a phase with train: all"
            )
        mixing = split_policy(check_policy(self.transform.augment))[1]
        if self.frozen and mixing:
            raise ValueError(
                f"transform.augment: {mixing[0]['op']} mixes pictures in every step, and of a "
                "frozen backbone the features are computed once; remove it, or add a phase with "
                "train: all"
            )
        if self.frozen and self.model.backbone.batch_norm == "train":
            raise ValueError(
                "model.backbone.batch_norm: a frozen backbone runs in inference mode; remove "
                "'train', or add a phase with train: all"
            )
        return self


def config_hash(config: Config) -> str:
    """Returns 12 hexadecimal characters that change with any value of the configuration."""
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
