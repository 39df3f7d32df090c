import pytest

from components.evaluator.decision import Comparison, decide, figures


def compared(ours, theirs, images=450, new_classes=()):
    return Comparison({"accuracy": ours}, {"accuracy": theirs}, images, new_classes)


AT_LEAST = {"accuracy": {"at_least": 0.96, "no_worse_than_blessed_by": None}}
NO_WORSE = {"accuracy": {"at_least": None, "no_worse_than_blessed_by": 0.005}}


@pytest.mark.parametrize(
    ("thresholds", "accuracy", "comparison", "blessed", "reason"),
    [
        (AT_LEAST, 0.978, None, True, "accuracy 0.978 is at least 0.960"),
        (AT_LEAST, 0.96, None, True, "accuracy 0.960 is at least 0.960"),
        (AT_LEAST, 432 / 450, None, True, "accuracy 0.960 is at least 0.960"),
        (AT_LEAST, 0.938, None, False, "accuracy 0.938 is below 0.960"),
        (AT_LEAST, 0.9598, None, False, "accuracy 0.9598 is below 0.9600"),
        (
            NO_WORSE,
            0.971,
            compared(0.971, 0.978),
            False,
            "accuracy 0.971 is 0.007 below the blessed model's 0.978; at most 0.005 is allowed",
        ),
        (
            NO_WORSE,
            0.973,
            compared(0.973, 0.978),  # 0.978 - 0.973 > 0.005 in floating point
            True,
            "accuracy 0.973 is 0.005 below the blessed model's 0.978; at most 0.005 is allowed",
        ),
        (
            NO_WORSE,
            0.978,
            compared(0.978, 0.978),
            True,
            "accuracy 0.978 is no worse than the blessed model's 0.978",
        ),
        (
            NO_WORSE,
            0.99,
            compared(0.99, 0.978),
            True,
            "accuracy 0.990 is no worse than the blessed model's 0.978",
        ),
        (
            NO_WORSE,
            0.5,
            None,
            True,
            "accuracy has nothing to be compared with: there is no blessed model yet",
        ),
        (
            NO_WORSE,
            0.5,
            compared(0.5, 0.9, images=0, new_classes=("a", "b")),
            True,
            "accuracy has nothing to be compared with: "
            "the blessed model knows none of these classes",
        ),
    ],
)
def test_each_threshold_gives_a_verdict_and_a_sentence(
    thresholds, accuracy, comparison, blessed, reason
):
    decision = decide(thresholds, {"accuracy": accuracy}, comparison)
    assert decision.blessed is blessed
    assert decision.reasons == [reason]


@pytest.mark.parametrize(
    "ours, blessed", [(0.9, False), (0.91, False), (0.89, False), (0.93, True)]
)
def test_a_tie_keeps_the_blessed_model_where_that_is_asked_for(ours, blessed):
    thresholds = {"accuracy": {"no_worse_than_blessed_by": 0.02}}
    decision = decide(thresholds, {"accuracy": ours}, compared(ours, 0.9, images=50), on_tie="keep")
    assert decision.blessed is blessed
    assert decision.reasons[0].startswith("a tie: ") is not blessed


def test_a_model_that_is_better_in_one_metric_or_knows_more_is_no_tie():
    thresholds = {n: {"no_worse_than_blessed_by": 0.01} for n in ("accuracy", "top_3_accuracy")}
    ours, theirs = {"top_3_accuracy": 1.0}, {"accuracy": 0.8, "top_3_accuracy": 1.0}
    better = Comparison({**ours, "accuracy": 0.95}, theirs, 50)
    assert decide(thresholds, {**ours, "accuracy": 0.95}, better, on_tie="keep").blessed
    knows_more = Comparison({**ours, "accuracy": 0.8}, theirs, 50, ("plum",))
    assert decide(thresholds, {**ours, "accuracy": 0.8}, knows_more, on_tie="keep").blessed


def test_one_unmet_threshold_refuses_and_all_are_told():
    thresholds = {
        "accuracy": {"at_least": 0.9, "no_worse_than_blessed_by": 0.01},
        "balanced_accuracy": {"at_least": 0.9},
    }
    both = Comparison({"accuracy": 0.95}, {"accuracy": 0.94}, 10)
    decision = decide(thresholds, {"accuracy": 0.95, "balanced_accuracy": 0.8}, both)
    assert not decision.blessed
    assert decision.reasons == [
        "balanced_accuracy 0.800 is below 0.900",
        "accuracy 0.950 is at least 0.900",
        "accuracy 0.950 is no worse than the blessed model's 0.940",
    ]


def test_the_comparison_uses_its_own_images_and_the_absolute_threshold_all():
    thresholds = {"accuracy": {"at_least": 0.9, "no_worse_than_blessed_by": 0.0}}
    decision = decide(thresholds, {"accuracy": 0.95}, compared(0.8, 0.8, 40, ("plum",)))
    assert decision.blessed
    assert decision.reasons[-1] == (
        "the blessed model does not know plum: compared on the other 40 test images"
    )


@pytest.mark.parametrize("thresholds", [{}, {"accuracy": {"at_least": None}}])
def test_without_a_threshold_nothing_is_blessed(thresholds):
    decision = decide(thresholds, {"accuracy": 1.0}, None)
    assert not decision.blessed
    assert "no threshold is set" in decision.reasons[0]


def test_figures_keep_unlike_values_apart():
    assert figures([0.9598, 0.96]) == ["0.9598", "0.9600"]
    assert figures([0.96, 0.96]) == ["0.960", "0.960"]
    assert figures([0.1234567, 0.1234568]) == ["0.123457", "0.123457"]
