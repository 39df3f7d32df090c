"""Links in the guides lead somewhere. Those to other hosts are looked at for their form alone."""

import re
from urllib.parse import urlsplit

import pytest
from guides import PAGES, PROJECT
from markdown.extensions.toc import slugify

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
OTHERS = [PROJECT / "CHANGELOG.md", PROJECT / "benchmarks" / "README.md"]


def prose(page):
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page):
    """What may stand behind # in a link to the page, as GitHub and mkdocs both make it."""
    found = []
    for title in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)|[`*]", r"\1", title)
        found.append(slugify(plain, "-"))
    return found


def problem(page, link):
    """What is wrong with a link, or None."""
    if re.match("[a-z]+:", link):
        parts = urlsplit(link)
        return None if parts.scheme == "https" and "." in parts.netloc else "is no https address"
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(PROJECT.resolve()):
        return "leads out of the project"
    if not target.is_file():
        return "there is no such file"
    if anchor and anchor not in anchors(target):
        return f"there is no such heading; there are {', '.join(anchors(target))}"
    return None


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page)))
    wrong = {link: said for link in links if (said := problem(page, link))}
    assert not wrong


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("docs/data.md", None),
        ("docs/data.md#checking-it", None),
        ("docs/date.md", "no such file"),
        ("docs/data.md#checked", "no such heading"),
        ("../elsewhere.md", "out of the project"),
        ("http://example.org", "https"),
    ],
)
def test_a_wrong_link_is_seen(link, said):
    found = problem(PROJECT / "README.md", link)
    assert found is None if said is None else said in found
