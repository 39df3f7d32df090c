"""The browser that takes the pictures."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def chromium() -> Iterator[Any]:
    """Yields Playwright's handle of a headless Chromium; exits where there is none."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        sys.exit("Chromium is missing: apt-get install chromium fonts-dejavu")
    with sync_playwright() as playwright:
        # A sandbox of its own needs more rights than a container gives.
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
