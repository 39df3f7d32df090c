import json

import pytest

from benchmarks import __main__ as command
from benchmarks.results import Result, keep


@pytest.mark.parametrize(
    ("ours", "better", "reached"),
    [(9.0, "higher", True), (8.9, "higher", False), (9.0, "lower", True), (9.1, "lower", False)],
)
def test_a_goal_is_a_least_or_a_largest_ratio(ours, better, reached):
    result = Result("x", ours, 10.0, "images/s", 0.9, better)
    assert result.reached == reached
    assert ("NOT REACHED" in str(result)) != reached


def test_a_result_takes_the_place_of_an_older_one_of_its_name(tmp_path):
    path = tmp_path / "results.json"
    for name, ours in (("b", 1.0), ("a", 2.0), ("b", 3.0)):
        keep(Result(name, ours, 2.0, "s", None, "lower", "said"), path)
    found = json.loads(path.read_text())
    assert [(one["name"], one["ours"], one["ratio"]) for one in found] == [
        ("a", 2.0, 1.0),
        ("b", 3.0, 1.5),
    ]
    keys = "name ours theirs unit ratio goal better machine date note".split()
    assert list(found[0]) == keys


def test_an_unknown_name_is_refused_before_anything_is_measured(capsys):
    assert command.main(["data_path", "datapath"]) == 2
    assert "datapath" in capsys.readouterr().out
