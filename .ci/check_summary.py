"""Checks in a run's summary that it succeeded and is blessed with at least some accuracy."""

import json
import sys
from pathlib import Path


def main(path: str, least_accuracy: str) -> None:
    """Exits with a message unless the run of the summary at `path` is as good as asked."""
    summary = json.loads(Path(path).read_text())
    accuracy = (summary["metrics"] or {}).get("accuracy", 0.0)
    found = f"{path}: {summary['status']}, blessed: {summary['blessed']}, accuracy {accuracy:.4f}"
    succeeded = summary["status"] == "succeeded" and summary["blessed"]
    if not succeeded or accuracy < float(least_accuracy):
        sys.exit(f"{found}; asked for a blessed run with accuracy {least_accuracy} or more")
    print(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
