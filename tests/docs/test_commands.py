"""What the guides tell a reader to do is there to be done, and prints what they show."""

import shlex

import bananas
import click
import pytest
import yaml
from guides import PAGES, PROJECT, Block, Reader, blocks, is_shown, shell_lines

from pipeline.cli import main
from pipeline.config_file import parse_config

FOLLOWED = [page for page in PAGES if any(b.language == "console" for b in blocks(page))]
LANGUAGES = {"console", "sh", "python", "yaml", "json", "diff", ""}


@pytest.fixture
def reader(tmp_path):
    found = Reader(tmp_path)
    bananas.draw_bananas(found.home)
    return found


def names(pages):
    return [pytest.param(page, id=page.stem) for page in pages]


@pytest.mark.parametrize("page", names(p for p in FOLLOWED if p.stem != "first_run"))
def test_a_guide_can_be_followed_up_to_its_first_training(reader, page):
    reader.follow(page, short=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", names(FOLLOWED))
def test_a_guide_can_be_followed_to_its_end(reader, page):
    assert reader.follow(page, short=False)


def commands(page):
    """(words of a graft command) for each on a page; placeholders stay as they are."""
    for line in shell_lines(page):
        for part in line.split(" && "):
            if part.startswith("graft "):
                yield shlex.split(part.partition(" | ")[0])[1:]


def wrong(words):
    """What is wrong with a graft command's name or options, or None."""
    command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if command.name == "report" and words[0] not in command.commands:
            words = ["write", *words]  # which `graft report RUN` is short for
        name, words = words[0], words[1:]
        if name not in command.commands:
            return f"there is no command {name}"
        command = command.commands[name]
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    options = [w.partition("=")[0] for w in words if w.startswith("-")]
    return next((f"there is no option {option}" for option in options if option not in known), None)


@pytest.mark.parametrize("page", names(PAGES))
def test_commands_and_options_exist(page):
    assert not [(words, said) for words in commands(page) if (said := wrong(words))]


def test_a_wrong_command_is_seen():
    assert wrong(["chek", "x.yaml"]) and wrong(["check", "x.yaml", "--module"])
    assert wrong(["registry", "list", "--json"]) is None


@pytest.mark.parametrize("page", names(PAGES))
def test_make_targets_exist(page):
    targets = (PROJECT / "Makefile").read_text()
    for line in shell_lines(page):
        if line.startswith("make "):
            assert f"\n{line.split()[1]}:" in targets, line


# Keys whose values belong together, so that a part of a configuration can stand alone in a guide.
COMPLETED = {
    "name": "guide",
    "data": {"source": "builtin://digits"},
    "train": {"phases": [{"train": "all", "epochs": 1, "learning_rate": 1e-3}]},
}


def configurations():
    for page in PAGES:
        for block in blocks(page):
            # A Kubernetes manifest in kubeflow.md is no part of a configuration.
            if block.language == "yaml" and "request.headers" not in block.text:
                yield pytest.param(block, id=f"{page.stem}-{block.line}")


def complete(part):
    values = yaml.safe_load(part)
    for key, value in COMPLETED.items():
        if isinstance(value, dict):
            values[key] = {**value, **(values.get(key) or {})}
        else:
            values.setdefault(key, value)
    return yaml.safe_dump(values)


@pytest.mark.parametrize("block", configurations())
def test_every_configuration_is_a_valid_one(block):
    parse_config(complete(block.text), "the guide")


@pytest.mark.parametrize("page", names(PAGES))
def test_every_block_says_what_it_is(page):
    """So that none is passed over because of a slip such as ```bash."""
    assert {block.language for block in blocks(page)} <= LANGUAGES


def test_what_is_shown_is_compared_loosely():
    printed = "digits  run 20261127-141653-835\n  read   1,797 images  12/s  3.8 s\n\nat /a/b\n"
    assert is_shown(
        printed, ["digits run 20250101-000000-000", "read 1,797 images 9/s 4.1 s", "at …"]
    )
    assert is_shown(printed, ["…", "at /a/b"])
    assert not is_shown(printed, ["…", "read 1,798 images 12/s 3.8 s", "at …"])
    assert not is_shown(printed, ["digits run 20261127-141653-835", "at /a/b"])


def test_a_console_block_is_commands_and_what_they_print():
    block = Block("console", "$ one \\\n    --more\nprinted\n$ two\n", 1)
    assert block.commands() == [("one --more", ["printed"]), ("two", [])]
