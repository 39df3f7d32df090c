"""docs/troubleshooting.md quotes messages that the project really gives."""

import ast
import re

import pytest
from guides import DOCS, PROJECT

from components import errors

PAGE = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
TREES = [
    ast.parse(path.read_text(encoding="utf-8"))
    for folder in ("pipeline", "components")
    for path in sorted((PROJECT / folder).rglob("*.py"))
]
GAP = "\0"


def text_of(node):
    """A text in the source; what is filled in later is a gap."""
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else GAP for v in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ""


TEXTS = {text_of(node) for tree in TREES for node in ast.walk(tree)}
TEXTS.add((PROJECT / "tools" / "setup.sh").read_text(encoding="utf-8"))


def holds(text, message):
    """Whether a text has the parts of a message, in order."""
    place = 0
    for part in message.split("…"):
        place = text.find(part.strip(), place)
        if place < 0:
            return False
        place += len(part.strip())
    return True


def is_said(message):
    return any(holds(text, message) for text in TEXTS)


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_one_of_the_project(message):
    assert is_said(message)


def test_a_message_that_nobody_gives_is_seen():
    assert not is_said("there is no such kea") and not is_said("holds no … elephants")


def test_every_kind_of_error_has_messages_there():
    """Of each class in components/errors.py at least one message is quoted."""
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.GraftError)
    } - {"GraftError"}
    raised = {kind: [] for kind in kinds}
    for tree in TREES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in kinds:
                raised[node.func.id] += [text_of(n) for a in node.args for n in ast.walk(a)]
    for kind, texts in raised.items():
        assert any(holds(text, message) for text in texts for message in QUOTED), kind
