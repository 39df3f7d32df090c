"""Runs the four programs of docs/comparison.md on the same photographs, and shows what one sees.

    make comparison

Prints one JSON object a program, and takes the pictures of the page. Works in build/comparison,
which is emptied first.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
sys.path[:0] = [str(PROJECT / "docs/images"), str(PROJECT / "tests/servers")]

from cells import lay_out  # noqa: E402
from chromium import chromium  # noqa: E402
from mlflow_server import mlflow_server  # noqa: E402
from ports import free_port  # noqa: E402
from take_screenshots import shoot_report  # noqa: E402
from terminal_screen import TerminalScreen  # noqa: E402

WORK = PROJECT / "build/comparison"
PICTURES = PROJECT / "docs/images"
MODULE = PROJECT / "modules/efficientnet_lite0"
GRAFT = [sys.executable, "-m", "pipeline"]
FILES = {
    "keras": ["keras_tensorboard.py"],
    "mlflow": ["mlflow_autolog.py"],
    "tfx": [
        f"tfx_template/{name}.py"
        for name in ("records", "pipeline", "preprocessing", "model", "local_runner")
    ],
    "graft": ["solar_cells.yaml"],
}
BROKEN = "cell_broken.png"
_ACCURACY = """
import sys, tensorflow_model_analysis as tfma
metrics, = tfma.load_eval_result(sys.argv[1]).get_metrics_for_all_slices().values()
print(metrics["sparse_categorical_accuracy"]["doubleValue"])
"""


def main() -> None:
    """Runs each on all photographs, then on a few with a broken one among them."""
    shutil.rmtree(WORK, ignore_errors=True)  # or what an earlier call left would be cached
    cells, few = WORK / "cells", WORK / "few"
    lay_out(cells)
    lay_out(few, at_most=70)
    whole = next((few / "train/functional").iterdir()).read_bytes()
    (few / "train/functional" / BROKEN).write_bytes(whole[: len(whole) // 2])
    with chromium() as browser:
        for name in FILES:
            said = _run(browser, name, cells, WORK / name)
            said["lines"] = sum(_lines(HERE / file) for file in FILES[name])
            said["broken"] = _meets_a_broken_picture(name, few)
            print(json.dumps({"program": name, **said}), flush=True)
        _shoot_tensorboard(browser)
        _shoot_mlflow(browser)
        report = min((WORK / "graft/runs/solar_cells/reports").glob("2*/index.html"))
        runs = str(WORK / "graft/runs")
        shoot_report(browser, runs, str(report), PICTURES / "comparison_report.png", height=1150)


def _commands(name: str, cells: Path, out: Path) -> list[list[object]]:
    if name == "graft":
        settings = [f"data.source={cells}", f"model.backbone.handle={MODULE}"]
        sets = [word for setting in settings for word in ("--set", setting)]
        return [[*GRAFT, "run", HERE / "solar_cells.yaml", "--runs", out / "runs", *sets]]
    scripts = [HERE / file for file in FILES[name]]
    if name == "tfx":
        records = out / "records"
        return [
            [sys.executable, scripts[0], cells, records],
            [sys.executable, scripts[-1], records, MODULE, out],
        ]
    return [[sys.executable, scripts[0], cells, MODULE, out]]


def _run(browser: Any, name: str, cells: Path, out: Path) -> dict[str, Any]:
    began = time.monotonic()
    printed = 0
    for command in _commands(name, cells, out):
        screen = _on_terminal(command, out)
        if screen.end():
            sys.exit(screen.seen)
        printed += screen.count_lines()
    seconds = time.monotonic() - began
    screen.shot(browser, PICTURES / f"comparison_{name}.png")
    said = {"seconds": round(seconds), "printed": printed, "accuracy": _accuracy(name, out, screen)}
    if name in ("tfx", "graft"):  # the others know of no earlier run
        began = time.monotonic()
        _on_terminal(_commands(name, cells, out)[-1], out).end()
        said["again"] = round(time.monotonic() - began)
    return said


def _on_terminal(command: Sequence[object], out: Path) -> TerminalScreen:
    out.mkdir(parents=True, exist_ok=True)
    words = ["graft", *command[3:]] if command[1] == "-m" else ["python", *command[1:]]
    os.chdir(out)  # where MLflow keeps what it is not told a place for
    return TerminalScreen(
        command,
        " ".join(map(str, words)),
        columns=120,
        rows=36,
        without=(WORK, HERE, PROJECT, Path(sys.prefix).parent),
        PYTHONPATH=str(PROJECT),
        LOGNAME="you",
    )


def _accuracy(name: str, out: Path, screen: TerminalScreen) -> float:
    if name == "graft":
        summary = json.loads((out / "runs/solar_cells/summary.json").read_text())
        return summary["metrics"]["accuracy"]
    if name == "tfx":  # which tells a person that it was blessed, and no more
        evaluation = next((out / "tfx_pipeline_output/solar_cells/Evaluator/evaluation").iterdir())
        command = [sys.executable, "-W", "ignore", "-c", _ACCURACY, str(evaluation)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout.split()[-1])
    return float(screen.seen.rpartition("accuracy: ")[2].split()[0])


def _meets_a_broken_picture(name: str, few: Path) -> dict[str, Any]:
    out = WORK / f"{name}_broken"
    for command in _commands(name, few, out):
        screen = _on_terminal(command, out)
        code = screen.end()
        if code:
            break
    report = next((out / "runs/solar_cells/reports").glob("2*/index.html"), None)
    return {
        "exit code": code,
        "a traceback": "Traceback" in screen.seen,
        "names the file": BROKEN in screen.seen or bool(report and BROKEN in report.read_text()),
    }


def _lines(path: Path) -> int:
    """Lines that do something: no blank ones, no comments, no docstrings."""
    text = path.read_text()
    described: set[int] = set()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                described |= set(range(node.lineno, node.end_lineno + 1))
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return sum(bool(line) and line[0] != "#" and i not in described for i, line in lines)


def _shoot_tensorboard(browser: Any) -> None:
    port = free_port()
    logs = WORK / "keras/logs"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logs), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        page = browser.new_page(viewport={"width": 1180, "height": 850})
        for _ in range(120):
            try:
                page.goto(f"http://127.0.0.1:{port}/?darkMode=false#timeseries")
                break
            except Exception:  # until it listens
                time.sleep(0.5)
        page.get_by_text("epoch_accuracy").first.wait_for()
        page.get_by_role("button", name="Settings").last.click()  # closes what is open at first
        page.wait_for_timeout(3000)  # the curves are drawn as the data comes
        page.screenshot(path=PICTURES / "comparison_tensorboard.png")
    finally:
        server.terminate()
        server.wait()


def _shoot_mlflow(browser: Any) -> None:
    import mlflow

    store = f"sqlite:///{WORK / 'mlflow/mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=store)
    experiment = client.get_experiment_by_name("solar_cells").experiment_id
    (run,) = client.search_runs([experiment], max_results=1)
    with mlflow_server(WORK / "mlflow_server", store=store) as address:
        page = browser.new_page(viewport={"width": 1180, "height": 1300})
        page.goto(f"{address}/#/experiments/{experiment}/runs/{run.info.run_id}")
        page.get_by_text("test_accuracy").first.wait_for()
        page.get_by_role("button", name="Close").first.click()  # an assistant, open at first
        page.wait_for_timeout(3000)
        page.screenshot(path=PICTURES / "comparison_mlflow_run.png")
        page.close()


if __name__ == "__main__":
    main()
