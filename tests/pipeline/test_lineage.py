"""What the metadata store knows of runs that were recorded."""

import dataclasses
import functools

from pipeline.lineage import last_on_other_data, read_run, read_runs, run_ids


def test_all_runs_read_at_once_are_those_read_one_by_one(two_spans):
    ids = run_ids(two_spans.store, "shades")
    assert read_runs(two_spans.store, "shades") == [read_run(two_spans.store, id) for id in ids]


def test_the_last_run_on_other_data_is_the_last_before_that_took_other_pictures(two_spans):
    one, two, three, four = read_runs(two_spans.store, "shades")
    last = functools.partial(last_on_other_data, two_spans.store, "shades")
    assert (last(one), last(two)) == (None, None)
    assert last(three) == last(four) == two
    assert last(dataclasses.replace(four, id="run-9")) is None  # which the store does not know
    assert last(dataclasses.replace(four, nodes=[])) is None
