"""Numbers in a source's path: {SPAN} and {VERSION}, as TFX's ExampleGens know them."""

import glob
import os
import re
from typing import NamedTuple

from components.errors import DataError

_TOKEN = re.compile(r"\{(SPAN|VERSION)(?::(\d+))?\}")


class Resolved(NamedTuple):
    """A source without placeholders; `span` is 0 and `version` None where it names none."""

    source: str
    span: int
    version: int | None


def resolve_span(source: str, span: int | None = None, version: int | None = None) -> Resolved:
    """Fills {SPAN} and {VERSION} in.

    Args:
      source: a path such as "images/{SPAN}", "images/{SPAN:3}-v{VERSION}/list.csv". A width says
        how many digits, padded with zeros.
      span: the span to take; by default the newest, that is the greatest number.
      version: its version; by default the newest of that span.

    Raises:
      DataError: nothing there matches, or the placeholders do not make sense.
    """
    source = os.path.expanduser(source)
    tokens = [match.group(1) for match in _TOKEN.finditer(source)]
    if not tokens:
        return Resolved(source, 0, None)
    if "SPAN" not in tokens or len(set(tokens)) != len(tokens):
        raise DataError(
            f"{source}: write {{SPAN}} once, and {{VERSION}} at most once and only beside it"
        )
    pattern, regex, end = "", "", 0
    for token in _TOKEN.finditer(source):
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
        example = _TOKEN.sub(lambda token: "1".zfill(int(token[2] or 1)), source)
        raise DataError(
            f"{source}: nothing there has a number in place of {' and '.join(tokens)}; "
            f"make, for example, {example}"
        )
    if span is not None:
        found = [f for f in found if f.span == span and version in (None, f.version)]
        if not found:
            raise DataError(f"{source}: span {span}, version {version} has gone; run again")
    return max(found, key=lambda f: (f.span, -1 if f.version is None else f.version, f.source))
