import shutil

import pytest
from debian import install


@pytest.fixture(scope="session")
def browser():
    """A real browser without a window: Debian's Chromium."""
    if not install("chromium", "chromium"):
        pytest.skip("there is no Chromium here, and it cannot be installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # A sandbox of its own needs more rights than a container gives.
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser):
    """A new page of it; what it cannot find within 30 seconds is not there."""
    page = browser.new_page(viewport={"width": 1280, "height": 1600})
    page.set_default_timeout(30_000)
    yield page
    page.close()
