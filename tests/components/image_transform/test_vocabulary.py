import pytest

from components.errors import DataError
from components.image_transform.vocabulary import vocabulary


def test_labels_are_sorted_and_those_of_train():
    counts = {"train": {"b": 1, "a": 5, "é": 2, "10": 1, "9": 1}, "eval": {"a": 1}, "test": {}}
    assert vocabulary(counts) == ["10", "9", "a", "b", "é"]


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"train": {"a": 9, "b": 9}, "test": {"c": 3}}, ["'c' occurs 3 times", "'test'", "give"]),
        ({"train": {"a": 9, "b": 9}, "eval": {"d": 1, "c": 1}}, ["'c'", "'eval'", "1 more"]),
        ({"train": {"a": 9}, "test": {"a": 1}}, ["only the label 'a'", "two labels"]),
        ({"train": {}, "test": {}}, ["no pictures"]),
        ({}, ["no pictures"]),
    ],
)
def test_what_a_classifier_cannot_learn_is_an_error(counts, said):
    with pytest.raises(DataError) as error:
        vocabulary(counts)
    for words in said:
        assert words in str(error.value)
