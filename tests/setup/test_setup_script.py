"""Set-up, with stand-ins for the machine around it: uname, getconf, c++, the Pythons, and uv."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

PYTHON = """
case "$*" in
*python_implementation*) echo "CPython {version} $0" ;;
*get_path*) echo {include} ;;
esac
"""
UV = """
echo "$*" >>{calls}
case "$1" in
venv) mkdir -p .venv/bin .venv/lib/python3.11/site-packages; printf '#!/bin/sh\\n' >.venv/bin/python
      chmod +x .venv/bin/python ;;
esac
{then}
"""


class Machine:
    """A copy of the project's set-up on a machine of which every tool can be said."""

    def __init__(self, folder: Path):
        self.project = folder / "a project"
        self.tools = folder / "bin"
        self.calls = folder / "calls"
        self.include = folder / "include"
        for part in (self.project, self.tools, self.include):
            part.mkdir()
        for part in ("tools", "requirements"):
            shutil.copytree(PROJECT / part, self.project / part)
        shutil.copy(PROJECT / "pyproject.toml", self.project)
        (self.include / "Python.h").touch()
        self.system("Linux", "x86_64", "glibc 2.36")
        self.tool("c++", "exit 0")
        for name in ("python", "python3", "python3.11", "python3.12", "python3.13"):
            self.python(name, "3.11.7")
        self.uv()

    def tool(self, name: str, script: str) -> None:
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def system(self, name: str, processor: str, c_library: str) -> None:
        self.tool("uname", f'[ "$1" = -s ] && echo {name} || echo {processor}')
        self.tool("getconf", f"echo {c_library}" if c_library else "exit 1")

    def python(self, name: str, version: str) -> None:
        self.tool(name, PYTHON.format(version=version, include=self.include))

    def uv(self, then: str = "exit 0") -> None:
        self.tool("uv", UV.format(calls=self.calls, then=then))

    def set_up(self, **environment: str) -> subprocess.CompletedProcess:
        self.calls.write_text("")
        return subprocess.run(
            ["sh", "tools/setup.sh"],
            cwd=self.project,
            env={"PATH": f"{self.tools}:/usr/bin:/bin", "HOME": os.environ["HOME"], **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    @property
    def uv_calls(self) -> list[str]:
        lines = self.calls.read_text().splitlines()
        return [line for line in lines if line != "--version"]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("system", "release"),
    [
        (("Linux", "x86_64", "glibc 2.17"), "1.16"),
        (("Linux", "x86_64", "glibc 2.36"), "1.16"),
        (("Linux", "x86_64", "glibc 2.39"), "1.21"),
        (("Linux", "x86_64", "glibc 3.1"), "1.21"),
        (("Darwin", "arm64", ""), "1.21"),
    ],
)
def test_the_c_library_chooses_the_release(machine, system, release):
    machine.system(*system)
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert f"TFX {release}" in done.stdout
    files = f"requirements/tfx-{release}.txt requirements/tests-{release}.txt"
    assert any(call.endswith(files) for call in machine.uv_calls)


@pytest.mark.parametrize(
    ("system", "reason"),
    [
        (("Linux", "x86_64", ""), "GNU C library"),
        (("Linux", "aarch64", "glibc 2.41"), "Linux aarch64"),
        (("Darwin", "x86_64", ""), "Darwin x86_64"),
    ],
)
def test_a_machine_without_wheels_is_told_so(machine, system, reason):
    machine.system(*system)
    done = machine.set_up()
    assert done.returncode != 0
    assert reason in done.stderr
    assert not machine.uv_calls


def test_packages_are_installed_by_hash_and_the_project_without_the_network(machine):
    machine.set_up()
    environment, packages, project = machine.uv_calls
    assert environment.startswith("venv ")
    assert "--require-hashes" in packages
    assert "--build-constraints requirements/tfx-1.16.txt" in packages
    assert "--no-deps --no-build-isolation --editable ." in project


def test_what_only_tests_need_can_be_left_out_and_added_later(machine):
    machine.set_up(WITHOUT="tests")
    assert machine.uv_calls[1].endswith("requirements/tfx-1.16.txt")
    machine.set_up()
    assert machine.uv_calls[0].endswith("requirements/tests-1.16.txt")


def test_a_second_call_does_nothing_and_says_nothing(machine):
    machine.set_up()
    again = machine.set_up()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert not machine.uv_calls


def test_changed_requirements_update_the_environment_in_place(machine):
    machine.set_up()
    with (machine.project / "requirements/tfx-1.16.txt").open("a") as file:
        file.write("# changed\n")
    machine.set_up()
    assert [call.split()[:2] for call in machine.uv_calls] == [["pip", "sync"], ["pip", "install"]]


def test_another_python_makes_the_environment_anew(machine):
    machine.set_up()
    machine.set_up(PYTHON="python3.11")
    assert machine.uv_calls[0].startswith("venv ")


def test_a_copied_project_makes_an_environment_of_its_own(machine):
    machine.set_up()
    copy = machine.project.with_name("copy")
    shutil.copytree(machine.project, copy)
    machine.project = copy
    machine.set_up()
    assert machine.uv_calls[0].startswith("venv ")


def test_an_interrupted_set_up_starts_afresh(machine):
    machine.uv(then='[ "$1" != pip ] || kill -9 $PPID')
    assert machine.set_up().returncode != 0
    leftover = machine.project / ".venv/half of a package"
    leftover.touch()
    machine.uv()
    assert machine.set_up().returncode == 0
    assert not leftover.exists()


def test_a_failed_step_shows_its_output_without_the_names_of_hosts(machine):
    machine.uv(
        then='[ "$1" != pip ] || { echo "no answer from https://some.host/simple" >&2; exit 2; }'
    )
    done = machine.set_up()
    assert done.returncode != 0
    assert "no answer from" in done.stderr
    assert "some.host" not in done.stdout + done.stderr
    assert not list(machine.project.glob("*.log")) + list(machine.project.glob(".*.log"))


def test_a_missing_python_is_said_with_what_is_needed_and_what_is_here(machine):
    for name in ("python", "python3", "python3.11"):
        machine.python(name, "3.13.5")
    done = machine.set_up()
    assert done.returncode != 0
    assert "needed: CPython 3.11" in done.stderr
    assert "python3 is CPython 3.13.5" in done.stderr
    assert "PYTHON=" in done.stderr
    assert not machine.uv_calls


def test_the_newer_release_takes_the_newer_python(machine):
    machine.system("Linux", "x86_64", "glibc 2.41")
    machine.python("python3", "3.13.5")
    done = machine.set_up()
    assert f"TFX 1.21 on {machine.tools / 'python3'}" in done.stdout


def test_a_missing_compiler_is_said_before_anything_is_fetched(machine):
    machine.tool("c++", "exit 1")
    done = machine.set_up()
    assert done.returncode != 0
    assert "no C++ compiler" in done.stderr
    assert "pyfarmhash" in done.stderr
    assert not machine.uv_calls


def test_missing_headers_are_said_before_anything_is_fetched(machine):
    (machine.include / "Python.h").unlink()
    done = machine.set_up()
    assert "python3-dev" in done.stderr
    assert not machine.uv_calls


def test_an_unknown_release_is_refused_with_those_that_exist(machine):
    done = machine.set_up(TFX="1.15")
    assert done.returncode != 0
    assert "1.16 and 1.21" in done.stderr
