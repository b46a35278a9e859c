"""The line map and the inbox, by clicking."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS, PHONE, PICTURES, Open, Town, halted
from tests.browser.test_phones import INSTAGRAM, MESSENGER, WHATSAPP, open_chat, texts, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)


def test_messages_move_along_the_lines_and_tell_their_journey(opened: Open, town: Town) -> None:
    """Live, without a text on the map; a station that is away is shown so, and comes back."""
    phones, page = opened(), opened()
    page.get_by_role("link", name="Line map").click()
    expect(page.locator(".station[data-state=connected]")).to_have_count(3)
    open_chat(phones, WHATSAPP, "Bob")
    write(phones, WHATSAPP, "Mind the gap between the train and the platform.")
    expect(page.locator(".train.message")).not_to_have_count(0)
    page.screenshot(path=PICTURES / "line-map.png")
    newest = page.locator(".message-entry").first
    expect(newest).to_contain_text("Alice wrote")
    expect(newest).to_contain_text("Instagram")
    assert "Mind the gap" not in page.locator("body").inner_text()
    newest.click()
    journey = page.get_by_role("dialog")
    expect(journey.locator(".leg")).to_have_count(3)
    expect(journey).to_contain_text("Accepted on WhatsApp")
    page.screenshot(path=PICTURES / "journey.png")
    page.keyboard.press("Escape")
    with halted(town, "bridge-messenger"):
        expect(page.locator(".station[data-state=unreachable]")).to_have_count(1)
    expect(page.locator(".station[data-state=connected]")).to_have_count(3)


def test_the_route_planner_answers_as_the_router_would(opened: Open) -> None:
    """Who is reached, and why not; people and dead letters are beside it."""
    page = opened(dark=True)
    page.get_by_role("link", name="Line map").click()
    page.get_by_role("tab", name="Route planner").click()
    page.get_by_label("From").fill("whatsapp:+393331112222")
    page.get_by_label("To", exact=True).fill("instagram:@carla")
    page.get_by_role("button", name="Plan").click()
    expect(page.locator(".found")).to_contain_text("instagram:@carla")
    expect(page.locator(".found .badge.reached")).not_to_have_count(0)
    page.screenshot(path=PICTURES / "line-map-dark.png")
    page.get_by_label("To", exact=True).fill("instagram:@nobody")
    page.get_by_role("button", name="Plan").click()
    expect(page.locator(".found .trouble")).to_contain_text("@nobody")
    page.get_by_role("tab", name="People").click()
    expect(page.locator(".persons > li")).to_have_count(3)
    page.get_by_role("tab", name="Dead letters").click()
    expect(page.locator(".panel-body")).to_contain_text("No dead letters")


def test_one_inbox_over_all_rails(opened: Open) -> None:
    """Each message once, with the rail it came by; an answer goes out on the rail that was chosen."""
    page, phones = opened(), opened()
    open_chat(phones, WHATSAPP, "Bob")
    write(phones, WHATSAPP, "Lunch at Porta Nuova?")
    page.get_by_role("link", name="Inbox").click()
    page.get_by_label("Person", exact=True).select_option(label="Bob")
    page.locator(".inbox .row", has_text="Alice").click()
    asked = page.locator(".inbox .message", has_text="Lunch at Porta Nuova?")
    expect(asked).to_have_count(1)
    expect(asked.locator(".via")).to_have_text("WhatsApp")
    for rail, words in (("Messenger", "Yes, at one."), ("Instagram", "Make that two.")):
        page.get_by_label("Answer on").select_option(label=rail)
        field = page.locator(".inbox textarea")
        field.fill(words)
        field.press("Enter")
        answer = page.locator(".inbox .message", has_text=words)
        expect(answer).to_have_count(1)
        expect(answer.locator(".via")).to_have_text(rail)
        expect(texts(phones, WHATSAPP).last).to_have_text(words)
        expect(answer).to_have_count(1)
    page.screenshot(path=PICTURES / "inbox.png")
    for phone in (MESSENGER, INSTAGRAM):
        open_chat(phones, phone, "Alice")
        expect(texts(phones, phone).last).to_have_text("Make that two.")


def test_the_inbox_on_a_small_screen(opened: Open) -> None:
    """The list, then the conversation in its place, then back."""
    page = opened(size=PHONE, language="fr-FR")
    page.get_by_role("link", name="Boîte").click()
    page.locator(".inbox .row").first.click()
    expect(page.locator(".side")).to_be_hidden()
    page.screenshot(path=PICTURES / "inbox-small.png")
    page.get_by_role("button", name="Retour aux conversations").click()
    expect(page.locator(".side")).to_be_visible()
