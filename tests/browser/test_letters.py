"""Dead letters from the page: try again, or drop with a word; in a federation whose bridges soon give up."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, PICTURES, Open, Town
from tests.browser.test_phones import MESSENGER, WHATSAPP, open_chat, texts, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

T = TypeVar("T")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One whose Messenger bridge gives a message up after a second."""
    made = Town(tmp_path_factory.mktemp("town"))
    made.start("--demo", "--processes", environ={"TRINARIO_BRIDGES__MESSENGER__DEADLINE_S": "1"})
    made.console = made.ready["console"]
    yield made
    made.stop()


def done(what: Coroutine[None, None, T]) -> T:
    """Playwright has an event loop of its own in this thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, what).result()


def letter(page: Page, phones: Page, town: Town, text: str) -> None:
    """Alice writes while Messenger fails; the letter stands on the map's page."""
    done(town.faults("messenger", server_error=1.0))
    write(phones, WHATSAPP, text)
    expect(page.locator(".letters li")).to_have_count(1)
    expect(page.locator(".letters li")).to_contain_text("given up after")
    done(town.faults("messenger"))


def test_a_dead_letter_is_tried_again_or_dropped(opened: Open, town: Town) -> None:
    """Again: it arrives, once, and is no letter any more. Dropped, after a question: it is gone for good."""
    phones, page = opened(), opened()
    open_chat(phones, WHATSAPP, "Bob")
    open_chat(phones, MESSENGER, "Alice")
    page.get_by_role("link", name="Line map").click()
    page.get_by_role("tab", name="Dead letters").click()
    expect(page.locator(".panel-body")).to_contain_text("No dead letters")

    letter(page, phones, town, "Try me again.")
    page.screenshot(path=PICTURES / "dead-letter.png")
    page.get_by_role("button", name="Try again").click()
    expect(texts(phones, MESSENGER).last).to_have_text("Try me again.")
    expect(page.locator(".panel-body")).to_contain_text("No dead letters")

    letter(page, phones, town, "Never mind me.")
    page.get_by_role("button", name="Drop").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator(".letters li")).to_have_count(1)
    page.get_by_role("button", name="Drop").click()
    page.get_by_role("dialog").get_by_role("button", name="Drop").click()
    expect(page.locator(".panel-body")).to_contain_text("No dead letters")
    write(phones, WHATSAPP, "And on we go.")
    expect(texts(phones, MESSENGER).last).to_have_text("And on we go.")
    said = texts(phones, MESSENGER).all_inner_texts()
    assert (said.count("Try me again."), said.count("Never mind me.")) == (1, 0)
