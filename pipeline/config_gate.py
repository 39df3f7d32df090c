"""The part of the configuration that decides whether a model is pushed."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from pipeline.section import Fraction, Section

Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "top_3_accuracy",
    "top_5_accuracy",
    "macro_f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "expected_calibration_error",
]
"""As `components.evaluator.metrics.METRICS`, whose docstrings say what each one is."""


class Bound(Section):
    """What one metric must reach; metrics of which less is better have `at_most`, the others
    `at_least`."""

    at_least: Fraction | None = Field(None, description="Lowest value that is blessed.")
    at_most: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Highest value that is blessed, of log_loss or expected_calibration_error.",
    )


class Threshold(Bound):
    """What one metric must reach, by itself and beside the latest blessed model's."""

    no_worse_than_blessed_by: Fraction | None = Field(
        None,
        description="How much worse the value may be than the latest blessed model's on the same "
        "images. A difference whose 95 % interval holds 0 is a tie and not held against the model.",
    )


class DamagedThreshold(Bound):
    """What one metric must reach on damaged pictures."""

    no_worse_than_clean_by: Fraction | None = Field(
        None, description="How much worse it may be than on the same pictures undamaged."
    )


def _fit(thresholds: Mapping[Any, Bound], where: str) -> None:
    """Raises ValueError where a bound is on the wrong side of its metric."""
    for name, bound in thresholds.items():
        less = name in ("log_loss", "expected_calibration_error")
        wrong, right = ("at_least", "at_most") if less else ("at_most", "at_least")
        if getattr(bound, wrong) is not None:
            better = "less" if less else "more"
            raise ValueError(f"{where}.{name}: {better} of it is better; write {right}")


class Robustness(Section):
    """A gate on test pictures that are damaged a little: what a served model meets on a bad day."""

    corruptions: Annotated[
        tuple[Literal["jpeg", "blur", "brightness", "noise"], ...], Field(min_length=1)
    ] = Field(
        ("jpeg", "blur", "brightness", "noise"),
        description="What is done to the pictures, each in five severities.",
    )
    severity: int = Field(
        3, ge=1, le=5, description="Up to which severity the thresholds hold; all are measured."
    )
    max_images: int = Field(
        200,
        ge=1,
        le=2000,  # all are kept in memory, some 2 MB each
        description="Test pictures taken; each is asked about 20 times and once clean.",
    )
    thresholds: dict[Metric, DamagedThreshold] = Field(
        {"accuracy": DamagedThreshold(no_worse_than_clean_by=0.2)},
        description="Thresholds by metric, for each corruption.",
    )

    @model_validator(mode="after")
    def _bounds_fit(self) -> "Robustness":
        _fit(self.thresholds, "thresholds")
        return self


class Evaluate(Section):
    """What decides the blessing."""

    thresholds: dict[Metric, Threshold] = Field(
        {"accuracy": Threshold(at_least=0.5, no_worse_than_blessed_by=0.005)},
        description="Thresholds by metric, on the whole test split.",
    )
    slices: tuple[str, ...] = Field(
        ("label",),
        description="Metrics apart for each value of: label, picture_size (the shorter side), or "
        "a manifest column.",
    )
    slice_thresholds: dict[str, dict[Metric, Threshold]] = Field(
        {},
        description="Thresholds for parts of the test split: for each value of a slice, as in "
        "{label: {accuracy: {at_least: 0.5}}}, or for one, as in {camera=phone: …}. Of one label, "
        "the accuracy is its recall.",
    )
    min_images: int = Field(
        20,
        ge=1,
        description="Test images that a slice's value needs to be judged, those of one group "
        "counted once; with fewer, judgement is withheld, which the reasons say.",
    )
    on_tie: Literal["push", "keep"] = Field(
        "push",
        description="What follows where candidate and latest blessed model know the same classes "
        "and no metric with no_worse_than_blessed_by is better by more than chance: 'push' takes "
        "the newer one, 'keep' the blessed.",
    )
    may_lose_classes: bool = Field(
        False,
        description="Whether a model that lacks a class of the blessed model's can be blessed.",
    )
    robustness: Robustness | None = Field(None, description=Robustness.__doc__)

    @model_validator(mode="after")
    def _bounds_fit(self) -> "Evaluate":
        _fit(self.thresholds, "thresholds")
        for key, thresholds in self.slice_thresholds.items():
            _fit(thresholds, f"slice_thresholds.{key}")
            areas = {"roc_auc", "pr_auc"} & {*thresholds}
            if areas and key.partition("=")[0] == "label":
                raise ValueError(
                    f"slice_thresholds.{key}: {', '.join(sorted(areas))} says nothing of one "
                    "label; ask for accuracy there, which is its recall"
                )
        return self

    @model_validator(mode="after")
    def _a_tie_needs_a_comparison(self) -> "Evaluate":
        compared = (t.no_worse_than_blessed_by is not None for t in self.thresholds.values())
        if self.on_tie == "keep" and not any(compared):
            raise ValueError(
                "on_tie: keep needs a metric to compare by; give one in thresholds its "
                "no_worse_than_blessed_by"
            )
        return self


class Serving(Section):
    """What the exported model may cost, measured in a fresh process on the machine of the run, and
    how exactly it must answer."""

    max_load_seconds: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="Longest time in seconds that loading may take. None: any."
    )
    max_memory_mb: Annotated[float, Field(gt=0.0)] | None = Field(
        None,
        description="Most memory in MB (10**6 bytes) that the process may hold, Python (some 500 "
        "MB) and a batch of 256 pictures included. None: any.",
    )
    max_latency_ms: Annotated[float, Field(gt=0.0)] | None = Field(
        None,
        description="Longest time in milliseconds that one picture may take, the median of many. "
        "None: any.",
    )
    tolerance: float = Field(
        1e-5,
        gt=0.0,
        lt=1.0,
        description="Largest difference of a probability that is allowed between evaluation, "
        "training and serving. In float32 the batch's size alone gives some 1e-6; other hardware "
        "than the evaluation's, or TF32, gives more.",
    )
