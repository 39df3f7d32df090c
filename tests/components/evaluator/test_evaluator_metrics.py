import numpy as np
import pytest
import sklearn.calibration
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import EvaluationError
from components.evaluator.evaluation import PICTURE_SIZE, Rows, Scores, evaluate
from components.evaluator.metrics import (
    CALIBRATION_BINS,
    METRICS,
    Judged,
    classification_metrics,
    confusion_matrix,
    per_class_metrics,
    weighted_areas,
    weighted_metrics,
)


def guesses(seed, images, classes, sharpness=2.0):
    """Labels [N] and probabilities [N, C] of a model that is right now and then."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes))
    logits[np.arange(images), labels] += sharpness
    exp = np.exp(logits)
    return labels, (exp / exp.sum(1, keepdims=True)).astype(np.float32)


def by_scikit_learn(labels, probabilities, weights=None):
    """Every one of METRICS by other hands."""
    classes = np.arange(probabilities.shape[1])
    predicted, sums = probabilities.argmax(1), probabilities.astype(np.float64)
    weighted = {"sample_weight": weights}
    there = [c for c in np.unique(labels) if (labels != c).any()]
    areas = [
        (
            sklearn.metrics.roc_auc_score(labels == c, probabilities[:, c], **weighted),
            sklearn.metrics.average_precision_score(labels == c, probabilities[:, c], **weighted),
        )
        for c in there
    ]
    roc_auc, pr_auc = np.mean(areas, axis=0) if areas else (None, None)
    return {
        "accuracy": sklearn.metrics.accuracy_score(labels, predicted, **weighted),
        "balanced_accuracy": sklearn.metrics.recall_score(
            labels, predicted, average="macro", labels=np.unique(labels), **weighted
        ),
        **{
            f"top_{k}_accuracy": sklearn.metrics.top_k_accuracy_score(
                labels, probabilities, k=k, labels=classes, **weighted
            )
            for k in (3, 5)
        },
        "macro_f1": sklearn.metrics.f1_score(labels, predicted, average="macro", **weighted),
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "log_loss": sklearn.metrics.log_loss(
            labels, sums / sums.sum(1, keepdims=True), labels=classes, **weighted
        ),
    }


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(6, 12), st.floats(0, 6))
def test_metrics_equal_those_of_scikit_learn(seed, images, classes, sharpness):
    labels, probabilities = guesses(seed, images, classes, sharpness)
    predicted, all_classes = probabilities.argmax(1), np.arange(classes)
    judged = Judged.of(labels, probabilities)
    ours = classification_metrics(judged)
    assert list(ours) == list(METRICS)
    expected = by_scikit_learn(labels, probabilities)
    assert {name: ours[name] for name in expected} == pytest.approx(expected, abs=1e-6)

    matrix = confusion_matrix(judged)
    assert (matrix == sklearn.metrics.confusion_matrix(labels, predicted, labels=all_classes)).all()
    table = per_class_metrics(judged, [str(c) for c in all_classes])
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=all_classes, zero_division=np.nan
    )
    for i, row in enumerate(table.values()):
        assert row["support"] == support[i]
        for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert row[name] == pytest.approx(value[i], abs=1e-6) or (
                row[name] is None and np.isnan(value[i])
            )
        if 0 < support[i] < images:
            one = labels == i
            roc_auc = sklearn.metrics.roc_auc_score(one, probabilities[:, i])
            pr_auc = sklearn.metrics.average_precision_score(one, probabilities[:, i])
            assert row["roc_auc"] == pytest.approx(roc_auc, abs=1e-6)
            assert row["pr_auc"] == pytest.approx(pr_auc, abs=1e-6)
        else:
            assert row["roc_auc"] is None and row["pr_auc"] is None


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.integers(10, 100), st.floats(0, 4))
def test_weights_count_images_as_scikit_learn_counts_them(seed, images, sharpness):
    labels, probabilities = guesses(seed, images, 6, sharpness)
    probabilities = np.round(probabilities, 1)  # with many ties
    probabilities[:, 0] += 1 - probabilities.sum(1)
    weights = np.random.default_rng(seed).integers(0, 4, (3, images)).astype(np.float64)
    weights[:, [int((labels == c).argmax()) for c in np.unique(labels)]] += 1
    judged = Judged.of(labels, probabilities)
    ours = {**weighted_metrics(judged, weights), **weighted_areas(judged, weights)}
    for i, row in enumerate(weights):
        counted = row > 0
        expected = by_scikit_learn(labels[counted], probabilities[counted], row[counted])
        # scikit-learn bounds a probability of 0 by the type, and here it has float64.
        del expected["log_loss"]
        # Of equally probable classes scikit-learn takes the last.
        del expected["top_3_accuracy"], expected["top_5_accuracy"]
        assert {k: ours[k][i] for k in expected} == pytest.approx(expected, abs=1e-6)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy():
    labels, probabilities = guesses(3, 500, 5)
    judged = Judged.of(labels, probabilities)
    hits, confidence = probabilities.argmax(1) == labels, probabilities.max(1)
    accuracy, mean = sklearn.calibration.calibration_curve(
        hits, confidence, n_bins=CALIBRATION_BINS, strategy="uniform"
    )
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    counts = np.histogram(confidence, edges)[0]
    expected = np.sum(counts[counts > 0] * np.abs(accuracy - mean)) / len(labels)
    found = classification_metrics(judged)["expected_calibration_error"]
    assert found == pytest.approx(expected, abs=1e-6)


def test_of_one_class_alone_there_is_no_area_under_a_curve():
    said = classification_metrics(Judged.of(np.array([1, 1]), np.full((2, 2), 0.5, np.float32)))
    assert said["roc_auc"] is None and said["pr_auc"] is None
    assert said["accuracy"] == 0.0  # of equally probable classes, the first counts


def test_a_sure_mistake_costs_a_finite_loss():
    judged = Judged.of(np.array([1]), np.array([[1.0, 0.0]], np.float32))
    assert classification_metrics(judged)["log_loss"] == pytest.approx(-np.log(1.1920929e-07))


def rows_of(labels, **columns):
    ids = [str(i) for i in range(len(labels))]
    return Rows(ids, ids, list(labels), ids, {k: list(v) for k, v in columns.items()})


def by_name(seed, names, images=200):
    labels, probabilities = guesses(seed, images, len(names))
    return [names[i] for i in labels], Scores(list(names), probabilities)


def test_the_order_of_a_models_labels_does_not_matter():
    names = ["ant", "bee", "cat", "dog"]
    labels, scores = by_name(1, names)
    order = [2, 0, 3, 1]
    permuted = Scores([names[i] for i in order], scores.probabilities[:, order])
    found = evaluate(rows_of(labels), scores, permuted, ["label"])
    assert found.metrics["baseline"] == found.metrics["overall"]
    assert found.comparison.candidate == found.comparison.blessed
    assert set(found.comparison.differences.values()) == {(0.0, 0.0)}

    assert evaluate(rows_of(labels), permuted, scores, ["label"]).metrics == found.metrics


def test_a_class_that_the_baseline_does_not_know_is_left_out_of_the_comparison():
    names = ["ant", "bee", "cat"]
    labels, scores = by_name(2, names)
    known = np.array([label != "cat" for label in labels])
    baseline = Scores(["bee", "ant"], np.full((len(labels), 2), 0.5, np.float32))
    found = evaluate(rows_of(labels), scores, baseline, ["label"], compared=["label"])
    metrics, comparison = found.metrics, found.comparison
    assert comparison.new_classes == ("cat",)
    assert comparison.images == known.sum()
    right = np.array(scores.predicted)[known] == np.array(labels)[known]
    assert comparison.candidate["accuracy"] == right.mean()
    # The first of two equally probable classes counts, in the order of the shared vocabulary.
    ants = [label == "ant" for label in labels if label != "cat"]
    assert metrics["baseline"]["accuracy"] == np.mean(ants)
    assert metrics["comparison"]["new_classes"] == ["cat"]
    assert found.slices["label"]["cat"].images == 0
    assert found.slices["label"]["ant"].blessed["accuracy"] == 1.0
    assert found.comparison.lost_classes == ()
    assert evaluate(rows_of(labels), baseline, scores, []).comparison.lost_classes == ("cat",)


def test_a_baseline_of_other_classes_cannot_be_compared():
    labels, scores = by_name(3, ["ant", "bee"])
    strange = Scores(["x", "y"], np.full((len(labels), 2), 0.5, np.float32))
    found = evaluate(rows_of(labels), scores, strange, ["label"], compared=["label"])
    assert found.comparison.images == 0
    assert found.metrics["baseline"] is None
    assert found.metrics["confusion"]["labels"] == ["ant", "bee"]


def test_slices_are_the_metrics_of_their_images():
    labels, scores = by_name(4, ["ant", "bee", "cat"])
    sites = ["north" if i % 3 else "south" for i in range(len(labels))]
    metrics = evaluate(rows_of(labels, site=sites), scores, None, ["label", "site"]).metrics
    south = [i for i, site in enumerate(sites) if site == "south"]
    part = evaluate(
        rows_of([labels[i] for i in south]),
        Scores(scores.classes, scores.probabilities[south]),
        None,
        [],
    ).metrics
    counts = {"images": len(south), "groups": len(south)}
    assert metrics["slices"]["site"]["south"] == {**counts, **part["overall"]}
    for name, row in metrics["classes"].items():
        assert metrics["slices"]["label"][name]["accuracy"] == row["recall"]
        assert metrics["slices"]["label"][name]["images"] == row["support"]


def test_a_label_that_the_model_does_not_know_counts_as_wrong():
    labels, scores = by_name(5, ["ant", "bee"], images=20)
    metrics = evaluate(rows_of([*labels[:-1], "wasp"]), scores, None, []).metrics
    wasp = metrics["classes"]["wasp"]
    assert (wasp["precision"], wasp["recall"], wasp["f1"], wasp["support"]) == (None, 0.0, 0.0, 1)
    assert sum(map(sum, metrics["confusion"]["counts"])) == 20


def test_a_misspelt_slice_is_told_with_the_nearest():
    labels, scores = by_name(6, ["ant", "bee"], images=5)
    with pytest.raises(EvaluationError, match="no column 'sites'; did you mean 'site'"):
        evaluate(rows_of(labels, site="aabbb"), scores, None, ["sites"])


def test_no_test_images_is_an_error_that_says_what_to_do():
    with pytest.raises(EvaluationError, match="data.split.test"):
        evaluate(Rows(), Scores([], np.zeros((0, 0))), None, [])


def test_pictures_are_sliced_by_their_shorter_side():
    labels, scores = by_name(7, ["ant", "bee"], images=5)
    rows = rows_of(labels)
    sides = [(40, 63), (64, 900), (1000, 127), (2047, 3000), (9000, 2048)]
    rows.add_picture_sizes(dict(zip(rows.ids, sides, strict=True)))
    metrics = evaluate(rows, scores, None, [PICTURE_SIZE]).metrics
    assert {k: v["images"] for k, v in metrics["slices"][PICTURE_SIZE].items()} == {
        "0000 to 0063": 1,
        "0064 to 0127": 2,
        "1024 to 2047": 1,
        "2048 and up": 1,
    }
    assert list(metrics["slices"][PICTURE_SIZE])[-1] == "2048 and up"


def test_a_column_of_the_manifest_keeps_its_name():
    rows = rows_of(["ant"], picture_size=["small"])
    rows.add_picture_sizes({"0": (5000, 5000)})
    assert rows.slice_values(PICTURE_SIZE) == ["small"]


def test_pictures_of_one_group_say_the_same_thing_once():
    labels, scores = by_name(9, ["ant", "bee"], images=60)
    rows = rows_of(labels, site=["south"] * 30 + ["north"] * 30)
    rows.groups[:30] = ["one patient"] * 30
    found = evaluate(rows, scores, scores, ["site"], compared=["site"], fewest=20)
    assert found.metrics["slices"]["site"]["south"]["groups"] == 1
    assert set(found.metrics["intervals"]["slices"]["site"]) == {"north"}
    assert set(found.slices["site"]) == {"north"}


def test_a_part_of_which_the_baseline_knows_little_is_not_compared_by_that():
    labels = ["ant"] + ["cat"] * 29
    scores = Scores(["ant", "cat"], np.eye(2, dtype=np.float32)[[1] + [1] * 29])
    baseline = Scores(["ant"], np.ones((30, 1), np.float32))
    found = evaluate(rows_of(labels, site=["s"] * 30), scores, baseline, ["site"], ["site"], 20)
    comparison = found.slices["site"]["s"]
    assert (comparison.images, comparison.enough, comparison.differences) == (1, False, {})


def test_a_slice_with_few_images_is_counted_but_gets_no_interval():
    labels, scores = by_name(8, ["ant", "bee"], images=60)
    sites = ["south"] * 5 + ["north"] * 55
    found = evaluate(rows_of(labels, site=sites), scores, None, ["site"], fewest=20)
    assert set(found.metrics["slices"]["site"]) == {"south", "north"}
    assert set(found.metrics["intervals"]["slices"]["site"]) == {"north"}
