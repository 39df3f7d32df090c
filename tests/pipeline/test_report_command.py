"""`graft report`: a report again, and several runs side by side."""

import json
from pathlib import Path

from commands_run import record, refusal


def test_a_run_alone_is_short_for_writing_its_report(graft, tmp_path):
    record(tmp_path / "runs", "bananas")
    code, said = graft("report", "1")
    assert code == 0 and said.strip().endswith("reports/1/index.html")
    assert graft("report")[1] == graft("report", "write")[1] == said


def test_runs_are_compared_two_to_six_and_each_once(graft, tmp_path):
    for run_id in ("1", "2"):
        record(tmp_path / "runs", "bananas", run_id=run_id)
    assert "takes 2 to 6 runs, not 1" in refusal(graft, "report", "compare", "1")
    assert "takes 2 to 6 runs, not 7" in refusal(graft, "report", "compare", *"1234567")
    assert "a run is named twice" in refusal(graft, "report", "compare", "2", "last")
    code, said = graft("report", "compare", "1", "last", "--json")
    written = json.loads(said)
    assert code == 0 and written["runs"] == ["1", "2"]
    assert written["report"].endswith("runs/bananas/reports/compare-1-2.html")
    assert "2 runs" in Path(written["report"]).read_text()
