"""`summary.json`: what came of a run, in a few stable keys that scripts may rely on."""

import json
import os
from pathlib import Path
from typing import Any

from pipeline.lineage import Run

MARKS = {"passed": "✓", "failed": "✗", "tie": "≈", "withheld": "?"}
"""How a check's state is shown, wherever it is."""


def summarize(run: Run, report: str, seconds: float) -> dict[str, Any]:
    """Returns the summary of a run, good or bad.

    Args:
      run: as the metadata store has it.
      report: path of the run's report.
      seconds: wall time of the whole run.

    Returns:
      run_id, config_hash, status ("succeeded" or "failed"), seconds,
      nodes [{id, state, seconds}], images {train, eval, test, rejected}, metrics {name: value},
      warnings [sentence], blessed (bool), blessing_reasons [sentence],
      checks [{state, sentence}], the same sentences with passed, failed, tie or withheld,
      pushed (path or None),
      registered ({registry, name, version} or None), unchanged (whether every node took an
      earlier run's result), report, error ({node, message} or None).
    """
    failed = run.failed
    # A protobuf Struct, in which TFX keeps them, knows floats only.
    counts = _property(run, "ImageExampleGen", "examples", "counts") or {}
    finished = failed is None and all(node.state != "skipped" for node in run.nodes)
    return {
        "run_id": run.id,
        "config_hash": run.config_hash,
        "status": "succeeded" if finished else "failed",
        "seconds": round(seconds, 1),
        "nodes": [
            {"id": n.id, "state": n.state, "seconds": round(n.seconds, 2)} for n in run.nodes
        ],
        "images": {split: int(count) for split, count in counts.items()},
        "metrics": _property(run, "Evaluator", "evaluation", "metrics") or {},
        "warnings": _warnings(run),
        **blessing(run),
        "pushed": _property(run, "Pusher", "pushed_model", "pushed_destination") or None,
        "registered": _registered(run),
        "unchanged": bool(run.nodes) and all(node.state == "cached" for node in run.nodes),
        "report": report,
        "error": {"node": failed.id, "message": failed.error or "see the log"} if failed else None,
    }


def _warnings(run: Run) -> list[str]:
    """What one should know of the data and of the push, where that did not end the run."""
    notes = _property(run, "ImageExampleGen", "examples", "notes") or []
    gate = run.output("DataGate", "gate")
    said = (gate.json("gate.json") if gate else None) or {}
    anomalies = said.get("anomalies", [])
    ran = run.node("Pusher").state == "ran"  # else it tells of an earlier run's push
    note = _property(run, "Pusher", "pushed_model", "note") if ran else None
    return [
        *notes,
        *(f"{x['split']}: {x['feature']}: {x['reason']}" for x in anomalies),
        *([note] if note else []),
    ]


def blessing(run: Run) -> dict[str, Any]:
    """Returns blessed, blessing_reasons, checks of both gates: Evaluator's and ServingCheck's."""
    checks: list[dict[str, str]] = []
    passed = []
    for node, key, file, verdict in (
        ("Evaluator", "blessing", "blessing.json", "blessed"),
        ("ServingCheck", "infra_blessing", "infra_blessing.json", "passed"),
    ):
        artifact = run.output(node, key)
        said = artifact.json(file) if artifact else None
        passed.append(bool(said and said[verdict]))
        checks += _checks(said, passed[-1]) if said else []
    checks.sort(key=lambda check: ("failed", "withheld", "tie", "passed").index(check["state"]))
    reasons = [check["sentence"] for check in checks]
    return {"blessed": all(passed), "blessing_reasons": reasons, "checks": checks}


def _checks(said: dict[str, Any], passed: bool) -> list[dict[str, str]]:
    """The Evaluator's checks; ServingCheck sums its own up in its reasons, which fared alike."""
    whole = "passed" if passed else "failed"
    apart = [{"state": whole, "sentence": reason} for reason in said["reasons"]]
    checks = [check for check in said.get("checks", []) if "state" in check]
    return checks or apart


def write_summary(summary: dict[str, Any], path: Path) -> None:
    """Writes it whole or not at all: a reader never sees half a file."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _property(run: Run, node: str, key: str, name: str) -> Any:
    artifact = run.output(node, key)
    value = artifact.properties.get(name) if artifact else None
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value


def _registered(run: Run) -> dict[str, Any] | None:
    artifact = run.output("RegistryPusher", "registration")
    said = artifact.json("registration.json") if artifact else None
    return {key: said[key] for key in ("registry", "name", "version")} if said else None
