import pytest

from components.evaluator.checks import Check, Comparison, Found, figures
from components.evaluator.decision import Decision, decide
from components.evaluator.slice_checks import split_key


def compared(ours, theirs, images=450, new_classes=(), chance=None, metric="accuracy"):
    differences = {metric: chance} if chance else {}
    return Comparison({metric: ours}, {metric: theirs}, images, new_classes, (), differences)


def found(accuracy, comparison=None, interval=None, images=450):
    ranges = {"accuracy": interval} if interval else {}
    return Found({"accuracy": accuracy}, ranges, comparison, images)


AT_LEAST = {"accuracy": {"at_least": 0.96, "no_worse_than_blessed_by": None}}
NO_WORSE = {"accuracy": {"at_least": None, "no_worse_than_blessed_by": 0.005}}


@pytest.mark.parametrize(
    ("thresholds", "given", "state", "reason"),
    [
        (AT_LEAST, found(0.978), "passed", "accuracy 0.978 is at least 0.960"),
        (
            AT_LEAST,
            found(0.978, interval=(0.9622, 0.9911)),
            "passed",
            "accuracy 0.978 [0.962, 0.991] is at least 0.960",
        ),
        (AT_LEAST, found(0.96), "passed", "accuracy 0.960 is at least 0.960"),
        (AT_LEAST, found(432 / 450), "passed", "accuracy 0.960 is at least 0.960"),
        (AT_LEAST, found(0.938), "failed", "accuracy 0.938 is below 0.960"),
        (AT_LEAST, found(0.9598), "failed", "accuracy 0.9598 is below 0.9600"),
        (AT_LEAST, found(None), "failed", "accuracy says nothing of these images: not judged"),
        (
            NO_WORSE,
            found(0.971, compared(0.971, 0.978)),
            "failed",
            "accuracy 0.971 is 0.007 below the blessed model's 0.978; at most 0.005 is allowed",
        ),
        (
            NO_WORSE,
            found(0.971, compared(0.971, 0.978, chance=(-0.0123, -0.0021))),
            "failed",
            "accuracy 0.971 is 0.007 [0.002, 0.012] below the blessed model's 0.978; "
            "at most 0.005 is allowed",
        ),
        (
            NO_WORSE,
            found(0.974, compared(0.974, 0.978, chance=(-0.006, -0.002))),
            "passed",
            "accuracy 0.974 is 0.004 [0.002, 0.006] below the blessed model's 0.978; "
            "at most 0.005 is allowed",
        ),
        (
            NO_WORSE,
            found(0.95, compared(0.95, 0.978, chance=(-0.06, 0.004))),
            "tie",
            "accuracy 0.950 and the blessed model's 0.978 are a tie: "
            "the difference may be chance [-0.060, 0.004]",
        ),
        (
            NO_WORSE,
            found(0.973, compared(0.973, 0.978)),  # 0.978 - 0.973 > 0.005 in floating point
            "passed",
            "accuracy 0.973 is 0.005 below the blessed model's 0.978; at most 0.005 is allowed",
        ),
        (
            NO_WORSE,
            found(0.978, compared(0.978, 0.978, chance=(0.0, 0.0))),
            "tie",
            "accuracy 0.978 and the blessed model's 0.978 are a tie",
        ),
        (
            NO_WORSE,
            found(0.99, compared(0.99, 0.978, chance=(0.004, 0.02))),
            "passed",
            "accuracy 0.990 is 0.012 [0.004, 0.020] above the blessed model's 0.978",
        ),
        (
            NO_WORSE,
            found(0.5),
            "passed",
            "accuracy has nothing to be compared with: there is no blessed model yet",
        ),
        (
            NO_WORSE,
            found(0.5, compared(0.5, 0.9, images=0, new_classes=("a", "b"))),
            "passed",
            "accuracy has nothing to be compared with: "
            "the blessed model knows none of these classes",
        ),
    ],
)
def test_each_threshold_gives_a_verdict_and_a_sentence(thresholds, given, state, reason):
    decision = decide(thresholds, given)
    assert decision.blessed is (state != "failed")
    assert decision.checks == [Check(state, reason)]


def test_of_a_loss_less_is_better():
    thresholds = {"log_loss": {"at_most": 0.5, "no_worse_than_blessed_by": 0.1}}

    def decided(ours, theirs, chance):
        comparison = compared(ours, theirs, chance=chance, metric="log_loss")
        return decide(thresholds, Found({"log_loss": ours}, comparison=comparison)).reasons

    assert decided(0.6, 0.3, (0.2, 0.4)) == [
        "log_loss 0.600 is above 0.500",
        "log_loss 0.600 is 0.300 [0.200, 0.400] above the blessed model's 0.300; "
        "at most 0.100 is allowed",
    ]
    assert decided(0.2, 0.3, (-0.15, -0.05)) == [
        "log_loss 0.200 is at most 0.500",
        "log_loss 0.200 is 0.100 [0.050, 0.150] below the blessed model's 0.300",
    ]
    assert decided(0.25, 0.3, (-0.15, 0.05))[0].endswith("may be chance [-0.150, 0.050]")


