"""The requirement files: every package pinned by hash, nothing about where it comes from."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).parents[2] / "requirements"


def wanted(path: Path) -> list[Requirement]:
    """The requirements of an .in file and of the files that it names."""
    lines = [line.split("#")[0].strip() for line in path.read_text().splitlines()]
    own = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    named = [path.parent / line[3:].strip() for line in lines if line.startswith("-r ")]
    return own + [requirement for other in named for requirement in wanted(other)]


def pins(path: Path) -> dict[str, str]:
    """Package to version, of a compiled file."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(), flags=re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


# Installed beside another file, whose pins they keep.
BESIDE = {
    "gpu": "tfx-1.21",
    "tests-1.16": "tfx-1.16",
    "tests-1.21": "tfx-1.21",
}


@pytest.fixture(
    params=[path.stem for path in sorted(FOLDER.glob("*.txt")) if path.stem != "overrides"]
)
def name(request):
    return request.param


def test_each_compiled_file_holds_what_its_source_asks_for(name):
    pinned = pins(FOLDER / f"{name}.txt")
    if name in BESIDE:
        pinned |= pins(FOLDER / f"{BESIDE[name]}.txt")
    source = "tests" if name.startswith("tests-") else name
    for requirement in wanted(FOLDER / f"{source}.in"):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement}: pinned to {version}"


def test_each_package_has_a_hash(name):
    entries = re.split(
        r"^(?=[A-Za-z0-9])", (FOLDER / f"{name}.txt").read_text(), flags=re.MULTILINE
    )
    without = [
        entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry
    ]
    assert not without


def test_no_file_names_a_registry(name):
    text = (FOLDER / f"{name}.txt").read_text()
    assert "://" not in text
    assert "index-url" not in text


@pytest.mark.parametrize("release", ["1.16", "1.21"])
def test_both_releases_take_the_hub_library_that_they_can_import(release):
    pinned = pins(FOLDER / f"tfx-{release}.txt")
    assert pinned["tensorflow-hub"] == "0.16.1"
    assert int(pinned["setuptools"].split(".")[0]) < 81


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_installed_beside_a_release_changes_nothing_in_it(name):
    assert not set(pins(FOLDER / f"{name}.txt")) & set(pins(FOLDER / f"{BESIDE[name]}.txt"))


def test_the_gpu_file_holds_the_libraries_that_tensorflow_leaves_out():
    assert "nvidia-cudnn-cu12" in pins(FOLDER / "gpu.txt")


@pytest.mark.parametrize("release", ["1.16", "1.21"])
def test_a_release_holds_nothing_that_only_tests_need(release):
    # To remove mlflow afterwards would take files of mlflow-skinny, which runs need, with it.
    pinned = pins(FOLDER / f"tfx-{release}.txt")
    named = {canonicalize_name(requirement.name) for requirement in wanted(FOLDER / "tests.in")}
    assert not named & set(pinned)
    assert "mlflow-skinny" in pinned
