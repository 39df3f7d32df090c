import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import EvaluationError
from components.evaluator.evaluation import Rows, Scores, evaluate
from components.evaluator.metrics import (
    classification_metrics,
    confusion_matrix,
    per_class_metrics,
)


def guesses(seed, images, classes, sharpness=2.0):
    """Labels [N] and probabilities [N, C] of a model that is right now and then."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, images)
    logits = random.normal(size=(images, classes))
    logits[np.arange(images), labels] += sharpness
    exp = np.exp(logits)
    return labels, (exp / exp.sum(1, keepdims=True)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 200), st.integers(4, 12), st.floats(0, 6))
def test_metrics_equal_those_of_scikit_learn(seed, images, classes, sharpness):
    labels, probabilities = guesses(seed, images, classes, sharpness)
    predicted, all_classes = probabilities.argmax(1), np.arange(classes)
    ours = classification_metrics(labels, probabilities)
    sums = probabilities.astype(np.float64)
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": sklearn.metrics.recall_score(
            labels, predicted, average="macro", labels=np.unique(labels)
        ),
        "top_3_accuracy": sklearn.metrics.top_k_accuracy_score(
            labels, probabilities, k=3, labels=all_classes
        ),
        "log_loss": sklearn.metrics.log_loss(
            labels, sums / sums.sum(1, keepdims=True), labels=all_classes
        ),
    }
    assert ours == pytest.approx(expected, abs=1e-6)

    matrix = confusion_matrix(labels, predicted, classes)
    assert (matrix == sklearn.metrics.confusion_matrix(labels, predicted, labels=all_classes)).all()
    table = per_class_metrics(matrix, [str(c) for c in all_classes])
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=all_classes, zero_division=np.nan
    )
    for i, row in enumerate(table.values()):
        assert row["support"] == support[i]
        for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
            assert row[name] == pytest.approx(value[i], abs=1e-6) or (
                row[name] is None and np.isnan(value[i])
            )


def test_a_sure_mistake_costs_a_finite_loss():
    loss = classification_metrics(np.array([1]), np.array([[1.0, 0.0]], np.float32))["log_loss"]
    assert loss == pytest.approx(-np.log(1e-7))


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
    metrics, comparison = evaluate(rows_of(labels), scores, permuted, ["label"])
    assert metrics["baseline"] == metrics["overall"]
    assert comparison.candidate == comparison.blessed

    other, _ = evaluate(rows_of(labels), permuted, scores, ["label"])
    assert other == metrics


def test_a_class_that_the_baseline_does_not_know_is_left_out_of_the_comparison():
    names = ["ant", "bee", "cat"]
    labels, scores = by_name(2, names)
    known = np.array([label != "cat" for label in labels])
    baseline = Scores(["bee", "ant"], np.full((len(labels), 2), 0.5, np.float32))
    metrics, comparison = evaluate(rows_of(labels), scores, baseline, [])
    assert comparison.new_classes == ("cat",)
    assert comparison.images == known.sum()
    right = np.array(scores.predicted)[known] == np.array(labels)[known]
    assert comparison.candidate["accuracy"] == right.mean()
    # The first of two equally probable classes counts, in the order of the shared vocabulary.
    ants = [label == "ant" for label in labels if label != "cat"]
    assert metrics["baseline"]["accuracy"] == np.mean(ants)
    assert metrics["comparison"]["new_classes"] == ["cat"]


def test_a_baseline_of_other_classes_cannot_be_compared():
    labels, scores = by_name(3, ["ant", "bee"])
    strange = Scores(["x", "y"], np.full((len(labels), 2), 0.5, np.float32))
    metrics, comparison = evaluate(rows_of(labels), scores, strange, [])
    assert comparison.images == 0
    assert metrics["baseline"] is None
    assert metrics["confusion"]["labels"] == ["ant", "bee"]


def test_slices_are_the_metrics_of_their_images():
    labels, scores = by_name(4, ["ant", "bee", "cat"])
    sites = ["north" if i % 3 else "south" for i in range(len(labels))]
    metrics, _ = evaluate(rows_of(labels, site=sites), scores, None, ["label", "site"])
    south = [i for i, site in enumerate(sites) if site == "south"]
    part, _ = evaluate(
        rows_of([labels[i] for i in south]),
        Scores(scores.classes, scores.probabilities[south]),
        None,
        [],
    )
    assert metrics["slices"]["site"]["south"] == {"images": len(south), **part["overall"]}
    for name, row in metrics["classes"].items():
        assert metrics["slices"]["label"][name]["accuracy"] == row["recall"]
        assert metrics["slices"]["label"][name]["images"] == row["support"]


def test_a_label_that_the_model_does_not_know_counts_as_wrong():
    labels, scores = by_name(5, ["ant", "bee"], images=20)
    metrics, _ = evaluate(rows_of([*labels[:-1], "wasp"]), scores, None, [])
    assert metrics["classes"]["wasp"] == {
        "precision": None,
        "recall": 0.0,
        "f1": 0.0,
        "support": 1,
    }
    assert sum(map(sum, metrics["confusion"]["counts"])) == 20


def test_a_misspelt_slice_is_told_with_the_nearest():
    labels, scores = by_name(6, ["ant", "bee"], images=5)
    with pytest.raises(EvaluationError, match="no column 'sites'; did you mean 'site'"):
        evaluate(rows_of(labels, site="aabbb"), scores, None, ["sites"])


def test_no_test_images_is_an_error_that_says_what_to_do():
    with pytest.raises(EvaluationError, match="data.split.test"):
        evaluate(Rows(), Scores([], np.zeros((0, 0))), None, [])
