"""Programs that tests need and that pip does not bring."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path


def install(program, package):
    """Installs a package of Debian's where the program is missing and this is root.

    Returns:
      Whether the program is there.
    """
    if found(program) or shutil.which("apt-get") is None or os.geteuid() != 0:
        return found(program) is not None
    quiet = {
        "stdout": subprocess.DEVNULL,
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    with contextlib.suppress(subprocess.CalledProcessError):
        subprocess.run(["apt-get", "update", "-qq"], check=True, **quiet)
        subprocess.run(command, check=True, **quiet)
    return found(program) is not None


def found(program):
    """The path of a program, also where Debian keeps PostgreSQL's; or None."""
    if there := shutil.which(program):
        return there
    return next((str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{program}")), None)
