"""The functions that Kubeflow's executor calls in a pod, one for each kind of task.

Nothing but what a task is given and what its page shows: the work is in task.py, which is imported
when it is called. Kubeflow reads the signatures, so the named parameters stand here one by one.
"""

from kfp import dsl


def node(
    node_id: str,
    graph: str,
    run_id: str,
    config: str,
    data_source: str,
    data_spans: str,
    max_epochs: str,
    learning_rate: str,
    push_destination: str,
    summary: dsl.Output[dsl.Markdown],
):
    """Runs one node; its page shows a summary."""
    values = dict(locals())
    from pipeline.kubeflow.task import run_task

    run_task(values)


def evaluator(
    node_id: str,
    graph: str,
    run_id: str,
    config: str,
    data_source: str,
    data_spans: str,
    max_epochs: str,
    learning_rate: str,
    push_destination: str,
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
):
    """Runs the Evaluator; its page shows metrics and confusion matrix as well."""
    values = dict(locals())
    from pipeline.kubeflow.task import run_task

    run_task(values)


def report(
    run_id: str,
    config: str,
    data_source: str,
    data_spans: str,
    max_epochs: str,
    learning_rate: str,
    push_destination: str,
    summary: dsl.Output[dsl.Markdown],
    page: dsl.Output[dsl.HTML],
):
    """Makes what must stand after every run; its page shows the report."""
    values = dict(locals())
    from pipeline.kubeflow.task import run_report

    run_report(values)
