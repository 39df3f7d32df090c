"""Reads the guides, and does what they tell a reader to do.

What a block of a guide means is said by its form (CONTRIBUTING.md, "Guides"):

- ```console: commands after "$ ", each with all that it prints;
- any block whose first line is "# some/file.ending": a file, to be written under that name;
- ```diff: a change of the project's files;
- ```sh: commands that need what a test has not, such as a cluster; only their form is checked.
"""

import dataclasses
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]

# What the quick tests of a page stop at, and what they pass over: it loads TensorFlow once more.
TRAINS = re.compile(r"(make run-local|graft run)\b")
LONG = re.compile(r"graft (module|compile|check .*--modules)\b")

_BLOCK = re.compile(r"^( *)```([\w-]*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml|csv|txt))\n")


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line at which it begins."""

    language: str
    text: str
    line: int

    @property
    def file(self) -> str | None:
        """The file that it holds, if it says so."""
        match = _FILE.match(self.text)
        return match[1] if match else None

    def commands(self) -> list[tuple[str, list[str]]]:
        """Of a console block, each command and the lines that it prints."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and found[-1][0].endswith("\\"):
                found[-1] = (found[-1][0][:-1] + line.strip(), [])
            else:
                found[-1][1].append(line)
        return found


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        indent, language, inner = match.groups()
        inner = re.sub(f"^{indent}", "", inner, flags=re.MULTILINE)
        found.append(Block(language, inner, text[: match.start()].count("\n") + 1))
    return found


def shell_lines(page: Path) -> list[str]:
    """All commands of a page, run or not, also those within a sentence; without comments."""
    prose = _BLOCK.sub("", page.read_text(encoding="utf-8"))
    found = [" ".join(span.split()) for span in re.findall(r"`((?:graft|make) [^`]+)`", prose)]
    for block in blocks(page):
        if block.language == "console":
            found += [command for command, _ in block.commands()]
        elif block.language == "sh":
            found += re.sub(r"\\\n\s*", "", block.text).splitlines()
    return [re.sub(r"(^|\s)#\s.*", "", line).strip() for line in found]


class Reader:
    """Somebody who has just cloned the project and follows a guide, in a folder of their own."""

    def __init__(self, folder: Path):
        self.home = folder / "graft"
        self.home.mkdir(parents=True)
        for name in ("pipeline", "components", "configs", "docs"):
            shutil.copytree(
                PROJECT / name, self.home / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(PROJECT / "setup.py", self.home)
        (self.home / "modules").mkdir()
        for module in (PROJECT / "modules").iterdir():
            (self.home / "modules" / module.name).symlink_to(module.resolve())
        programs = folder / "bin"
        programs.mkdir()
        # `make` does what the Makefile says, less the set-up that every target begins with.
        make = f"{shutil.which('make')} --dry-run --file {PROJECT / 'Makefile'}"
        for name, script in (
            ("graft", f'exec {sys.executable} -m pipeline "$@"'),
            ("python", f'exec {sys.executable} "$@"'),
            ("make", f'eval "graft $({make} "$@" | sed -n "s/.*-m pipeline run/run/p")"'),
        ):
            program = programs / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.home),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
        }

    def follow(self, page: Path, short: bool) -> int:
        """Does all that a page says, or, if short, the quick part of what comes before a training.

        Returns:
          The number of commands that were run.
        """
        count = 0
        for block in blocks(page):
            if block.language == "console":
                for command, shown in block.commands():
                    if short and TRAINS.match(command):
                        return count
                    if short and LONG.match(command):
                        continue
                    self._run(f"{page.name}: $ {command}", command, shown)
                    count += 1
            elif block.language == "diff":
                subprocess.run(
                    ["git", "apply", "--recount", "-"],
                    input=block.text,
                    cwd=self.home,
                    text=True,
                    check=True,
                )
            elif block.file:
                path = self.home / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
        return count

    def _run(self, where: str, command: str, shown: list[str]) -> None:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.home,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=1800,
        )
        expected = 2 if any(line.startswith("error: ") for line in shown) else 0
        assert done.returncode == expected, f"{where}\n{done.stdout}"
        printed = done.stdout.replace(str(self.home), "/home/you/graft")
        if shown:
            guide = "\n".join(shown)
            assert is_shown(printed, shown), f"{where}\nprints\n{printed}\nguide:\n{guide}"


def is_shown(printed: str, shown: list[str]) -> bool:
    """Whether a guide shows what was printed.

    A "…" stands for any text, alone on its line for any lines. Of numbers with a decimal point,
    times, run ids, rates, hashes and the size of a test split only the place counts; other numbers
    and all words must be equal.
    """
    pattern = ""
    for line in shown:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pieces = (re.escape(_loose(piece)) for piece in line.strip().split("…"))
            pattern += "[^\n]*?".join(pieces) + "\n" if line.strip() else ""
    lines = [_loose(line.strip()) for line in printed.splitlines() if line.strip()]
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _loose(text: str) -> str:
    text = re.sub(r"\d{8}-\d{6}-\d{3}", "RUN", text)
    text = re.sub(r"\b[\d,]+/s", "RATE", text)
    text = re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,}\b", "HASH", text)
    text = re.sub(r"\b\d+ min \d\d s", "NUMBER s", text)  # on a slower machine
    text = re.sub(r"\d+\.\d+", "NUMBER", text)
    # How many pictures fall into a split follows from their bytes, so from who encoded them.
    text = re.sub(r"\b[\d,]+ test images", "SOME test images", text)
    return re.sub(r"\s+", " ", text)
