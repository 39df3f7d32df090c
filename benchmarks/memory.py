"""The memory of every node, on 4,000 photographs and on 40,000.

Runs the whole pipeline twice on each: everything trained for an epoch on distorted pictures, and
the head alone on features. Every node runs in a process of its own, whose peak the kernel counts.
"""

import multiprocessing
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.photos import make_photos
from benchmarks.results import Result

FEW, MANY = 4_000, 40_000
CONFIG = "configs/digits.yaml"
SETTINGS = (
    "data.split={train: 0.7, eval: 0.1, test: 0.2}",
    "transform.image_size=[32, 32]",
    "evaluate.thresholds={accuracy: {at_least: 0.0}}",
)
KINDS = {
    "fine-tuned": (
        "transform.augment=natural_light",
        "transform.stored_side=299",
        "train.phases=[{train: all, epochs: 1, learning_rate: 1.0e-3}]",
    ),
    "frozen": (
        "transform.augment=none",
        "train.phases=[{train: head, epochs: 1, learning_rate: 3.0e-3}]",
    ),
}


def measure(folder: Path) -> Iterator[Result]:
    """Peaks in MiB."""
    for kind, settings in KINDS.items():
        few, many = (
            peaks(make_photos(folder / f"photos_{n}", n), folder / f"runs_{kind}_{n}", settings)
            for n in (FEW, MANY)
        )
        for node in many:
            name = f"memory/{kind}/{node}"
            yield Result(name, many[node], few[node], "MiB at the peak", 1.2, "lower")


def peaks(photos: Path, runs: Path, settings: tuple[str, ...]) -> dict[str, float]:
    """Runs the pipeline; the peak of each node's process, in MiB."""
    from pipeline.config_file import load_config
    from pipeline.places import Places
    from pipeline.run import run_local

    config = load_config(CONFIG, [*SETTINGS, *settings, f"data.source={photos}"])
    shutil.rmtree(runs, ignore_errors=True)  # what is cached takes no memory
    found: dict[str, float] = {}

    def in_own_process(ir: Any, node_id: str, run_id: str) -> None:
        context = multiprocessing.get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(sender, ir, node_id, run_id))
        process.start()
        found[node_id] = receiver.recv()
        process.join()
        if process.exitcode:
            raise SystemExit(f"{node_id} failed")

    with mock.patch("pipeline.local_runner.run_node", in_own_process):
        run_local(config, Places.of(runs, config))
    return found


def _run(sender: Any, ir: Any, node_id: str, run_id: str) -> None:
    from pipeline.node import run_node

    try:
        run_node(ir, node_id, run_id)
    finally:
        sender.send(_peak())


def _peak() -> float:
    """MiB of this program; what `getrusage` says counts the program that started it as well."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) / 1024
