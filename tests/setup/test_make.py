"""What `make` hands to the commands, and what a Beam worker would be sent."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def make(*arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments],
        cwd=PROJECT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_help_is_what_make_says_first():
    words = make()
    for target in (
        "run-local",
        "test",
        "verify",
        "lint",
        "docs",
        "modules",
        "samples",
        "screenshots",
        "image",
        "requirements",
        "clean",
    ):
        assert f"  {target} " in words


def test_a_run_takes_the_default_configuration():
    words = make("--dry-run", "run-local")
    assert "-m pipeline run 'configs/digits.yaml' --runs 'runs'" in words


def test_the_guides_are_built_strictly_or_shown():
    assert "-m mkdocs build --strict" in make("--dry-run", "docs")
    assert "-m mkdocs serve" in make("--dry-run", "docs", "SERVE=1")


def test_an_image_is_for_cpu_unless_asked():
    assert "sh tools/image.sh 'graft:latest' 'cpu'" in make("--dry-run", "image")
    words = make("--dry-run", "image", "IMAGE=some/graft:1", "ACCELERATOR=gpu")
    assert "sh tools/image.sh 'some/graft:1' 'gpu'" in words


def test_paths_may_hold_spaces():
    words = make("--dry-run", "run-local", "CONFIG=my task.yaml", "RUNS=/tmp/my runs")
    assert "-m pipeline run 'my task.yaml' --runs '/tmp/my runs'" in words


def test_each_word_of_set_becomes_a_setting():
    words = make("--dry-run", "run-local", "RUNS=/tmp/r", "SET=a.b=1 c.d=[x,y] e=it's")
    assert "--runs '/tmp/r' --set 'a.b=1' --set 'c.d=[x,y]' --set 'e=it'\\''s'" in words


def test_the_shipped_package_holds_every_module_and_template(tmp_path):
    for part in ("pipeline", "components"):
        shutil.copytree(
            PROJECT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    for part in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        if (PROJECT / part).exists():
            shutil.copy(PROJECT / part, tmp_path)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "sdist"], cwd=tmp_path, check=True, capture_output=True
    )
    with tarfile.open(*(tmp_path / "dist").glob("*.tar.gz")) as shipped:
        names = {name.partition("/")[2] for name in shipped.getnames()}
    sources = {
        str(path.relative_to(tmp_path))
        for part in ("pipeline", "components")
        for path in (tmp_path / part).rglob("*")
        if path.is_file()
    }
    assert sources <= names
