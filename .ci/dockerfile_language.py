"""What of the Dockerfile's language, and of the ignore file's, .ci/dockerfile.py knows.

Each function refuses what it does not know, so that nothing is passed over.
"""

import dataclasses
import re

LAST = "image"
"""What the last stage is called, since it has no name of its own."""

WORDS = {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}

Rules = list[tuple[bool, re.Pattern[str]]]
"""Of an ignore file, in order: whether each takes back in, and what it matches."""


class Refused(Exception):
    """The Dockerfile, or the ignore file, says something that this program does not know."""


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction: its word in capitals, its --flags by name, and the rest of it."""

    word: str
    flags: dict[str, str]
    rest: str


def parse(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, in order.

    Raises:
      Refused: another instruction than those of WORDS, a parser directive, a here-document, or a
        flag without a value.
    """
    if re.match(r"#\s*(syntax|escape|check)\s*=", text, re.IGNORECASE):
        raise Refused("a parser directive in the first line")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n", "", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        if word.upper() not in WORDS:
            raise Refused(f"{word}: is not known")
        flags = {}
        rest = rest.strip()
        while rest.startswith("--"):
            flag, _, rest = rest.partition(" ")
            name, equals, value = flag[2:].partition("=")
            if not equals:
                raise Refused(f"{word} {flag}: has no value")
            flags[name] = value
            rest = rest.lstrip()
        if "<<" in rest:
            raise Refused(f"{word}: a here-document")
        found.append(Instruction(word.upper(), flags, rest))
    return found


def stages(instructions: list[Instruction]) -> dict[str, tuple[str, list[Instruction]]]:
    """Stage name to what it stands on and its instructions, in order; the last one is LAST.

    Raises:
      Refused: a FROM that names no stage above it and no debian:SUITE-slim; no name.
    """
    found: dict[str, tuple[str, list[Instruction]]] = {}
    name = None
    for number, instruction in enumerate(instructions):
        if instruction.word != "FROM":
            if name is None:
                raise Refused(f"{instruction.word} before the first FROM")
            found[name][1].append(instruction)
            continue
        match = re.fullmatch(r"(\S+)(?:\s+AS\s+([a-z]+))?", instruction.rest, re.IGNORECASE)
        if not match or instruction.flags:
            raise Refused(f"FROM {instruction.rest}: give FROM IMAGE [AS name]")
        below, name = match[1], match[2]
        if below not in found and not re.fullmatch(r"debian:[a-z]+-slim", below):
            raise Refused(f"FROM {below}: is no stage above it, and no debian:SUITE-slim")
        is_last = all(later.word != "FROM" for later in instructions[number + 1 :])
        name = LAST if is_last else name
        if name is None or name in found:
            raise Refused(f"FROM {below}: needs a name of its own")
        found[name] = (below, [])
    return found


def expand(text: str, values: dict[str, str]) -> str:
    """Puts values in for $NAME and ${NAME}; an unknown name is empty, as in an engine.

    Raises:
      Refused: any other use of a dollar, or a backslash.
    """
    if "\\" in text or re.search(r"\$(?![A-Za-z_{])|\$\{[A-Za-z0-9_]*[^A-Za-z0-9_}]", text):
        raise Refused(f"{text}: only $NAME and ${{NAME}} are known")
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m[1] or m[2], ""), text)


def ignore_rules(text: str) -> Rules:
    """The lines of an ignore file.

    Raises:
      Refused: a pattern with `?`, `[`, `\\`, or `**` elsewhere than at its start.
    """
    rules = []
    for line in text.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        back_in = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip("/")
        anywhere, pattern = pattern.startswith("**/"), pattern.removeprefix("**/")
        if re.search(r"[?\[\\]|\*\*", pattern):
            raise Refused(f"{line}: only * and a leading **/ are known")
        regex = "[^/]*".join(re.escape(part) for part in pattern.split("*"))
        # A folder that matches brings all that is in it.
        rules.append(
            (back_in, re.compile(("(?:.*/)?" if anywhere else "") + regex + "(?:/.*)?", re.DOTALL))
        )
    return rules


def is_ignored(path: str, rules: Rules) -> bool:
    """Whether a path below the context stays out; the last rule that matches has it."""
    said = [back_in for back_in, pattern in rules if pattern.fullmatch(path)]
    return bool(said) and not said[-1]
