"""What `make docs` adds to mkdocs: pages that lie outside docs/, and links to files of the project.

Links in every page are written as they work in the repository. Here they are turned to where the
same thing lies in the site, so that mkdocs can check each of them; a link that leads nowhere is
left as it is, and fails the build.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Pages of the site that lie elsewhere than in docs/, by their path in the project."""

_FENCE = re.compile(r"^(```.*?^```)$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages from outside docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turns the links of one page to where they lead in the site."""
    here = page.file.src_uri
    source = next((s for s, target in PAGES.items() if target == here), f"docs/{here}")

    def place(path: str) -> str | None:
        if path.startswith("docs/"):
            return path.removeprefix("docs/")
        if path in PAGES:
            return PAGES[path]
        if not (ROOT / path).is_file():
            return None
        # As .txt every browser shows it, where it would offer to save a .yaml.
        copy = f"files/{path}.txt"
        if not files.get_file_from_path(copy):
            files.append(File.generated(config, copy, abs_src_path=str(ROOT / path)))
        return copy

    return turned(markdown, source, here, place)


def turned(markdown: str, source: str, here: str, place: Callable[[str], str | None]) -> str:
    """Returns a page's text with its links turned; code in it stays as it is.

    Args:
      markdown: the text.
      source: the page's path in the project.
      here: its path in the site.
      place: tells for a path in the project where it lies in the site; None: nowhere.
    """

    def turn(match: re.Match[str]) -> str:
        path, hash_, anchor = match[0].partition("#")
        if not path or re.match("[a-z]+:", path):
            return match[0]
        found = place(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if found is None:
            return match[0]
        return posixpath.relpath(found, posixpath.dirname(here) or ".") + hash_ + anchor

    parts = _FENCE.split(markdown)
    return "".join(p if p.startswith("```") else _LINK.sub(turn, p) for p in parts)
