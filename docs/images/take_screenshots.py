"""Takes the pictures of terminal and pages that README and guides show, with Chromium.

    make screenshots [RUNS=runs]

Takes the last two runs of `digits` in RUNS: the last one's report, both side by side, and the page
of the model that is pushed. Runs `digits` anew, elsewhere, to see it at the terminal.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from chromium import chromium
from terminal_screen import TerminalScreen

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
GRAFT = [sys.executable, "-m", "pipeline"]
# Where the runs lie here is nobody's business: pages in pictures call it "runs".
_SHORTEN = """home => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(home, 'runs')
}"""


def main(runs: str) -> None:
    """Writes one PNG a picture beside this file."""
    where = ["--runs", runs, "--name", "digits"]
    ids = sorted(path.name for path in Path(runs, "digits", "reports").glob("2*") if path.is_dir())
    report = _said([*GRAFT, "report", *where])
    with chromium() as browser:
        shoot_report(browser, runs, report, HERE / "report.png", height=1150)
        shoot_report(browser, runs, report, HERE / "report_cell.png", height=900, open_cell=True)
        if len(ids) > 1:
            compared = _said([*GRAFT, "report", "compare", *ids[-2:], *where])
            shoot_report(browser, runs, compared, HERE / "report_compare.png", height=1400)
        _shoot_try_it(browser, where)
        _shoot_terminal(browser)


def shoot_report(
    browser: Any, runs: str, page: str, path: Path, height: int, open_cell: bool = False
) -> None:
    """Writes a picture of the top of a report.

    Args:
      browser: Playwright's.
      runs: folder of the runs, which the picture calls "runs".
      page: the report's path.
      path: where the picture goes.
      height: of the window, in pixels.
      open_cell: whether the pictures behind a number of the confusion matrix are shown.
    """
    tab = browser.new_page(viewport={"width": 1180, "height": height})
    tab.goto(Path(page).resolve().as_uri())
    tab.evaluate(_SHORTEN, str(Path(runs).resolve()))
    if open_cell:
        wrong = tab.locator("td:not(.right) > button.look").all()
        most = max(wrong, key=lambda button: int(button.inner_text()))
        most.scroll_into_view_if_needed()
        most.click()
    tab.screenshot(path=path)
    tab.close()
    print(path)


def _shoot_try_it(browser: Any, where: list[str]) -> None:
    served = TerminalScreen([*GRAFT, "serve", *where, "--port", "0"], "graft serve")
    served.wait_for("Ctrl-C")
    address = next(word for word in served.seen.split() if word.startswith("http://"))
    tab = browser.new_page(viewport={"width": 900, "height": 640})
    tab.goto(address)
    tab.locator("#file").set_input_files(HERE / "digit.png")
    tab.locator(".bar").first.wait_for()
    tab.screenshot(path=HERE / "try_it.png")
    tab.close()
    print(HERE / "try_it.png")
    served.stop()


def _shoot_terminal(browser: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = TerminalScreen(
            [*GRAFT, "run", PROJECT / "configs/digits.yaml", "--runs", f"{folder}/runs"],
            "make run-local",
            rows=40,
            without=[folder],
        )
        run.wait_for("epoch 4/")
        run.shot(browser, HERE / "terminal_running.png")
        if run.end():
            sys.exit(run.seen)
        run.shot(browser, HERE / "terminal.png")


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr}`make run-local` makes a run")
    return done.stdout.strip()


if __name__ == "__main__":
    main(*sys.argv[1:])
