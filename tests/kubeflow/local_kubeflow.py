"""A stand-in for a cluster: Kubeflow's own local runner, a folder for the volume, and MariaDB."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from pipeline.kubeflow.compile import compile_pipeline
from pipeline.lineage import read_run, run_ids
from pipeline.places import Places
from pipeline.stores import open_store

ROOT = Path(__file__).parents[2]
# Release 2.13 of the local runner refuses exit handlers.
RUNS_EXIT_TASK = tuple(int(n) for n in version("kfp").split(".")[:2]) >= (2, 14)


class LocalKubeflow:
    """Runs compiled pipelines of one task, each in a process of its own."""

    def __init__(self, folder, server, database):
        self.folder, self.server = folder, server
        self.volume = folder / "volume"
        self.settings = [
            f"kubeflow.volume.mount_path={self.volume}",
            f"kubeflow.metadata.uri={server.database(database)}",
            # Release 2.17 of the local runner tries again, and waits as it is told.
            "kubeflow.defaults={retry: {times: 1, wait: 1s}}",
        ]
        self.environment = {**os.environ, **server.environment, "PYTHONPATH": str(ROOT)}

    def compile(self, config, *overrides):
        """Compiles a configuration file for this stand-in."""
        overrides = [*self.settings, *overrides]
        self.compiled = compile_pipeline(config, overrides, exit_task=RUNS_EXIT_TASK)
        self.places = Places.on_kubeflow(self.compiled.config)
        (self.folder / "pipeline.yaml").write_text(self.compiled.yaml)

    def start(self, **arguments):
        """Starts a run with these pipeline parameters; returns the process."""
        return subprocess.Popen(
            [
                sys.executable,
                Path(__file__).with_name("run_locally.py"),
                self.folder / "pipeline.yaml",
                json.dumps(arguments),
                self.folder / "outputs",
            ],
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def finish(self, process, **arguments):
        """Waits for a run; returns (exit code, all it printed, the run as the store has it)."""
        said, _ = process.communicate()
        run = self.last_run()
        if run and not RUNS_EXIT_TASK:
            self.task("report", run.id, **arguments)
        return process.returncode, said, run

    def run(self, **arguments):
        """Runs to the end; see `finish`."""
        return self.finish(self.start(**arguments), **arguments)

    def task(self, node_id, run_id, **arguments):
        """Runs one task alone, as a pod would; returns the process that has ended."""
        kind = {"report": "report", "Evaluator": "evaluator"}.get(node_id, "node")
        values = {**self.compiled.parameters, **arguments, "run_id": run_id}
        outputs = {"summary": "system.Markdown"}
        if kind == "report":
            outputs["page"] = "system.HTML"
        else:
            values |= {"node_id": node_id, "graph": ""}
        if kind == "evaluator":
            outputs |= {"metrics": "system.Metrics", "confusion": "system.ClassificationMetrics"}
        pod = self.folder / "pods" / f"{run_id}-{node_id}"
        executor_input = {
            "inputs": {"parameterValues": values},
            "outputs": {
                "artifacts": {
                    name: {
                        "artifacts": [
                            {"name": name, "type": {"schemaTitle": kind_}, "uri": str(pod / name)}
                        ]
                    }
                    for name, kind_ in outputs.items()
                },
                "outputFile": str(pod / "output.json"),
            },
        }
        return subprocess.run(
            [
                sys.executable,
                *["-m", "kfp.dsl.executor_main"],
                *["--component_module_path", "pipeline/kubeflow/tasks.py"],
                *["--executor_input", json.dumps(executor_input)],
                *["--function_to_execute", kind],
            ],
            cwd=ROOT,
            env={**self.environment, "_KFP_RUNTIME": "true"},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def store(self):
        """The metadata store."""
        os.environ.update(self.server.environment)
        return open_store(self.places.metadata)

    def last_run(self):
        """The newest run that the store knows, or None."""
        store = self.store()
        known = run_ids(store, self.places.name)
        return read_run(store, known[-1]) if known else None

    def summary(self):
        """summary.json of the last run."""
        return json.loads(self.places.summary.read_text())

    def states(self):
        """The states of the last run's nodes, by id."""
        return {node["id"]: node["state"] for node in self.summary()["nodes"]}
