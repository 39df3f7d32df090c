"""A placeholder: compiles a pipeline of one task. Another piece of work replaces this file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.config import Config
from pipeline.config_file import load_config


@dataclass(frozen=True)
class Compiled:
    """A compiled pipeline: its configuration, the bare KFP v2 spec, its parameters' defaults."""

    config: Config
    yaml: str
    parameters: dict[str, Any]


def compile_pipeline(path: str, overrides: Sequence[str]) -> Compiled:
    """Compiles a configuration."""
    import tempfile
    from pathlib import Path

    from kfp import compiler, dsl

    config = load_config(path, tuple(overrides))

    @dsl.container_component
    def task(source: str, max_epochs: int):
        return dsl.ContainerSpec(
            image=config.kubeflow.image, args=[config.name, source, max_epochs]
        )

    @dsl.pipeline(name=config.name.replace("_", "-"))
    def pipeline(source: str = config.data.source, max_epochs: int = config.train.max_epochs or 0):
        task(source=source, max_epochs=max_epochs)

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(file))
        text = file.read_text()
    parameters = {"source": config.data.source, "max_epochs": config.train.max_epochs or 0}
    return Compiled(config, text, parameters)
