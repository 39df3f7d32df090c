"""The part of the configuration that says which network is trained, and how."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from pipeline.section import Section


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
