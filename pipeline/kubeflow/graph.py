"""A native Kubeflow pipeline with one task a node, as Kubeflow's SDK builds it."""

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kfp import dsl, kubernetes

from pipeline.kubeflow import tasks
from pipeline.kubeflow.parameters import CONFIG, PARAMETERS
from pipeline.kubeflow.settings import Kubeflow, Placement
from pipeline.stores import PASSWORD, USER

REPORT = "report"
"""The exit task."""

Graph = Mapping[str, Sequence[str]]
"""The nodes before each node, by id, in an order in which they can run."""

_SECONDS = {"s": 1, "m": 60, "h": 3600}


def task_name(node_id: str) -> str:
    """A node's name as Kubeflow wants it: ImageExampleGen is image-example-gen."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", node_id).lower()


def build(name: str, text: str, graph: Graph, settings: Kubeflow, exit_task: bool = True) -> Any:
    """Builds the pipeline.

    Args:
      name: of the pipeline.
      text: the configuration, the default of the parameter `config`.
      graph: its nodes and edges.
      settings: the section `kubeflow`.
      exit_task: whether the report follows as the exit task.

    Returns:
      Kubeflow's GraphComponent, which holds `pipeline_spec` and `platform_spec`.
    """
    components = {
        kind: dsl.component(kind, base_image=settings.image, install_kfp_package=False)
        for kind in (tasks.node, tasks.evaluator, tasks.report)
    }

    def add(kind: Callable, title: str, arguments: dict[str, Any]) -> dsl.PipelineTask:
        component = copy.deepcopy(components[kind])
        component.component_spec.name = task_name(title)
        task = component(**arguments).set_display_name(title)
        # TFX has the cache: Kubeflow's would skip a task for equal arguments, whatever the data.
        task.set_caching_options(False)
        _place(task, settings.placement(title), settings)
        return task

    def wire(values: dict[str, Any]) -> None:
        done: dict[str, dsl.PipelineTask] = {}
        for node_id, upstream in graph.items():
            kind = tasks.evaluator if node_id == "Evaluator" else tasks.node
            # The first task compares it with what the run's configuration asks for.
            expected = "" if done else json.dumps({n: list(up) for n, up in graph.items()})
            task = add(kind, node_id, {"node_id": node_id, "graph": expected, **values})
            done[node_id] = task.after(*(done[one] for one in upstream))

    # Kubeflow takes the pipeline's parameters from the signature, so they are named once more.
    @dsl.pipeline(
        name=name.replace("_", "-"),
        description=f"{name}: from images to a served, registered classifier",
    )
    def pipeline(
        config: str = text,
        data_source: str = "",
        data_spans: str = "",
        max_epochs: str = "",
        learning_rate: str = "",
        push_destination: str = "",
    ):
        values = {
            CONFIG: config,
            "data_source": data_source,
            "data_spans": data_spans,
            "max_epochs": max_epochs,
            "learning_rate": learning_rate,
            "push_destination": push_destination,
            "run_id": dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        }
        assert {p.name for p in PARAMETERS} < set(values)
        if not exit_task:
            return wire(values)
        with dsl.ExitHandler(add(tasks.report, REPORT, values), name="nodes"):
            wire(values)

    return pipeline


def _place(task: dsl.PipelineTask, placement: Placement, settings: Kubeflow) -> None:
    for quantity, setter in (
        (placement.cpu, task.set_cpu_request),
        (placement.cpu_limit, task.set_cpu_limit),
        (placement.memory, task.set_memory_request),
        (placement.memory_limit, task.set_memory_limit),
    ):
        if quantity is not None:
            setter(quantity)
    if placement.accelerator:
        task.set_accelerator_type(placement.accelerator.type)
        task.set_accelerator_limit(placement.accelerator.count)
    if placement.retry.times:
        task.set_retry(placement.retry.times, placement.retry.wait, placement.retry.factor)
    volume, metadata = settings.volume, settings.metadata
    kubernetes.mount_pvc(task, volume.claim, volume.mount_path)
    kubernetes.use_secret_as_env(task, metadata.secret, {"username": USER, "password": PASSWORD})
    for variable, source in placement.env.items():
        kubernetes.use_secret_as_env(task, source.secret, {source.key: variable})
    for label, value in placement.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in placement.tolerations:
        kubernetes.add_toleration(
            task,
            toleration.key,
            toleration.operator,
            toleration.value,
            toleration.effect,
            toleration.seconds,
        )
    if placement.timeout:
        kubernetes.set_timeout(task, int(placement.timeout[:-1]) * _SECONDS[placement.timeout[-1]])
    if settings.image_pull_secret:
        kubernetes.set_image_pull_secrets(task, [settings.image_pull_secret])
