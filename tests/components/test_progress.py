import pickle

from components.progress import Progress, read_progress


def test_what_was_counted_last_is_read(tmp_path):
    progress = Progress(str(tmp_path / "a" / "b"), "steps", 10)
    progress.add(3, "loss 0.5")
    told = {"done": 3, "total": 10, "unit": "steps", "note": "loss 0.5"}
    assert read_progress(str(tmp_path / "**")) == told == read_progress(str(tmp_path / "a" / "b"))


def test_workers_count_together_and_each_its_own(tmp_path):
    first = Progress(str(tmp_path), total=10)
    first.add(2)
    for count in (3, 4):
        pickle.loads(pickle.dumps(first)).add(count)
    assert read_progress(str(tmp_path))["done"] == 9


def test_the_newest_execution_counts(tmp_path):
    Progress(str(tmp_path / "1")).add(7)
    Progress(str(tmp_path / "2")).add(1)
    assert read_progress(str(tmp_path / "*"))["done"] == 1


def test_where_nothing_is_told_there_is_nothing(tmp_path):
    Progress(None).add(1)
    assert read_progress(str(tmp_path / "**")) is None
    (tmp_path / "progress-1.json").write_text("{")
    assert read_progress(str(tmp_path)) is None
