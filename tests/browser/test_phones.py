"""The story by clicking and typing: write on one phone, see it on the others; read on one, read on all."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS, PHONE, PICTURES, Open, Town, kill

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

WHATSAPP, MESSENGER, INSTAGRAM = "t-phone.look-whatsapp", "t-phone.look-messenger", "t-phone.look-instagram"


def texts(page: Page, phone: str) -> Locator:
    """The texts on a phone's screen."""
    return page.locator(f"{phone} .message .text")


def open_chat(page: Page, phone: str, name: str) -> None:
    """Choose a conversation from the phone's list."""
    page.locator(f"{phone} .row", has_text=name).click()


def write(page: Page, phone: str, text: str) -> None:
    """Type, and press Enter."""
    field = page.locator(f"{phone} .composer textarea")
    field.fill(text)
    field.press("Enter")


def badge(page: Page, phone: str) -> Locator:
    """How many are not read, in the list or above the conversation."""
    return page.locator(f"{phone} :is(.row .count, .title .count.big)")


def test_write_on_one_see_it_on_all_read_on_one_read_on_all(opened: Open, town: Town) -> None:
    """With the router killed in the middle: what was written meanwhile arrives, once, in order, everywhere."""
    page = opened()
    open_chat(page, WHATSAPP, "Bob")
    for phone in (MESSENGER, INSTAGRAM):  # what the demo has written is read first
        open_chat(page, phone, "Alice")
        expect(badge(page, phone)).to_have_count(0)
        page.locator(f"{phone} .title .icon-button").first.click()
    write(page, WHATSAPP, "The market has lemons.")
    for phone in (MESSENGER, INSTAGRAM):
        expect(page.locator(f"{phone} .row .last")).to_have_text("The market has lemons.")
        expect(badge(page, phone)).to_contain_text("1")
    kill(town, "router")
    for number in range(1, 4):
        write(page, WHATSAPP, f"Lemon cake, step {number}.")
    for phone in (MESSENGER, INSTAGRAM):
        expect(badge(page, phone)).to_contain_text("4")
    page.screenshot(path=PICTURES / "phones-badges.png")
    open_chat(page, MESSENGER, "Alice")
    for phone in (MESSENGER, INSTAGRAM):
        expect(badge(page, phone)).to_have_count(0)
    expect(page.locator(f"{WHATSAPP} .message.out").last).to_have_class(re.compile(r"\bread\b"))
    write(page, MESSENGER, "I'll bring the eggs! 🍋")
    open_chat(page, INSTAGRAM, "Alice")
    for phone in (WHATSAPP, INSTAGRAM):
        expect(texts(page, phone).last).to_have_text("I'll bring the eggs! 🍋")
    page.locator(f"{WHATSAPP} textarea").click()  # Alice takes her phone in her hand, so she has read it
    expect(page.locator(f"{MESSENGER} .message.out").last).to_have_class(re.compile(r"\bread\b"))
    page.screenshot(path=PICTURES / "phones.png")
    said = [texts(page, phone).all_inner_texts() for phone in (WHATSAPP, MESSENGER, INSTAGRAM)]
    assert said[0] == said[1] == said[2]
    assert said[0].count("Lemon cake, step 2.") == 1


def test_the_same_on_a_small_screen(opened: Open, town: Town) -> None:
    """One phone at a time, with tabs that carry the badges; the router is killed here, too."""
    page = opened(size=PHONE, language="it-IT")
    tabs = page.get_by_role("tab")
    expect(tabs).to_have_count(3)
    open_chat(page, WHATSAPP, "Bob")
    write(page, WHATSAPP, "Ci vediamo al binario 3.")
    expect(tabs.nth(1).locator(".count")).to_be_visible()
    page.screenshot(path=PICTURES / "phone-small.png")
    tabs.nth(1).click()
    expect(page.locator(WHATSAPP)).to_be_hidden()
    open_chat(page, MESSENGER, "Alice")
    expect(texts(page, MESSENGER).last).to_have_text("Ci vediamo al binario 3.")
    for number in (1, 2):
        expect(tabs.nth(number).locator(".count")).to_be_hidden()
    kill(town, "router")
    said = ["Sono al binario.", "Dove sei?", "Ah, eccoti!"]
    for text in said:
        write(page, MESSENGER, text)
    expect(tabs.nth(0).locator(".count")).to_contain_text("3")
    for number, phone in ((0, WHATSAPP), (2, INSTAGRAM)):
        tabs.nth(number).click()
        if phone == INSTAGRAM:
            open_chat(page, INSTAGRAM, "Alice")
        expect(texts(page, phone).last).to_have_text(said[-1])
        assert texts(page, phone).all_inner_texts()[-3:] == said
    width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], "the page is wider than the screen"


