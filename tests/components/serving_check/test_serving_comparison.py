import numpy as np
import pytest

from components.serving_check.comparison import Expected, compare

CLASSES = ["ant", "bee", "cat"]
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]], np.float32)
EXPECTED = Expected(["a.jpg", "b.jpg"], CLASSES, PROBABILITIES)


def served(probabilities=PROBABILITIES, label=("ant", "bee"), score=None):
    score = probabilities.max(1) if score is None else score
    return {"label": np.array(label), "score": np.array(score), "probabilities": probabilities}


def test_a_good_picture_that_comes_back_marked_is_caught():
    (reason,) = reasons(served() | {"error": np.array(["", "cannot be decoded"])})
    assert reason == (
        "sent one by one, 1 good pictures come back marked, b.jpg with 'cannot be decoded'"
    )
    assert reasons(served() | {"error": np.array(["", ""])}) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("label", np.array([0, 1]), "label is int64, where a client decodes text"),
        ("score", np.array(["0.7", "0.8"]), "score is <U3, where a client decodes floats"),
        ("error", np.array([0.0, 0.0]), "error is float64, where a client decodes text"),
        ("error", np.array([[""], [""]]), "error has the shape [2, 1]"),
    ],
)
def test_outputs_of_another_type_are_caught(name, value, said):
    (reason,) = reasons(served() | {name: value})
    assert reason == f"sent one by one, {said}"


def test_no_pictures_have_nothing_against_them():
    nothing = Expected([], CLASSES, np.zeros((0, 3)))
    outputs = {key: value[:0] for key, value in served().items()}
    assert compare(nothing, outputs, 1e-5, "none") == ([], 0.0)
    assert compare(nothing, served(), 1e-5, "none")[0]


def reasons(outputs):
    return compare(EXPECTED, outputs, 1e-5, "one by one")[0]


def test_equal_answers_have_nothing_against_them():
    assert compare(EXPECTED, served(), 1e-5, "one by one") == ([], 0.0)


def test_a_difference_within_the_tolerance_is_told_but_allowed():
    found, largest = compare(EXPECTED, served(PROBABILITIES + np.float32(5e-6)), 1e-5, "one by one")
    assert found == []
    assert largest == pytest.approx(5e-6, rel=0.1)


def test_a_difference_above_it_names_the_worst_picture():
    moved = PROBABILITIES + np.float32([[1e-4, 0, 0], [0, 1e-2, 0]])
    (reason,) = reasons(served(moved))
    assert reason == (
        "sent one by one, 2 of 2 test pictures are scored otherwise than in the evaluation, "
        "b.jpg by 0.01; at most 1e-05 is allowed"
    )


def test_no_number_is_no_score():
    broken = PROBABILITIES.copy()
    broken[1, 1] = np.nan
    found, largest = compare(EXPECTED, served(broken), 1e-5, "one by one")
    assert "not finite" in found[0]
    assert largest is None


def test_labels_in_another_order_are_caught():
    (reason,) = reasons(served(label=("bee", "ant")))
    assert reason == "sent one by one, a.jpg gets the label bee, yet ant is most probable"


def test_a_label_of_no_class_is_caught():
    (reason,) = reasons(served(label=("ant", "wasp")))
    assert "b.jpg gets the label wasp, which is none of the classes" in reason


def test_of_two_equally_probable_labels_either_will_do():
    close = np.array([[0.45, 0.4500001, 0.1], [0.1, 0.8, 0.1]], np.float32)
    expected = Expected(EXPECTED.paths, CLASSES, close)
    assert compare(expected, served(close), 1e-5, "one by one")[0] == []


def test_a_score_that_is_not_the_largest_probability_is_caught():
    (reason,) = reasons(served(score=[0.7, 0.1]))
    assert "b.jpg gets the score 0.100000" in reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"label": None}, "sent one by one, 2 pictures of 3 classes give no label"),
        (
            {"probabilities": PROBABILITIES[:, :2]},
            "sent one by one, 2 pictures of 3 classes give probabilities of shape [2, 2]",
        ),
        (
            {"score": np.zeros((2, 1))},
            "sent one by one, 2 pictures of 3 classes give score of shape [2, 1]",
        ),
    ],
)
def test_outputs_of_another_shape_are_caught(change, reason):
    outputs = {key: value for key, value in (served() | change).items() if value is not None}
    assert compare(EXPECTED, outputs, 1e-5, "one by one") == ([reason], None)
