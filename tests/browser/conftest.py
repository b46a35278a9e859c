"""The page in a real browser: Debian's Chromium, driven by Playwright's library, before a real `trinario up`.

Nothing is skipped: without a browser these tests fail. `make browser` installs what they need.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.integration.trinario.conftest import Trinario

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
PATIENCE_MS = 30_000
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
_FLAGS += ["--disable-component-update", "--disable-sync"]
_FLAGS += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a microphone that beeps

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each page has a profile of its own."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is missing: apt-get install chromium, or set CHROMIUM to its path. It is not downloaded."
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield running
        running.close()


class Town(Trinario):
    """A running `up` with the demo's people, and where its page is."""

    console = ""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Every daemon a process of its own, so that one can be killed."""
    made = Town(tmp_path_factory.mktemp("town"))
    made.start("--demo", "--processes")
    made.console = made.ready["console"]
    yield made
    made.stop()


def kill(town: Town, daemon: str) -> None:
    """Kill one daemon with signal 9, by its own process id."""
    os.kill(town.run_file()["daemons"][daemon]["pid"], signal.SIGKILL)


@contextmanager
def halted(town: Town, daemon: str) -> Iterator[None]:
    """One daemon that does not answer for as long as the block lasts."""
    pid = town.run_file()["daemons"][daemon]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def opened(browser: Browser, town: Town) -> Iterator[Open]:
    """Opens the page as a newcomer would: by the address that was printed, in a fresh profile.

    At the end: no script error, nothing that the policy had to stop, and nothing fetched from anywhere else.
    """
    contexts: list[BrowserContext] = []
    trouble: list[str] = []
    origin = town.console.partition("/#")[0]

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("console", lambda said: trouble.append(said.text) if "Content Security Policy" in said.text else None)
        page.on("request", lambda asked: None if asked.url.startswith((origin, "blob:")) else trouble.append(asked.url))

    def open_page(*, size: dict[str, int] = DESKTOP, dark: bool = False, language: str = "en-GB") -> Page:
        context = browser.new_context(
            viewport={"width": size["width"], "height": size["height"]},
            color_scheme="dark" if dark else "light",
            locale=language,
            has_touch=size is PHONE,
            device_scale_factor=2 if size is PHONE else 1,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        watch(page)
        page.goto(town.console)
        page.wait_for_selector("t-phone .row")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The accessibility checker's source, installed by npm into a folder that goes with the test run."""
    folder = tmp_path_factory.mktemp("axe")
    (folder / "package.json").write_text(json.dumps({"private": True}))
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "axe-core@4"], cwd=folder, check=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
