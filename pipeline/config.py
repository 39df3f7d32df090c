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


class Backbone(Section):
    """The TensorFlow Hub module."""

    handle: str = Field(
        "./modules/efficientnet_lite0",
        description="A folder, or a handle that tensorflow_hub resolves; TF1 Hub format or TF2 "
        "SavedModel.",
    )
    batch_norm: Literal["train", "inference"] | None = Field(
        None,
        description="Batch-norm mode while the backbone trains; by default 'train'. A frozen "
        "backbone always runs in inference mode.",
    )
    batch_norm_momentum: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        None,
        description="Decay of the moving averages, where the module lets it be set; else its own.",
    )


class AuxiliaryHead(Section):
    """A second classifier on an inner output, in training only (slim, inception_v3)."""

    endpoint: str = Field(description="A 4-D endpoint of the module, such as InceptionV3/Mixed_6e.")
    weight: Annotated[float, Field(ge=0.0, le=10.0)] = Field(
        0.4, description="Weight of its loss beside the main one; slim's value."
    )


class Model(Section):
    """The network: backbone, head, auxiliary head."""

    backbone: Backbone = Field(Backbone(), description="The Hub module.")
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.2,
        description="Share of features dropped before the head in training; slim's keep_prob 0.8.",
    )
    l2: Annotated[float, Field(ge=0.0)] = Field(
        4e-5, description="L2 weight of the head; slim's inception weight_decay."
    )
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0,
        description="Share of the label's weight spread over all classes; slim's ImageNet recipe "
        "uses 0.1.",
    )
    head: str = Field(
        "components.trainer.heads.Head",
        description="Import path of the head: (features, classes, seed) -> tf.Module, called with "
        "feature vectors [N, features], gives logits [N, classes].",
    )
    loss: str = Field(
        "components.trainer.losses.cross_entropy",
        description="Import path of the loss: (targets [N, classes], logits [N, classes]) -> [N].",
    )
    auxiliary_head: AuxiliaryHead | None = Field(None, description="None, or where it sits.")


class Phase(Section):
    """A stretch of training with one set of trainable variables."""

    train: str | tuple[str, ...] = Field(
        description="What is trained: 'head'; 'all', head and backbone; or the head and those "
        "variables of the backbone whose names match one of a list of patterns, such as "
        "['*/block_1[0-5]/*'] (`graft module show` lists names).",
    )
    epochs: int = Field(ge=1, description="Passes over the train split, at most.")
    learning_rate: float = Field(gt=0.0, le=10.0, description="Peak rate.")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="What the rate does after the warm-up: falls to zero, or stays."
    )
    warm_up: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.1, description="Share of the phase's steps in which the rate climbs to its peak."
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        "adam", description="Adam, AdamW, or SGD with Nesterov momentum 0.9."
    )
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.01,
        description="AdamW's decay of kernels a step, times the rate (Loshchilov and Hutter 2019); "
        "the other optimizers know none.",
    )
    first_layer_rate: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        1.0,
        description="Share of the rate that the backbone's first layer gets; it rises "
        "geometrically to all of it at the last layer (Howard and Ruder 2018).",
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Epochs without a lower eval loss after which the phase ends early; the "
        "weights of its best epoch are kept. None: every epoch is trained, the last one kept.",
    )

    @field_validator("train")
    @classmethod
    def _known_part(cls, train: Any) -> Any:
        if isinstance(train, str) and train not in ("head", "all"):
            raise ValueError(f"there is no {train!r}; give head, all, or a list of patterns")
        if not train:
            raise ValueError("a list of patterns needs one at least; for none give head")
        return train


class Train(Section):
    """How the network learns."""

    batch_size: int = Field(32, ge=1, le=65536, description="Pictures a step.")
    phases: tuple[Phase, ...] = Field(
        (
            Phase(train="head", epochs=3, learning_rate=1e-3),
            Phase(train="all", epochs=5, learning_rate=1e-4),
        ),
        min_length=1,
        description="One after the other.",
    )
    max_epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Caps the epochs of every phase, for a quick try."
    )
    warm_start: bool = Field(
        False,
        description="Whether a training on new examples begins from the weights of the latest "
        "blessed model on the same module, and leaves out the head-only phases in front; else from "
        "the module.",
    )
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0.0)]] = Field(
        "none",
        description="What a picture's loss counts by its label: all the same; 'balanced', in "
        "inverse proportion to the label's share of the train split; or weights by label, 1 for "
        "those not named.",
    )
    calibrate: bool = Field(
        True,
        description="Whether a temperature, fitted on the eval split, makes the served scores "
        "honest (Guo et al. 2017). It changes no decision.",
    )
    run_fn: str = Field(
        "components.trainer.run_fn.run_fn", description="Import path of the training function."
    )


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
