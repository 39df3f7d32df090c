"""Numbers in a source's path: {SPAN} and {VERSION}, as TFX's ExampleGens know them."""

import glob
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from components.errors import DataError

TOKEN = re.compile(r"\{(SPAN|VERSION)(?::(\d+))?\}")
"""A number in a path: its name, and how many digits it has at least."""


class Resolved(NamedTuple):
    """A source without placeholders; `span` is 0 and `version` None where it names none."""

    source: str
    span: int
    version: int | None


def resolve_spans(
    source: str, count: int = 1, chosen: Sequence[tuple[int, int | None]] | None = None
) -> list[Resolved]:
    """Fills {SPAN} and {VERSION} in.

    Args:
      source: a path such as "images/{SPAN}", "images/{SPAN:3}-v{VERSION}/list.csv". A width says
        how many digits, padded with zeros.
      count: how many spans to take: the newest, that is those with the greatest numbers, each in
        its newest version.
      chosen: the (span, version) to take instead; version None for the newest.

    Returns:
      The oldest first; fewer than `count` where there are not so many. A path without {SPAN} is
      one source.

    Raises:
      DataError: nothing there matches, or the placeholders do not make sense.
    """
    source = os.path.expanduser(source)
    tokens = [match.group(1) for match in TOKEN.finditer(source)]
    if not tokens:
        return [Resolved(source, 0, None)]
    if "SPAN" not in tokens or len(set(tokens)) != len(tokens):
        raise DataError(
            f"{source}: write {{SPAN}} once, and {{VERSION}} at most once and only beside it"
        )
    pattern, regex, end = "", "", 0
    for token in TOKEN.finditer(source):
        before, (name, width) = source[end : token.start()], token.groups()
        pattern += glob.escape(before) + "*"
        regex += re.escape(before) + f"(?P<{name}>[0-9]{{{width or '1,18'}}})"
        end = token.end()
    pattern += glob.escape(source[end:])
    regex += re.escape(source[end:])
    found = []
    for path in glob.glob(pattern):
        if match := re.fullmatch(regex, path):
            numbers = {name: int(value) for name, value in match.groupdict().items()}
            found.append(Resolved(path, numbers["SPAN"], numbers.get("VERSION")))
    if not found:
        example = TOKEN.sub(lambda token: "1".zfill(int(token[2] or 1)), source)
        raise DataError(
            f"{source}: nothing there has a number in place of {' and '.join(tokens)}; "
            f"make, for example, {example}"
        )
    newest: dict[int, Resolved] = {}
    for one in sorted(found, key=lambda f: (-1 if f.version is None else f.version, f.source)):
        newest[one.span] = one
    if chosen is None:
        return [newest[span] for span in sorted(newest)[-count:]]
    return [_chosen(source, found, newest, *which) for which in chosen]


def _chosen(
    source: str,
    found: list[Resolved],
    newest: dict[int, Resolved],
    span: int,
    version: int | None,
) -> Resolved:
    if version is None and span in newest:
        return newest[span]
    for one in found:
        if (one.span, one.version) == (span, version):
            return one
    raise DataError(f"{source}: span {span}, version {version} has gone; run again")