@pytest.mark.parametrize(
    "chance, blessed", [((-0.02, 0.03), False), ((-0.03, -0.01), False), ((0.01, 0.05), True)]
)
def test_a_tie_keeps_the_blessed_model_where_that_is_asked_for(chance, blessed):
    thresholds = {"accuracy": {"no_worse_than_blessed_by": 0.05}}
    given = found(0.9, compared(0.9, 0.9, images=50, chance=chance))
    decision = decide(thresholds, given, on_tie="keep")
    assert decision.blessed is blessed
    kept = "no better than the blessed model in accuracy: evaluate.on_tie keeps it"
    assert (decision.reasons[0] == kept) is not blessed
    assert decide(thresholds, given, on_tie="push").blessed


def test_a_model_that_is_better_in_one_metric_or_knows_more_is_no_tie():
    thresholds = {n: {"no_worse_than_blessed_by": 0.01} for n in ("accuracy", "top_3_accuracy")}
    ours, theirs = {"top_3_accuracy": 1.0}, {"accuracy": 0.8, "top_3_accuracy": 1.0}
    better = Comparison({**ours, "accuracy": 0.95}, theirs, 50)
    assert decide(thresholds, Found({}, comparison=better), on_tie="keep").blessed
    knows_more = Comparison({**ours, "accuracy": 0.8}, theirs, 50, ("plum",))
    assert decide(thresholds, Found({}, comparison=knows_more), on_tie="keep").blessed


def test_one_unmet_threshold_refuses_and_all_are_told():
    thresholds = {
        "accuracy": {"at_least": 0.9, "no_worse_than_blessed_by": 0.01},
        "balanced_accuracy": {"at_least": 0.9},
    }
    both = Comparison({"accuracy": 0.95}, {"accuracy": 0.95}, 10)
    given = Found({"accuracy": 0.95, "balanced_accuracy": 0.8}, comparison=both)
    decision = decide(thresholds, given)
    assert not decision.blessed
    assert [(check.state, check.sentence) for check in decision.checks] == [
        ("failed", "balanced_accuracy 0.800 is below 0.900"),
        ("tie", "accuracy 0.950 and the blessed model's 0.950 are a tie"),
        ("passed", "accuracy 0.950 is at least 0.900"),
    ]


def test_the_comparison_uses_its_own_images_and_the_absolute_threshold_all():
    thresholds = {"accuracy": {"at_least": 0.9, "no_worse_than_blessed_by": 0.0}}
    decision = decide(thresholds, found(0.95, compared(0.8, 0.8, 40, ("plum",))))
    assert decision.blessed
    assert decision.reasons[-1] == (
        "the blessed model does not know plum: compared on the other 40 test images"
    )


RECALL = {"label": {"accuracy": {"at_least": 0.8}}}


def of_labels(**accuracies):
    return {"label": {name: found(*said) for name, said in accuracies.items()}}


def test_a_slice_that_fails_refuses_the_model_and_is_named():
    slices = of_labels(ant=(0.95,), bee=(0.7,), cat=(0.9,), dog=(1.0,))
    decision = decide(AT_LEAST, found(0.97), RECALL, slices)
    assert not decision.blessed
    assert decision.reasons == [
        "label bee: accuracy 0.700 is below 0.800",
        "accuracy 0.970 is at least 0.960",
        "label: 3 values alike, the worst label cat: accuracy 0.900 is at least 0.800",
    ]


def test_a_slice_is_compared_with_the_blessed_model_on_its_own_images():
    thresholds = {"site=south": {"accuracy": {"no_worse_than_blessed_by": 0.02}}}
    worse = found(0.8, compared(0.8, 0.9, images=100, chance=(-0.15, -0.05)), images=100)
    decision = decide(AT_LEAST, found(0.97), thresholds, {"site": {"south": worse}})
    assert not decision.blessed
    assert decision.reasons[0] == (
        "site south: accuracy 0.800 is 0.100 [0.050, 0.150] below the blessed model's 0.900; "
        "at most 0.020 is allowed"
    )


