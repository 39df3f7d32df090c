"""The image: what goes into it, how CI reads its Dockerfile, and the engine that builds it."""

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, PROJECT / f".ci/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


language = load("dockerfile_language")
DOCKERFILE = language.parse((PROJECT / "deploy/Dockerfile").read_text())


def copies() -> list[str]:
    """What the Dockerfile takes out of the project."""
    return [
        source
        for each in DOCKERFILE
        if each.word == "COPY" and "from" not in each.flags
        for source in each.rest.split()[:-1]
    ]


def test_the_ignore_file_lets_in_what_the_dockerfile_takes_and_little_else():
    rules = language.ignore_rules((PROJECT / ".dockerignore").read_text())
    for source in copies():
        files = (
            [PROJECT / source] if (PROJECT / source).is_file() else (PROJECT / source).rglob("*")
        )
        assert any(not language.is_ignored(str(f.relative_to(PROJECT)), rules) for f in files)
    for kept_out in (
        ".git/config",
        ".venv/bin/python",
        "components/trainer/__pycache__/executor.cpython-313.pyc",
        "modules/efficientnet_lite0/saved_model.pb",
        "runs/digits/metadata.db",
        "tests/conftest.py",
        "tools/flink.sh",
    ):
        assert language.is_ignored(kept_out, rules), kept_out


def test_the_last_rule_of_an_ignore_file_has_it():
    rules = language.ignore_rules("*\n!a\n**/no\n!a/b/no/yes\n*.txt\n")
    seen = [
        path for path in ("a", "a/x", "b", "a/no", "a/b/no/x", "a/b/no/yes", "c.txt", "a/c.txt")
    ]
    assert [path for path in seen if not language.is_ignored(path, rules)] == [
        "a",
        "a/x",
        "a/b/no/yes",
        "a/c.txt",
    ]


def test_stages_know_what_they_stand_on():
    found = language.stages(DOCKERFILE)
    assert list(found)[-1] == language.LAST
    assert [below for below, _ in found.values()] == ["debian:trixie-slim", "base", "base"]


def test_the_image_ends_as_a_numbered_user_other_than_root():
    _, last = language.stages(DOCKERFILE)[language.LAST]
    (user,) = [each.rest for each in last if each.word == "USER"]
    assert int(user.split(":")[0]) > 0
    assert user.endswith(":0"), "arbitrary users of OpenShift are in group 0"


def test_the_compiler_stays_behind():
    _, last = language.stages(DOCKERFILE)[language.LAST]
    assert not any("apt-get" in each.rest for each in last)


def test_lines_go_on_after_a_backslash_and_comments_may_stand_between():
    (run,) = language.parse("# first\nRUN a \\\n  # between\n && b\n")
    assert (run.word, run.rest.split()) == ("RUN", ["a", "&&", "b"])


def test_flags_are_read_by_name():
    (copy,) = language.parse("COPY --from=base --chown=1:0 /a /b")
    assert (copy.flags, copy.rest) == ({"from": "base", "chown": "1:0"}, "/a /b")


@pytest.mark.parametrize(
    "text",
    [
        "# syntax=docker/dockerfile:1\nFROM debian:trixie-slim",
        "FROM debian:trixie-slim\nRUN <<EOF\nEOF",
        "FROM debian:trixie-slim\nCOPY --link a b",
        "FROM debian:trixie-slim\nVOLUME /mnt",
        "FROM ubuntu",
        "FROM debian:trixie-slim\nFROM debian:trixie-slim",
        "FROM --platform=linux/amd64 debian:trixie-slim",
        "ARG A=1\nFROM debian:trixie-slim",
    ],
)
def test_what_ci_does_not_know_is_refused(text):
    with pytest.raises(language.Refused):
        language.stages(language.parse(text))


@pytest.mark.parametrize("text", ["${A:-b}", "$(a)", "$1", "a\\b", "cost: 5$"])
def test_other_uses_of_a_dollar_are_refused(text):
    with pytest.raises(language.Refused):
        language.expand(text, {})


def test_variables_are_put_in():
    assert language.expand("$A/${B}$C", {"A": "a", "B": "b"}) == "a/b"


@pytest.mark.parametrize("pattern", ["a?", "[ab]", "a/**/b", "a\\b"])
def test_other_patterns_are_refused(pattern):
    with pytest.raises(language.Refused):
        language.ignore_rules(pattern)


@pytest.fixture
def image(tmp_path):
    """Calls tools/image.sh where the engines named are all there is."""

    def call(*arguments: str, engines: dict[str, str]):
        for name in ("docker", "podman", "buildah"):
            (tmp_path / name).write_text(f"#!/bin/sh\n{engines.get(name, 'exit 1')}\n")
            (tmp_path / name).chmod(0o755)
        return subprocess.run(
            ["sh", str(PROJECT / "tools/image.sh"), *arguments],
            env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
        )

    return call


SAYS = '[ "$1" = info ] || echo "$0 $*"'


def test_the_first_engine_that_answers_builds_the_image(image):
    done = image("some/graft:1", "gpu", engines={"podman": SAYS, "buildah": SAYS})
    words = done.stdout.splitlines()[-1].split("/podman ")[1].split()
    assert words[:3] == ["build", "--file", "deploy/Dockerfile"]
    assert words[3:] == ["--tag", "some/graft:1", "--build-arg", "ACCELERATOR=gpu", "."]


def test_without_an_engine_one_sentence_says_so(image):
    done = image("graft:latest", "cpu", engines={})
    assert done.returncode == 1
    assert done.stderr.startswith("image: needs docker, podman or buildah")
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_accelerator_is_refused(image):
    done = image("graft:latest", "tpu", engines={"docker": SAYS})
    assert done.returncode == 1
    assert "cpu nor gpu" in done.stderr
