"""Takes the pictures of pages that README and guides show, with Chromium.

    make screenshots [RUNS=runs]

Takes the last two runs of `digits` in RUNS: the last one's report, and both side by side.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# Where the runs lie here is nobody's business: pages in pictures call it "runs".
_SHORTEN = """home => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(home, 'runs')
}"""


def main(runs: str) -> None:
    """Writes one PNG a picture beside this file."""
    graft = [sys.executable, "-m", "pipeline"]
    where = ["--runs", runs, "--name", "digits"]
    ids = sorted(path.name for path in Path(runs, "digits", "reports").glob("2*") if path.is_dir())
    report = _said([*graft, "report", *where])
    home = str(Path(runs).resolve())
    with _browser() as browser:
        _shot(browser, home, report, "report.png", height=1150)
        _shot(browser, home, report, "report_cell.png", height=900, open_cell=True)
        if len(ids) > 1:
            compared = _said([*graft, "report", "compare", *ids[-2:], *where])
            _shot(browser, home, compared, "report_compare.png", height=1400)


def _shot(
    browser: Any, home: str, page: str, name: str, height: int, open_cell: bool = False
) -> None:
    tab = browser.new_page(viewport={"width": 1180, "height": height})
    tab.goto(Path(page).resolve().as_uri())
    tab.evaluate(_SHORTEN, home)
    if open_cell:
        wrong = tab.locator("td:not(.right) > button.look").all()
        most = max(wrong, key=lambda button: int(button.inner_text()))
        most.scroll_into_view_if_needed()
        most.click()
    tab.screenshot(path=HERE / name)
    tab.close()
    print(HERE / name)


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr}`make run-local` makes a run")
    return done.stdout.strip()


if __name__ == "__main__":
    main(*sys.argv[1:])
