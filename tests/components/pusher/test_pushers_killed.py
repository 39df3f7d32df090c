"""Pusher and RegistryPusher, killed at random moments, leave nothing half and nothing twice."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize(("place", "kills"), [("folder", 200), ("bucket", 100)])
def test_whatever_is_killed_when_the_next_attempt_completes_one_whole_version(
    tmp_path, place, kills
):
    seed = random.randrange(2**31)
    program = Path(__file__).with_name("pushers_killed.py")
    # What it checks itself, after each kill and each attempt that ended, is described there.
    done = subprocess.run(
        [sys.executable, program, tmp_path, place, str(kills), str(seed)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-5000:]}"
    said = json.loads(done.stdout.splitlines()[-1])
    print(said)
    assert said["kills"] >= kills
    assert min(said["in_pusher"], said["in_registry_pusher"]) >= kills / 10
    assert said["looks"] > said["loads"] >= said["rounds"]
