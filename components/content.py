"""What a folder holds, as one short text: equal texts mean equal files."""

import hashlib
from pathlib import Path


def content_hash(folder: str | Path) -> str:
    """Returns 16 hexadecimal characters of SHA-256 over the files' relative names and bytes.

    Hidden files and the time-stamped `fingerprint.pb` of a SavedModel do not count.
    """
    digest = hashlib.sha256()
    folder = Path(folder)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(".") or path.name == "fingerprint.pb":
            continue
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]