def test_a_slice_with_too_few_images_is_not_judged_and_that_is_said():
    slices = of_labels(ant=(0.0, None, None, 19), bee=(0.9, None, None, 20))
    decision = decide(AT_LEAST, found(0.97), RECALL, slices, fewest=20)
    assert decision.blessed
    assert decision.checks[0] == Check(
        "withheld", "label: too few images to judge, 20 are needed: ant (19)"
    )
    nowhere = {"site=moon": {"accuracy": {"at_least": 0.5}}}
    assert decide(AT_LEAST, found(0.97), nowhere, {"site": {}}, fewest=20).reasons[0] == (
        "site: too few images to judge, 20 are needed: moon (0)"
    )


def test_a_slice_is_meant_by_the_longest_name_that_fits():
    assert split_key("camera", {"camera"}) == ("camera", None)
    assert split_key("camera=a=b", {"camera"}) == ("camera", "a=b")
    assert split_key("a=b", {"a=b"}) == ("a=b", None)
    assert split_key("a=b=c", {"a", "a=b"}) == ("a=b", "c")
    assert split_key("camera=", {"camera"}) == ("camera", "")
    assert split_key("nothing=c", {"camera"}) == ("nothing", "c")


def test_images_without_a_value_are_a_part_of_their_own():
    slices = {"site": {"": found(0.5), "north": found(1.0)}}
    decision = decide(AT_LEAST, found(0.97), {"site=": {"accuracy": {"at_least": 0.8}}}, slices)
    assert decision.reasons[0] == "site (none): accuracy 0.500 is below 0.800"
    assert len(decision.checks) == 2


def test_a_gate_of_which_nothing_can_be_judged_does_not_stand_open():
    nowhere = {"site=moon": {"accuracy": {"at_least": 0.5}}}
    decision = decide({}, found(0.97), nowhere, {"site": {"north": found(1.0)}})
    assert not decision.blessed
    assert decision.reasons[0] == "none of what evaluate asks could be judged"


def test_a_comparison_on_few_images_is_a_tie_and_of_a_slice_withheld():
    few = Comparison({"accuracy": 0.0}, {"accuracy": 1.0}, 3, enough=False)
    said = "accuracy 0.000 and the blessed model's 1.000: 3 images are too few to compare by"
    whole = decide(NO_WORSE, found(0.0, few))
    assert whole.blessed and whole.checks == [Check("tie", said)]
    assert not decide(NO_WORSE, found(0.0, few), on_tie="keep").blessed
    part = decide(AT_LEAST, found(0.97), {"site": NO_WORSE}, {"site": {"moon": found(0.0, few)}})
    assert part.checks[0] == Check("withheld", f"site moon: {said}")


def test_a_model_that_lost_a_class_passes_only_where_that_is_allowed():
    lost = Comparison({"accuracy": 0.98}, {"accuracy": 0.9}, 100, lost_classes=("plum",))
    decision = decide(NO_WORSE, found(0.98, lost))
    assert not decision.blessed
    assert decision.reasons[0] == (
        "it no longer knows plum, which the blessed model does; "
        "set evaluate.may_lose_classes: true if that is meant"
    )
    assert decide(NO_WORSE, found(0.98, lost), may_lose_classes=True).blessed


def test_the_worst_of_a_slice_is_the_one_that_fell_most():
    thresholds = {"label": {"accuracy": {"no_worse_than_blessed_by": 0.2}}}
    slices = {
        "label": {
            "ant": found(0.9, compared(0.9, 0.99, chance=(-0.15, -0.05))),
            "bee": found(0.7, compared(0.7, 0.72, chance=(-0.04, -0.01))),
        }
    }
    reason = decide(AT_LEAST, found(0.97), thresholds, slices).reasons[-1]
    assert reason.startswith("label: 2 values alike, the worst label ant: accuracy 0.900 is 0.090")


def test_further_checks_can_refuse_a_blessed_model():
    decision = decide(AT_LEAST, found(0.97)).joined([Check("failed", "blur ruins it")])
    assert not decision.blessed
    assert decision.reasons == ["blur ruins it", "accuracy 0.970 is at least 0.960"]
    assert decision.to_json()["checks"][0] == {"state": "failed", "sentence": "blur ruins it"}
    assert Decision(True, []).joined([Check("tie", "so so")]).blessed


@pytest.mark.parametrize("thresholds", [{}, {"accuracy": {"at_least": None}}])
def test_without_a_threshold_nothing_is_blessed(thresholds):
    decision = decide(thresholds, found(1.0))
    assert not decision.blessed
    assert "no threshold is set" in decision.reasons[0]


def test_figures_keep_unlike_values_apart():
    assert figures([0.9598, 0.96]) == ["0.9598", "0.9600"]
    assert figures([0.96, 0.96]) == ["0.960", "0.960"]
    assert figures([0.1234567, 0.1234568]) == ["0.123457", "0.123457"]
