"""From a configuration to a file that Kubeflow Pipelines v2 runs."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from components.errors import ConfigError
from pipeline.config import Config
from pipeline.config_file import parse_config, read_config, with_overrides
from pipeline.kubeflow.parameters import CONFIG, PARAMETERS
from pipeline.terminal import library_noise_to

# Kubeflow's own command writes the function's source into the file; the image has it.
_COMMAND = ["sh", "-c", 'exec env _KFP_RUNTIME=true python3 -m kfp.dsl.executor_main "$@"', "task"]
_RETRIED_FOR = "2592000s"
"""Argo counts it from a task's first start, and ends a retry that is at work by then; the SDK takes
no more than an hour."""
_ARGUMENTS = ["--component_module_path", "pipeline/kubeflow/tasks.py"]

NOT_ON_VERTEX = (
    "--target vertex: TFX's own runner for Vertex AI cannot carry this pipeline. It knows no "
    "Resolver but two of its own, so there is no Baseline to compare with; it runs no driver of an "
    "ExampleGen of one's own, so spans and changed pictures are not seen; and it refuses artifact "
    "types without a namespace (Rejects, Preprocessing and others). Run it on Kubeflow Pipelines "
    "v2, on any Kubernetes cluster"
)
"""What TFX's KubeflowV2DagRunner lacks; a test holds each of it against the runner."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A pipeline for Kubeflow.

    Attributes:
      config: the configuration it was compiled for.
      yaml: the file: the pipeline's spec, and behind `---` that of the platform.
      parameters: the defaults of its parameters, by name.
    """

    config: Config
    yaml: str
    parameters: dict[str, str]


def compile_pipeline(
    path: str | Path, overrides: Sequence[str] = (), exit_task: bool = True
) -> Compiled:
    """Compiles a configuration file.

    Args:
      path: the file; its content becomes the default of the parameter `config`.
      overrides: "key=value" texts; then the content is written anew, without its comments.
      exit_task: whether the report follows as the exit task, which Kubeflow's local runner takes
        from release 2.14 on.

    Raises:
      ConfigError: the configuration is wrong, or cannot hold on a cluster.
    """
    text = read_config(path)
    if overrides:
        text = with_overrides(text, path, overrides)
    config = parse_config(text, path)
    check_for_cluster(config)

    with library_noise_to(Path(os.devnull)):
        from pipeline.kubeflow.graph import REPORT, build
        from pipeline.start import graph_of

        graph = graph_of(config)
    known = [*graph, REPORT]
    if unknown := sorted(set(config.kubeflow.nodes) - set(known)):
        raise ConfigError(
            f"{path}: kubeflow.nodes: there is no node {', '.join(unknown)}; "
            f"there are: {', '.join(known)}"
        )
    component = build(config.name, text, graph, config.kubeflow, exit_task)
    defaults = {CONFIG: text, **{p.name: "" for p in PARAMETERS}}
    return Compiled(config, _file(component), defaults)


def check_for_cluster(config: Config) -> None:
    """Refuses what is sure to fail in a pod.

    Raises:
      ConfigError: a path that is this machine's own.
    """
    volume = config.kubeflow.volume.mount_path
    for key, path in (
        ("data.source", config.data.source),
        ("data.schema_path", config.data.schema_path),
        ("push.destination", config.push.destination),
    ):
        if path and "://" not in path and not Path(path).is_absolute():
            raise ConfigError(
                f"{key}: {path} is a path of this machine; a task sees the volume, so give "
                f"{volume}/{path.removeprefix('./')} and put it there"
            )


def _file(component: Any) -> str:
    from google.protobuf import json_format

    spec = json_format.MessageToDict(component.pipeline_spec)
    # The release of the SDK that wrote it changes nothing that runs.
    spec["sdkVersion"] = "kfp"
    for executor in spec["deploymentSpec"]["executors"].values():
        container = executor["container"]
        container["command"] = _COMMAND
        container["args"] = [*_ARGUMENTS, *container["args"]]
    for part in (spec["root"], *spec["components"].values()):
        for task in part.get("dag", {}).get("tasks", {}).values():
            if "retryPolicy" in task:
                task["retryPolicy"]["backoffMaxDuration"] = _RETRIED_FOR
    documents = [spec]
    if platform := json_format.MessageToDict(component.platform_spec):
        documents.append(_without_defaults(platform))
    # The SDK's own writer breaks on a default of several lines.
    return yaml.dump_all(documents, Dumper=_Dumper, sort_keys=True, width=100)


def _without_defaults(value: Any) -> Any:
    """Without what newer releases of the SDK spell out: the file is the same by all of them."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (key, item) != ("optional", False)}
        return {key: _without_defaults(item) for key, item in kept.items()}
    if isinstance(value, list):
        return [_without_defaults(item) for item in value]
    return value


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as such, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
