"""What Kubeflow's page shows of a task and of a run."""

from pipeline.kubeflow.pages import metrics, run_page, task_page
from pipeline.lineage import Artifact, Node, Run
from pipeline.summary import summarize


def run_of(*nodes):
    return Run("run-7", {}, "", 0.0, {}, list(nodes))


def test_a_task_shows_its_state_its_notes_and_where_its_outputs_lie():
    notes = ["3 pictures stand under two labels: <b>a|b</b>"]
    examples = Artifact(1, "Examples", "/mnt/examples/1", {"images": 1797, "notes": notes})
    node = Node("ImageExampleGen", "ran", 3.04, outputs={"examples": [examples]})
    page = task_page(run_of(node), "ImageExampleGen")
    assert "ran, 3.0 s, in run `run-7`" in page
    assert "Examples: 1,797 images" in page
    assert "| examples | Examples | `/mnt/examples/1` |" in page
    assert "<b>" not in page and "a|b" not in page  # a text from data is no markup


def test_an_error_is_shown_of_a_failed_task_and_not_of_one_that_went_well_at_last():
    failed = task_page(run_of(Node("Trainer", "failed", error="the loss is nan")), "Trainer")
    assert "**failed**" in failed and "the loss is nan" in failed
    ran = task_page(run_of(Node("Trainer", "ran", 1.0, error="interrupted")), "Trainer")
    assert "interrupted" not in ran


def test_a_run_without_anything_new_says_so():
    unchanged = run_of(Node("Trainer", "cached"), Node("Pusher", "cached"))
    assert "Nothing new" in run_page(summarize(unchanged, "report", 1.0))
    changed = run_of(Node("Trainer", "ran"), Node("Pusher", "cached"))
    assert "Nothing new" not in run_page(summarize(changed, "report", 1.0))


def test_a_run_that_failed_says_where_and_why():
    failed = run_of(Node("Trainer", "failed", error="the loss is nan"), Node("Pusher", "skipped"))
    page = run_page(summarize(failed, "report", 1.0))
    assert page.startswith("# Run run-7: failed") and "the loss is nan" in page


def test_without_an_evaluation_there_are_no_metrics():
    assert metrics(run_of(Node("Evaluator", "failed"))) == {}
