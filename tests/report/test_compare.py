import dataclasses
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from a_run import HOSTILE, Page, a_run, failed_in

from components.harmless import harmless
from pipeline.report.compare import write_comparison


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Run A, and run B with half the batch, fewer mistakes and another module."""
    root = tmp_path_factory.mktemp("two")
    a = a_run(root / "a", wrong=9)
    b = a_run(root / "b", wrong=5)
    b.config["train"]["batch_size"] = a.config["train"]["batch_size"] // 2
    b.config["train"]["phases"][0]["learning_rate"] = 0.5
    b.output("Trainer", "model").properties["module_hash"] = "cc33"
    return a, dataclasses.replace(b, id="20261125-080000-000"), root


@pytest.fixture(scope="module")
def page(two):
    a, b, root = two
    path = write_comparison([a, b], root / "reports" / "compare.html")
    return Page(path.read_text(encoding="utf-8"))


def test_what_differs_is_named_by_key_and_nothing_else(two, page):
    a, b, _ = two
    size = a.config["train"]["batch_size"]
    assert f"train.batch_size {size} {size // 2}" in page.words
    assert "train.phases.1.learning_rate" in page.words and " 0.5" in page.words
    assert "Module hash aa11 cc33" in page.words
    assert "train.phases.1.epochs" not in page.words and "Data fingerprint" not in page.words


def test_metrics_stand_side_by_side_with_intervals_and_change(page):
    assert "accuracy 95.5 % 94.3 % to 96.5 % 97.5 % (+2.0 points) 96.3 % to 98.5 %" in page.words
    assert "log loss 0.213 0.213 (+0)" in page.words


def test_curves_lie_over_each_other(page):
    assert 'aria-label="eval loss over 8 epochs: A ends at' in page.source
    assert "; B ends at" in page.source


def test_pictures_that_changed_sides_are_shown(page):
    assert "Of 200 test pictures that both runs have." in page.words
    assert "B is right where A was wrong: 4" in page.words
    assert "B is wrong where A was right: 0" in page.words
    # The ninth was A's surest mistake, and B has it right.
    assert page.words.index("digits/0008.png") < page.words.index("digits/0005.png")
    assert "A: 1; B: 8" in page.words
    assert len(page.images) == 4


def test_a_failed_run_and_names_that_are_hostile_do_no_harm(tmp_path):
    labels = (HOSTILE, "b")
    runs = [a_run(tmp_path / f"{n}", labels=labels, test=8, wrong=n) for n in (2, 1)]
    failed = failed_in(a_run(tmp_path / "c", test=8, wrong=1), "Trainer", HOSTILE)
    runs = [dataclasses.replace(run, id=f"{i}{HOSTILE}") for i, run in enumerate([*runs, failed])]
    page = Page(write_comparison(runs, tmp_path / "compare.html").read_text())
    assert harmless(HOSTILE) in page.text and "<script" not in page.source and "badly" in page.words


def test_runs_on_other_pictures_share_none(tmp_path, two):
    a, b, _ = two
    other = a_run(tmp_path, test=8, wrong=1)
    path = other.output("Evaluator", "predictions").path("predictions.parquet")
    table = pq.read_table(path)
    ids = pa.array([f"other {i}" for i in range(8)])
    pq.write_table(table.set_column(table.schema.get_field_index("id"), "id", ids), path)
    words = Page(write_comparison([a, other], tmp_path / "compare.html").read_text()).words
    assert "Of 0 test pictures that both runs have." in words


def test_a_run_without_files_is_compared_by_what_is_known(tmp_path, two):
    a, b, _ = two
    gone = a_run(tmp_path, test=8, wrong=1)
    Path(gone.output("Evaluator", "predictions").path("predictions.parquet")).unlink()
    Path(gone.output("Trainer", "model_run").path("history.json")).write_text(json.dumps([]))
    words = Page(write_comparison([a, gone], tmp_path / "compare.html").read_text()).words
    assert "changed sides" not in words and "accuracy 95.5 %" in words
