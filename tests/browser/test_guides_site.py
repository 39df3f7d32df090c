"""The site of the guides in a real browser: on a desk and on a telephone, by day and by night."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
    )
    return folder


@pytest.fixture(scope="module")
def address(built):
    handler = functools.partial(_Quiet, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(params=[(1280, "light"), (390, "light"), (390, "dark")], ids=str)
def visit(request, browser):
    """visit(url) opens a page; afterwards, nothing may have gone wrong on any of them."""
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_default_timeout(60_000)
    said, asked = [], set()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda asking: asked.add(asking.url.split("/")[2]))

    def visit(url):
        page.goto(url)
        return page

    visit.width = width
    yield visit
    page.close()
    assert not said
    assert len(asked - {""}) <= 1, "only the server of the site is asked"


def test_every_page_fits_and_asks_nobody_else(visit, address, built):
    for path in sorted(built.glob("*.html")):
        page = visit(f"{address}/{path.name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= visit.width, path.name


@pytest.mark.parametrize("name", ["index", "first_run", "your_images", "troubleshooting"])
def test_everybody_can_read_it(visit, address, name):
    page = visit(f"{address}/{name}.html")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    wrong = [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_search_finds_a_message(visit, address):
    page = visit(f"{address}/index.html")
    if visit.width < 1000:
        page.click(".md-header__button[for=__search]")
    page.wait_for_selector(".md-search-result__meta:has-text('Type to start')", state="attached")
    # Typed, for the theme listens to keys.
    page.locator(".md-search__input").press_sequentially("reference variables", delay=20)
    page.wait_for_selector("a.md-search-result__link[href*=troubleshooting]", state="attached")


def test_it_works_from_disk(visit, built):
    page = visit((built / "first_run.html").as_uri())
    page.click(".md-content a[href='your_images.html']")
    assert page.inner_text("h1").startswith("Your own images")
