"""The guides as a site: every page is in it, links are checked, nothing comes from elsewhere."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from guides import DOCS, PROJECT


def build(project, site):
    """Builds the site of a project's folder as `make docs` does.

    Not with --quiet, under which --strict sees no warning.
    """
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=project,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )


def copy(folder):
    """What the site is made of, in another folder."""
    for name in ("docs", "configs", "deploy", "benchmarks", "tools", "tests"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in PROJECT.iterdir():
        if path.suffix in (".md", ".yml", ".toml") or path.name in ("Makefile", "LICENSE"):
            shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = build(PROJECT, folder)
    assert done.returncode == 0, done.stderr
    return folder


def nav():
    """The pages of the site in their order, without sections."""

    def flat(items):
        for item in items:
            (value,) = item.values() if isinstance(item, dict) else [item]
            yield from flat(value) if isinstance(value, list) else [value]

    class Loader(yaml.SafeLoader):
        """Passes over mkdocs's own tags."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
    config = yaml.load((PROJECT / "mkdocs.yml").read_text(), Loader)
    return list(flat(config["nav"]))


def test_readme_lists_the_guides_in_the_order_of_the_site():
    guides = (PROJECT / "README.md").read_text().partition("\n## Guides\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^- \[[^]]*\]\(docs/(\w+\.md)\)", guides, re.MULTILINE)
    assert listed == [page for page in nav() if (DOCS / page).is_file()]


def test_every_guide_has_its_page(site):
    for page in nav():
        html = (site / page.replace(".md", ".html")).read_text()
        assert "<h1" in html


def test_the_site_asks_no_other_host(site):
    loads = re.compile(
        r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?((?:https?:)?//[^"'\s>]+)"""
        r"""|<link(?![^>]*rel=["']?canonical)[^>]*\shref=["']?((?:https?:)?//[^"'\s>]+)"""
    )
    for path in site.rglob("*.html"):
        assert not loads.findall(path.read_text()), path.name
    for path in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", path.read_text()), path.name


def test_links_to_files_of_the_project_are_in_the_site(site):
    html = (site / "index.html").read_text()
    (copied,) = set(re.findall(r'href="(files/configs/[\w/.]+)"', html))
    assert (site / copied).read_text() == (PROJECT / "configs/folder.yaml").read_text()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("[x](no_such_page.md)", "no_such_page.md"),
        ("[x](../configs/no_such.yaml)", "no_such.yaml"),
        ("[x](data.md#no-such-heading)", "no-such-heading"),
    ],
)
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path, wrong, said):
    project = copy(tmp_path / "project")
    with (project / "docs" / "data.md").open("a") as page:
        page.write(f"\n{wrong}\n")
    done = build(project, tmp_path / "site")
    assert done.returncode != 0
    assert said in done.stderr


def test_a_guide_that_is_not_in_the_navigation_fails_the_build(tmp_path):
    project = copy(tmp_path / "project")
    (project / "docs" / "forgotten.md").write_text("# Forgotten\n")
    done = build(project, tmp_path / "site")
    assert done.returncode != 0
    assert "forgotten.md" in done.stderr
