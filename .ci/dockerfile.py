"""Does what deploy/Dockerfile says without a container engine, one Debian root a stage.

`python .ci/dockerfile.py build FOLDER [NAME=VALUE ...]` follows the Dockerfile to its end, below
FOLDER; a stage whose instructions, arguments and files did not change is kept, but for the last.
`python .ci/dockerfile.py run FOLDER [COMMAND ...]` then runs a command in the last stage's root, as
an engine would: its user, its environment and nothing else, its working directory.

It knows the instructions that the Dockerfile uses, and refuses every other, so that nothing is
passed over. Roots are made and entered by .ci/root.sh; it must run as root, on Linux.
"""

import dataclasses
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from dockerfile_language import (
    LAST,
    Instruction,
    Refused,
    Rules,
    expand,
    ignore_rules,
    is_ignored,
    parse,
    stages,
)

PROJECT = Path(__file__).resolve().parents[1]
DOCKERFILE = PROJECT / "deploy/Dockerfile"
IGNORE_FILE = PROJECT / ".dockerignore"
ROOT_SH = PROJECT / ".ci/root.sh"


@dataclasses.dataclass
class Image:
    """What an engine keeps beside a stage's files.

    Attributes:
      key: a digest of all that went into the stage so far.
      env: environment variables, without the arguments of the build.
      workdir: where commands begin.
      user: `UID:GID`, in numbers.
      entrypoint: what stands before every command.
      command: what runs where nothing else is asked for.
    """

    key: str
    env: dict[str, str] = dataclasses.field(
        default_factory=lambda: {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
    )
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = dataclasses.field(default_factory=list)
    command: list[str] = dataclasses.field(default_factory=list)

    def add(self, *words: str) -> None:
        """Makes words a part of the key."""
        self.key = _digest(self.key, *words)


def context_files(source: str, rules: Rules) -> Iterator[str]:
    """The files below `source`, or itself, that the ignore file lets in; sorted, from PROJECT."""
    top = PROJECT / source
    if top.is_file():
        paths = [top]
    else:
        paths = sorted(
            Path(folder) / file
            for folder, folders, files in os.walk(top)
            for file in files + [name for name in folders if (Path(folder) / name).is_symlink()]
        )
    for path in paths:
        relative = str(path.relative_to(PROJECT))
        if not is_ignored(relative, rules):
            yield relative


class Build:
    """Follows a Dockerfile, stage by stage.

    Args:
      folder: where roots lie, `FOLDER/NAME` each, and beside them `NAME.json`, the stage's Image.
      arguments: of the build, by name.
    """

    def __init__(self, folder: Path, arguments: dict[str, str]):
        self.folder = folder
        self.arguments = arguments
        self.rules = ignore_rules(IGNORE_FILE.read_text())
        self.images: dict[str, Image] = {}

    def run(self, text: str) -> None:
        """Builds all stages.

        Raises:
          Refused: see the module; also an argument that no stage declares.
          CalledProcessError: a command failed.
        """
        found = stages(parse(text))
        declared = {
            instruction.rest.partition("=")[0]
            for _, instructions in found.values()
            for instruction in instructions
            if instruction.word == "ARG"
        }
        if unknown := set(self.arguments) - declared:
            raise Refused(f"no stage has the argument {', '.join(sorted(unknown))}")
        for name, (below, instructions) in found.items():
            self._build_stage(name, below, instructions)

    def _build_stage(self, name: str, below: str, instructions: list[Instruction]) -> None:
        start = self._image_below(below)
        wanted = self._key(dataclasses.replace(start), instructions)
        if name != LAST and (kept := self._kept(name)) and kept.key == wanted:
            print(f"{name}: kept from an earlier build", flush=True)
            self.images[name] = kept
            return
        print(f"{name}: FROM {below}", flush=True)
        self._record_of(name).unlink(missing_ok=True)
        root = self.folder / name
        _remove(root)
        _copy(self.folder / below.replace(":", "-"), root)
        image = dataclasses.replace(start, env=dict(start.env))
        arguments: dict[str, str] = {}
        for instruction in instructions:
            began = time.monotonic()
            self._do(instruction, root, image, arguments)
            seconds = time.monotonic() - began
            words = " ".join(f"{instruction.word} {instruction.rest}".split())
            print(f"  {seconds:5.1f} s  {words[:100]}", flush=True)
        image.key = wanted
        self.images[name] = image
        self._record_of(name).write_text(json.dumps(dataclasses.asdict(image)))

    def _image_below(self, below: str) -> Image:
        if below in self.images:
            return self.images[below]
        suite = below.removeprefix("debian:").removesuffix("-slim")
        _root_sh("make_root", suite, str(self.folder / below.replace(":", "-")))
        # What follows the Dockerfile is a part of what comes of it.
        return Image(
            key=_digest(below, *map(_digest_of, sorted((PROJECT / ".ci").glob("[dr]*.*"))))
        )

    def _record_of(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _kept(self, name: str) -> Image | None:
        record = self._record_of(name)
        return Image(**json.loads(record.read_text())) if record.exists() else None

    def _key(self, image: Image, instructions: list[Instruction]) -> str:
        """The key that a stage has once its instructions are done."""
        for instruction in instructions:
            image.add(instruction.word, json.dumps(instruction.flags), instruction.rest)
            if instruction.word == "ARG":
                image.add(self.arguments.get(instruction.rest.partition("=")[0], ""))
            elif instruction.word == "COPY" and "from" in instruction.flags:
                image.add(self.images[instruction.flags["from"]].key)
            elif instruction.word == "COPY":
                for source in instruction.rest.split()[:-1]:
                    for path in context_files(source, self.rules):
                        image.add(path, _digest_of(PROJECT / path))
        return image.key

    def _do(
        self, instruction: Instruction, root: Path, image: Image, arguments: dict[str, str]
    ) -> None:
        word, rest = instruction.word, instruction.rest
        known = {"COPY": {"from", "chown"}}.get(word, set())
        if unknown := set(instruction.flags) - known:
            raise Refused(f"{word} --{unknown.pop()}: is not known")
        values = {**arguments, **image.env}
        if word == "ARG":
            name, equals, default = rest.partition("=")
            if name in self.arguments or equals:
                arguments[name] = self.arguments.get(name, expand(default, values))
        elif word == "ENV":
            for pair in shlex.split(rest):
                name, equals, value = pair.partition("=")
                if not equals:
                    raise Refused(f"ENV {pair}: give NAME=VALUE")
                image.env[name] = expand(value, values)
        elif word == "WORKDIR":
            image.workdir = os.path.join(image.workdir, expand(rest, values))
            (root / image.workdir.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            if not re.fullmatch(r"[0-9]+:[0-9]+", rest):
                raise Refused(f"USER {rest}: give two numbers, UID:GID")
            image.user = rest
        elif word in ("CMD", "ENTRYPOINT"):
            if not rest.startswith("["):
                raise Refused(f'{word} {rest}: give a list, ["word", ...]')
            setattr(image, {"CMD": "command"}.get(word, "entrypoint"), json.loads(rest))
        elif word == "COPY":
            self._copy_in(instruction, root, image, values)
        else:  # RUN, the last of the words
            if rest.startswith("["):
                raise Refused("RUN [...]: give the command as the shell reads it")
            self._run(rest, root, image, arguments)

    def _run(self, command: str, root: Path, image: Image, arguments: dict[str, str]) -> None:
        log = self.folder / "step.log"
        try:
            with log.open("wb") as file:
                shell = ["/bin/sh", "-c", command]
                inside(root, image, shell, {**os.environ, **arguments}, output=file)
        except subprocess.CalledProcessError:
            # Without the names of hosts: where packages come from is the machine's business.
            said = re.sub(r"://[^/\s]*", "://...", log.read_text(errors="replace"))
            print("\n".join(said.splitlines()[-30:]), flush=True)
            raise

    def _copy_in(
        self, instruction: Instruction, root: Path, image: Image, values: dict[str, str]
    ) -> None:
        *sources, target = expand(instruction.rest, values).split()
        if not sources or re.search(r'[*?\["]', " ".join(sources)):
            raise Refused(f"COPY {instruction.rest}: give names, without patterns or quotes")
        to = root / os.path.join(image.workdir, target).lstrip("/")
        if len(sources) > 1 and not target.endswith("/"):
            raise Refused(f"COPY {instruction.rest}: several files go into a folder, with a /")
        owner = instruction.flags.get("chown", "0:0")
        if not re.fullmatch(r"[0-9]+:[0-9]+", owner):
            raise Refused(f"COPY --chown={owner}: give two numbers, UID:GID")
        for source in sources:
            if "from" in instruction.flags:
                top = self.folder / instruction.flags["from"] / source.lstrip("/")
                into_folder = target.endswith("/") and not top.is_dir()
                # By hard links: 3 GB are neither written nor, on some disks the longer part, freed.
                # No later step may write into such a file; replacing it is fine.
                how = ["--link"] if owner == "0:0" else []
                _copy(top, to / top.name if into_folder else to, *how)
                if owner != "0:0":
                    subprocess.run(["chown", "-hR", owner, str(to)], check=True)
                continue
            copied = 0
            for path in context_files(source, self.rules):
                is_file = path == os.path.normpath(source)
                below = os.path.basename(path) if is_file else os.path.relpath(path, source)
                place = to if is_file and not target.endswith("/") else to / below
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(PROJECT / path, place, follow_symlinks=False)
                os.chown(place, *map(int, owner.split(":")), follow_symlinks=False)
                copied += 1
            if not copied:
                raise Refused(f"COPY {source}: the ignore file keeps it out, or it is not there")


def inside(
    root: Path,
    image: Image,
    command: list[str],
    environment: dict[str, str],
    output: BinaryIO | None = None,
) -> None:
    """Runs a command in a root as the image says: its user, its variables, its folder.

    Args:
      environment: further variables, which those of the image replace; with none, the command sees
        the image's alone.
      output: where it writes what it says; by default as this program does.

    Raises:
      CalledProcessError: it failed.
    """
    user, group = image.user.split(":")
    env = ["env"] if environment else ["env", "--ignore-environment"]
    subprocess.run(
        ["bash", str(ROOT_SH), "enter_root", str(root)]
        + ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        + env
        + [f"{name}={value}" for name, value in image.env.items()]
        + ["/bin/sh", "-c", 'cd "$0" && exec "$@"', image.workdir, *command],
        env=environment or dict(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        check=True,
    )


def _root_sh(*words: str) -> None:
    subprocess.run(["bash", str(ROOT_SH), *words], check=True)


def _copy(source: Path, target: Path, *options: str) -> None:
    """Copies a file, or what is in a folder, with owners, times and links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-aT", *options, str(source), str(target)], check=True)


def _remove(root: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)


def _digest(*words: str) -> str:
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def _digest_of(path: Path) -> str:
    if path.is_symlink():
        return _digest("link", os.readlink(path))
    return _digest(str(os.access(path, os.X_OK)), hashlib.sha256(path.read_bytes()).hexdigest())


def main(arguments: list[str]) -> None:
    """Builds or runs; see the module."""
    match arguments:
        case ["build", folder, *pairs]:
            place = Path(folder).resolve()
            place.mkdir(parents=True, exist_ok=True)
            try:
                Build(place, dict(pair.split("=", 1) for pair in pairs)).run(DOCKERFILE.read_text())
            except Refused as e:
                sys.exit(f"{DOCKERFILE.relative_to(PROJECT)}: {e}; teach .ci/dockerfile.py")
            except subprocess.CalledProcessError as e:
                sys.exit(f"{DOCKERFILE.relative_to(PROJECT)}: a step failed ({e.returncode})")
        case ["run", folder, *command]:
            place = Path(folder).resolve()
            image = Image(**json.loads((place / f"{LAST}.json").read_text()))
            try:
                inside(place / LAST, image, image.entrypoint + (command or image.command), {})
            except subprocess.CalledProcessError as e:
                sys.exit(e.returncode)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
