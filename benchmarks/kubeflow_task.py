"""What a task on Kubeflow costs beside its work: a task that takes the cache, start to end, against
the import of TensorFlow Extended alone. Needs MariaDB, which is installed where it is missing."""

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.results import Result

ROUNDS = 5
NODE = "StatisticsGen"


def measure(folder: Path) -> Iterator[Result]:
    """Medians of seconds; the two take turns, so that a busy machine is busy for both."""
    sys.path[:0] = ["tests/kubeflow", "tests/servers"]
    from debian import install
    from local_kubeflow import LocalKubeflow
    from mariadb import MariaDB

    if not install("mariadbd", "mariadb-server"):
        raise SystemExit("MariaDB is missing: apt-get install mariadb-server")
    place = folder / "kubeflow_task"
    shutil.rmtree(place, ignore_errors=True)
    server = MariaDB(place / "server")
    try:
        kubeflow = LocalKubeflow(place, server, "benchmark")
        kubeflow.compile("configs/digits.yaml")
        for node in ("ImageExampleGen", NODE):
            _succeed(lambda node=node: kubeflow.task(node, "first"))
        _succeed(lambda: kubeflow.task("ImageExampleGen", "second"))
        tasks, imports = [], []
        for _ in range(ROUNDS):
            # The same run again: what has been done is seen, and nothing is done.
            tasks.append(_succeed(lambda: kubeflow.task(NODE, "second")))
            imports.append(_succeed(_import_tfx))
    finally:
        server.stop()
    ours, theirs = statistics.median(tasks), statistics.median(imports)
    yield Result("kubeflow_task/fixed", ours, theirs, "s", 1.5, "lower")


def _import_tfx() -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", "import tfx.v1"], capture_output=True)


def _succeed(command: Callable[[], subprocess.CompletedProcess]) -> float:
    began = time.perf_counter()
    ended = command()
    if ended.returncode:
        raise SystemExit(ended.stdout)
    return time.perf_counter() - began
