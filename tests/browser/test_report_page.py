"""The report and the comparison in a real browser: as a reader with mouse, keyboard or phone."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
import real_runs
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "report"))

from a_run import HOSTILE, a_run, encoded  # noqa: E402

from components.harmless import harmless  # noqa: E402
from pipeline.report.compare import write_comparison  # noqa: E402
from pipeline.report.write import write_report  # noqa: E402
from pipeline.summary import summarize  # noqa: E402

pytestmark = pytest.mark.slow

REAL = ("digits", "solar_cells", "failed", "rejects")
LABELS = (HOSTILE, "مرحبا", "a label that is much longer than any column has room for", "ok", "5")


def a_photo(i):
    """Another picture each time, large enough to be drawn small."""
    rng = np.random.default_rng(i)
    small = Image.fromarray(rng.integers(0, 256, (6, 9, 3), dtype=np.uint8))
    return encoded(small.resize((450, 300)), "JPEG")


def made(kind, root):
    """The path of a page on what real runs do not show so soon: nasty photos, two runs."""
    photos = {"labels": LABELS, "picture": a_photo, "rename": lambda i: f"{i}{HOSTILE}.jpg"}
    run = a_run(root, **photos)
    if kind == "photos":
        return write_report(run, summarize(run, "", 93.4), root / "report", run)
    other = dataclasses.replace(a_run(root / "other", wrong=4, **photos), id="other")
    return write_comparison([run, other], root / "compare.html")


@pytest.fixture(scope="module", params=[*REAL, "photos", "compare"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def report(kind, tmp_path_factory):
    """The path of a page: one of each kind."""
    root = tmp_path_factory.mktemp(kind)
    if kind in REAL:
        return Path(getattr(real_runs, kind)(root)["report"])
    return made(kind, root)


@pytest.fixture
def open_page(browser, report):
    """open_page(**options) -> the page; it may ask for nothing and complain of nothing."""
    pages, said, asked = [], [], []

    def open_page(**options):
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        page.set_default_timeout(30_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not said
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()] * len(pages)


def test_it_says_what_one_looks_for_first(open_page, kind):
    """What is to be seen without a click, or under a heading that names it."""
    expected = {
        "digits": ("Blessed", "Test accuracy", "Registered in mlflow as digits, version 1"),
        "solar_cells": ("Test accuracy", "By type", "mono", "poly", "without augmentation"),
        "failed": ("Failed", "The run stopped in Trainer", "give the phase a lower learning_rate"),
        "rejects": (
            "1,000 inputs could not be used", "167 × is empty", "167 × is a text, no picture",
            "167 × has … pixels (… x 300), more than data.max_pixels (40000)",
            "167 × is cut off", "166 × is an icon (ICO)", "166 × does not exist", "50 of them",
            *map(harmless, real_runs.LABELS),
        ),
        "photos": ("Blessed", *map(harmless, LABELS)),
        "compare": ("2 runs", "Pictures that changed sides"),
    }  # fmt: skip
    words = " ".join(open_page().inner_text("body").split())
    assert [it for it in expected[kind] if " ".join(it.split()) not in words] == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_nobody_is_kept_from_reading_it(open_page, colours):
    page = open_page(color_scheme=colours)
    for details in page.locator("details").all():
        details.evaluate("it => it.open = true")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    faults = [it for it in found.response["violations"] if it["impact"] in ("serious", "critical")]
    assert not faults, [(it["id"], it["nodes"][0]["html"][:300]) for it in faults]


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widths = page.evaluate("[...document.images].map(it => it.getBoundingClientRect().width)")
    assert all(drawn <= width for drawn in widths)
    assert page.evaluate("[...document.images].every(it => it.complete && it.naturalWidth > 0)")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_name_is_squeezed_to_a_few_letters_a_line(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    names = page.locator("tbody th:visible").evaluate_all(
        "all => all.map(it => [it.innerText, it.clientWidth, it.clientHeight])"
    )
    assert [name for name, wide, high in names if high > 3 * wide] == []


def test_every_link_leads_somewhere_and_every_part_opens(open_page):
    page = open_page()
    for link in page.locator("a").all():
        link.click()
        assert page.locator(page.url[page.url.index("#") :]).is_visible()
    for summary in page.locator("summary").all():
        before = summary.evaluate("it => it.parentElement.open")
        summary.click()
        assert summary.evaluate("it => it.parentElement.open") != before


def test_the_numbers_of_the_matrix_open_their_pictures_by_mouse_and_by_keyboard(open_page):
    page = open_page()
    buttons = page.locator("button.look").all()
    for button in buttons:
        opened = page.locator(f"#{button.get_attribute('popovertarget')}")
        button.click()
        assert opened.is_visible() and opened.locator("img").first.is_visible()
        opened.get_by_role("button", name="Close").click()
        assert not opened.is_visible()
        button.focus()
        page.keyboard.press("Enter")
        assert opened.is_visible()
        page.keyboard.press("Escape")
        assert not opened.is_visible()
        assert button.evaluate("it => it === document.activeElement")


def test_it_is_printed_with_what_is_folded_and_without_what_cannot_be_used(open_page):
    page = open_page()
    page.emulate_media(media="print")
    for details in page.locator("details").all():
        assert details.locator("table, dl, ol").first.is_visible()
    assert not page.locator("nav").is_visible() if page.locator("nav").count() else True
    assert page.pdf().startswith(b"%PDF")


def test_names_are_text_and_nothing_else(open_page, kind):
    page = open_page()
    assert page.locator("script, iframe, object").count() == 0
    assert page.evaluate("window.alert.toString()").startswith("function alert")
    assert "\u202e" not in page.content()
    if kind == "rejects":
        page.locator("summary", has_text="50 of them").click()
        shown = page.locator("#images details th bdi").all_inner_texts()
        assert len(shown) == 50 and all(it.startswith("bad/<i>\\u202e'") for it in shown)
        assert page.locator("#images details img").count() >= 15  # those that are pictures
