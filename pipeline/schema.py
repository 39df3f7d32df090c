"""A reviewed schema, kept under a name that changes with its content."""

import hashlib
import os
from pathlib import Path

from pipeline.places import Places


def keep_schema(path: str | Path, places: Places) -> Path:
    """Copies a schema to RUNS/<name>/schemas/<hash of its content>/schema.pbtxt.

    TFX's ImportSchemaGen has nothing but the path in its cache's key, so it would give the schema
    as it was before an edit.

    Args:
      path: a schema.pbtxt.
      places: where the task's runs lie.

    Returns:
      The copy; the same one for the same content.
    """
    content = Path(path).read_bytes()
    copy = places.home / "schemas" / hashlib.sha256(content).hexdigest()[:16] / "schema.pbtxt"
    if not copy.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_suffix(".partial")
        partial.write_bytes(content)
        os.replace(partial, copy)
    return copy