def test_text_is_text(opened: Open) -> None:
    """Markup in a message, a name or a conversation list is shown, never obeyed (T9)."""
    page = opened(dark=True)
    attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script> &amp; {{7*7}}"
    for phone in (WHATSAPP, MESSENGER, INSTAGRAM):
        open_chat(page, phone, "Bob" if phone == WHATSAPP else "Alice")
    write(page, WHATSAPP, attack)
    for phone in (WHATSAPP, MESSENGER, INSTAGRAM):
        expect(texts(page, phone).last).to_have_text(attack)
    assert page.locator(".text *, .last *").count() == 0
    assert "owned" not in page.title()
    write(page, WHATSAPP, "Just kidding.")
    expect(texts(page, INSTAGRAM).last).to_have_text("Just kidding.")
    page.screenshot(path=PICTURES / "phones-dark.png")


def test_a_phone_catches_up_with_a_rail_that_was_killed(opened: Open, town: Town) -> None:
    """It says that it is reconnecting, and then shows what was written meanwhile."""
    page = opened()
    open_chat(page, WHATSAPP, "Bob")
    open_chat(page, INSTAGRAM, "Alice")
    kill(town, "rail-instagram")
    expect(page.locator(f"{INSTAGRAM} .lost")).to_be_visible()
    write(page, WHATSAPP, "Are you there?")
    expect(texts(page, INSTAGRAM).last).to_have_text("Are you there?")
    expect(page.locator(f"{INSTAGRAM} .lost")).to_have_count(0)


def test_what_is_written_while_the_rail_is_away_is_sent_once(opened: Open, town: Town) -> None:
    """The phone keeps it under one key, and shows it as on its way."""
    page = opened()
    open_chat(page, INSTAGRAM, "Alice")
    kill(town, "rail-instagram")
    expect(page.locator(f"{INSTAGRAM} .lost")).to_be_visible()
    write(page, INSTAGRAM, "Written in the tunnel.")
    expect(page.locator(f"{INSTAGRAM} .message.pending")).to_have_count(0)
    open_chat(page, WHATSAPP, "Bob")
    expect(texts(page, WHATSAPP).last).to_have_text("Written in the tunnel.")
    assert texts(page, WHATSAPP).all_inner_texts().count("Written in the tunnel.") == 1


def test_somebody_new_begins_a_conversation(opened: Open) -> None:
    """Register from the page, then write to somebody who is elsewhere; an unknown address is refused in words."""
    page = opened()
    page.get_by_label("Person on WhatsApp").select_option("+")
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Address").fill("+39 333 777 8888")
    sheet.get_by_label("Name").fill("Carla")
    sheet.get_by_role("button", name="Register").click()
    phone = page.locator(WHATSAPP)
    phone.get_by_role("button", name="New conversation").click()
    phone.get_by_label("To").fill("instagram:@nobody.at.all")
    phone.get_by_label("Message").fill("Hello?")
    phone.get_by_role("button", name="Send").click()
    expect(phone.get_by_role("alert")).not_to_be_empty()
    phone.get_by_label("To").fill("instagram:@bob")
    phone.get_by_role("button", name="Send").click()
    expect(texts(page, WHATSAPP)).to_have_text(["Hello?"])
    expect(page.locator(f"{INSTAGRAM} .row", has_text="Hello?")).to_be_visible()


def test_replies_keep_what_they_answer(opened: Open) -> None:
    """The reply button of a message; the answer shows what it answers."""
    page = opened()
    open_chat(page, WHATSAPP, "Bob")
    write(page, WHATSAPP, "Which platform?")
    message = page.locator(f"{WHATSAPP} .message", has_text="Which platform?").last
    message.hover()
    message.get_by_role("button", name="Reply").click()
    write(page, WHATSAPP, "Three, says the board.")
    expect(page.locator(f"{WHATSAPP} .message").last.locator(".quoted")).to_have_text("Which platform?")


def test_by_keyboard_alone(opened: Open) -> None:
    """Into a conversation, an answer, and back to where one was."""
    page = opened()
    row = page.locator(f"{MESSENGER} .row").first
    row.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("By keyboard.")
    page.keyboard.press("Enter")
    expect(texts(page, MESSENGER).last).to_have_text("By keyboard.")
    page.locator(f"{MESSENGER} .title .icon-button").first.focus()
    page.keyboard.press("Enter")
    expect(row).to_be_focused()


def test_without_the_key_the_page_stays_closed(opened: Open, town: Town) -> None:
    """It says how to get in; the key opens it."""
    page = opened()
    page.context.clear_cookies()
    page.goto(town.console.partition("#")[0])
    field = page.get_by_label("Key")
    field.fill("wrong")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    field.fill(town.console)
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("t-phone")).to_have_count(3)
    assert "key" not in page.url


def test_marked_as_unread_on_one_phone_is_marked_on_the_other(opened: Open) -> None:
    """Bob marks on Messenger; his Instagram phone shows it, until he opens the conversation there."""
    page = opened()
    open_chat(page, MESSENGER, "Alice")
    page.locator(f"{MESSENGER} .title").get_by_role("button", name="Mark as unread").click()
    for phone in (MESSENGER, INSTAGRAM):
        expect(page.locator(f"{phone} .row .dot")).to_have_count(1)
    open_chat(page, INSTAGRAM, "Alice")
    expect(page.locator(f"{MESSENGER} .row .dot")).to_have_count(0)
