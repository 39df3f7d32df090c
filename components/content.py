"""What a folder holds, as one short text: equal texts mean equal content."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from components.files import on_disk

MODEL_FACTS = "assets.extra/model.json"
"""Where a model says what its graph is a function of, beside its weights."""


def content_hash(folder: str | Path) -> str:
    """Returns 16 hexadecimal characters of SHA-256 over the files' relative names and bytes.

    Hidden files and the time-stamped `fingerprint.pb` of a SavedModel do not count. Nor does
    `saved_model.pb` of a model that has MODEL_FACTS: TensorFlow numbers the functions in it by
    what the process did before, so that equal models, one trained after a kill, would differ.
    """
    with on_disk(folder) as place:
        left_out = {"fingerprint.pb"}
        if (place / MODEL_FACTS).is_file():
            left_out.add("saved_model.pb")
        files = (p for p in place.rglob("*") if p.is_file() and not p.name.startswith("."))
        return _digest(place, (path for path in files if path.name not in left_out))


def code_version(component_file: str, *shared: str) -> str:
    """A hash of the code that decides what a component gives, for TFX's cache, which sees none.

    Args:
      component_file: `__file__` of the component; all Python files of its folder count.
      shared: other folders of `components` whose code it runs.

    Returns:
      12 hexadecimal characters.
    """
    home = Path(component_file).resolve().parent
    folders = [home, *(home.parent / name for name in shared)]
    return _digest(home.parent, (p for f in folders for p in f.glob("*.py")))[:12]


def git_commit() -> str:
    """The commit of the project's code that is running.

    Returns:
      40 hexadecimal characters, and "+changes" behind them where a file that git knows differs
      from the commit; "" where the code is no checkout of its own, or git cannot be asked.
    """
    root = Path(__file__).resolve().parents[1]
    # Said in full: git would also look in the folders above, and go by a hook's environment.
    place = [f"--git-dir={root / '.git'}", f"--work-tree={root}"]
    describe = ["describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+changes"]
    try:
        asked = subprocess.run(["git", *place, *describe], capture_output=True, text=True)
    except OSError:
        return ""
    return asked.stdout.strip()


def _digest(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]
