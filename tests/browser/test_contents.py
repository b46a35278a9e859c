"""What people send and do besides writing, by clicking: files, places, polls, reactions, edits, unsends, groups."""

import struct
import zlib
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS, PICTURES, Open
from tests.browser.test_phones import INSTAGRAM, MESSENGER, WHATSAPP, open_chat, texts, write

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)
PHONES = (WHATSAPP, MESSENGER, INSTAGRAM)
HOSTILE = "\"><img src=x onerror=document.title='owned'>.png"


def picture(side: int = 160) -> bytes:
    """A PNG: a sky over a field."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    sky, field = b"\x00" + b"\x8f\xc8\xf0" * side, b"\x00" + b"\x6a\xa8\x4f" * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(sky * (side * 2 // 3) + field * (side - side * 2 // 3))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def all_open(page: Page) -> None:
    """Alice and Bob's conversation on every phone."""
    for phone in PHONES:
        open_chat(page, phone, "Bob" if phone == WHATSAPP else "Alice")


def attach(page: Page, phone: str, what: str) -> Locator:
    """Choose from the clip's list; what is filled in next."""
    page.locator(f"{phone} .composer .clip").click()
    sheet = page.locator(f"{phone} .clip-sheet")
    sheet.get_by_role("button", name=what, exact=True).click()
    return sheet


def tool(page: Page, phone: str, text: str, name: str) -> None:
    """One of the buttons beside the latest message with a text."""
    message = page.locator(f"{phone} .message", has_text=text).last
    message.hover()
    message.get_by_role("button", name=name, exact=True).click()


def test_a_photo_is_seen_on_every_phone_and_its_name_is_text(opened: Open, tmp_path: Path) -> None:
    """Its bytes come through the console; a name made of markup does nothing (T9)."""
    page = opened()
    all_open(page)
    with page.expect_file_chooser() as chooser:
        attach(page, WHATSAPP, "Photo, video or file")
    chooser.value.set_files({"name": HOSTILE, "mimeType": "image/png", "buffer": picture()})
    for phone in PHONES:
        shown = page.locator(f"{phone} .message .content.image img").last
        expect(shown).to_have_js_property("naturalWidth", 160)
    assert "owned" not in page.title()
    page.screenshot(path=PICTURES / "phones-photo.png")
    page.get_by_role("link", name="Inbox").click()
    page.get_by_label("Person", exact=True).select_option(label="Bob")
    page.locator(".inbox .row", has_text="Alice").click()
    expect(page.locator(".inbox .content.image img")).to_have_js_property("naturalWidth", 160)


def test_a_place_and_a_poll_with_votes(opened: Open) -> None:
    """Native where the rail has them, in words elsewhere."""
    page = opened()
    all_open(page)
    sheet = attach(page, WHATSAPP, "Location")
    sheet.get_by_label("Latitude").fill("45.0703")
    sheet.get_by_label("Longitude").fill("7.6869")
    sheet.get_by_label("Name").fill("Porta Nuova")
    sheet.get_by_role("button", name="Send").click()
    for phone in PHONES:
        expect(page.locator(f"{phone} .message").last).to_contain_text("Porta Nuova")
    sheet = attach(page, WHATSAPP, "Poll")
    sheet.get_by_label("Question").fill("Which cake?")
    sheet.get_by_label("Options, one a line").fill("Lemon\nChocolate")
    sheet.get_by_role("button", name="Send").click()
    for phone in PHONES:
        expect(page.locator(f"{phone} .message").last).to_contain_text("Which cake?")
    option = page.locator(f"{WHATSAPP} .content.poll").last.get_by_role("button", name="Lemon")
    option.click()
    expect(option).to_have_attribute("aria-pressed", "true")
    expect(option.locator(".tally")).to_have_text("1")
    for phone in (MESSENGER, INSTAGRAM):  # in words there; what comes next is said after it
        expect(texts(page, phone).last).to_contain_text("Alice chose: Lemon")


def test_reactions_edits_and_unsends_reach_every_phone(opened: Open) -> None:
    """Done on one rail, seen on all."""
    page = opened()
    all_open(page)
    write(page, WHATSAPP, "Train at nine.")
    for phone in PHONES:
        expect(texts(page, phone).last).to_have_text("Train at nine.")
    tool(page, INSTAGRAM, "Train at nine.", "React")
    page.locator(f"{INSTAGRAM} .emoji").get_by_role("button", name="👍").click()
    for phone in PHONES:
        expect(page.locator(f"{phone} .message").last.locator(".reactions")).to_contain_text("👍")
    tool(page, WHATSAPP, "Train at nine.", "Edit")
    sheet = page.get_by_role("dialog")
    sheet.get_by_role("textbox").fill("Train at ten.")
    sheet.get_by_role("button", name="Save").click()
    for phone in PHONES:
        expect(texts(page, phone).last).to_have_text("Train at ten.")
    page.screenshot(path=PICTURES / "phones-reaction.png")
    tool(page, WHATSAPP, "Train at ten.", "Take back")
    page.get_by_role("dialog").get_by_role("button", name="Take back").click()
    for phone in PHONES:
        expect(page.locator(f"{phone} .message").last).to_contain_text("Message taken back")


def test_typing_is_seen_on_the_other_rails(opened: Open) -> None:
    """Until the message is there."""
    page = opened()
    all_open(page)
    page.locator(f"{WHATSAPP} .composer textarea").press_sequentially("Let me see")
    for phone in (MESSENGER, INSTAGRAM):
        expect(page.locator(f"{phone} .typing")).to_be_visible()
    page.screenshot(path=PICTURES / "phones-typing.png")
    page.locator(f"{WHATSAPP} .composer textarea").press("Enter")
    for phone in (MESSENGER, INSTAGRAM):
        expect(texts(page, phone).last).to_have_text("Let me see")
        expect(page.locator(f"{phone} .typing")).to_have_count(0)


def test_the_search_finds_what_was_written(opened: Open) -> None:
    """In the ledger; what is found tells its journey."""
    page = opened()
    all_open(page)
    write(page, WHATSAPP, "A rare word: bergamotto")
    expect(texts(page, INSTAGRAM).last).to_have_text("A rare word: bergamotto")
    page.get_by_role("link", name="Line map").click()
    page.get_by_role("tab", name="Search").click()
    page.get_by_label("Words").fill("bergamotto")
    page.locator(".panel").get_by_role("button", name="Search").click()
    hit = page.locator(".found .entry")
    expect(hit).to_contain_text("A rare word")
    hit.click()
    expect(page.get_by_role("dialog").locator(".leg")).to_have_count(3)


def test_a_group_over_all_rails(opened: Open) -> None:
    """Made on one phone; whoever is on another rail has it there, and writes back."""
    page = opened()
    phone = page.locator(WHATSAPP)
    phone.get_by_role("button", name="New conversation").click()
    phone.get_by_label("To").fill("messenger:bob.rossi, instagram:@carla")
    phone.get_by_label("Group name").fill("Picnic")
    phone.get_by_label("Message", exact=True).fill("Sunday at noon?")
    phone.get_by_role("button", name="Send").click()
    expect(texts(page, WHATSAPP).last).to_have_text("Sunday at noon?")
    page.locator(f"{MESSENGER} .row", has_text="Picnic").click()
    expect(texts(page, MESSENGER).last).to_have_text("Sunday at noon?")
    expect(page.locator(f"{MESSENGER} .speaker").last).to_have_text("Alice")
    write(page, MESSENGER, "I bring the bread.")
    expect(texts(page, WHATSAPP).last).to_have_text("I bring the bread.")
    page.screenshot(path=PICTURES / "phones-group.png")


def test_a_groups_members_are_seen_and_changed(opened: Open) -> None:
    """Rename, who has read it, an admin, somebody removed, leaving, the end: seen by whom it concerns."""
    page = opened()
    page.get_by_label("Person on Instagram").select_option("instagram:@carla")
    page.locator(f"{WHATSAPP} .title button").last.click()
    form = page.locator(f"{WHATSAPP} .new-chat")
    form.get_by_label("To", exact=True).fill("messenger:bob.rossi, instagram:@carla")
    form.get_by_label("Group name").fill("Regatta")
    form.locator("textarea").fill("Sunday?")
    form.get_by_role("button", name="Send").click()
    for count, phone in enumerate((MESSENGER, INSTAGRAM), 1):
        open_chat(page, phone, "Regatta")
        expect(texts(page, phone).last).to_have_text("Sunday?")
        page.locator(f"{phone} textarea").click()
        expect(page.locator(f"{WHATSAPP} .readers")).to_have_text(f"read by {count} of 2")

    def members(phone: str) -> Locator:
        page.locator(f"{phone} .title").get_by_role("button", name="Members").click()
        return page.get_by_role("dialog", name="Group")

    sheet = members(WHATSAPP)
    expect(sheet.locator(".members li")).to_have_count(3)
    page.screenshot(path=PICTURES / "group-members.png")
    sheet.get_by_label("Name").fill("Regatta, if it is dry")
    sheet.get_by_role("button", name="Save").click()
    sheet.get_by_role("button", name="Make admin: Bob").click()
    expect(sheet.locator(".members li", has_text="Bob")).to_contain_text("admin")
    sheet.get_by_role("button", name="Remove: Carla").click()
    expect(sheet.locator(".members li")).to_have_count(2)
    sheet.get_by_role("button", name="Close", exact=True).click()
    expect(page.locator(f"{MESSENGER} .title h2")).to_contain_text("Regatta, if it is dry")
    write(page, WHATSAPP, "Without Carla, then.")
    expect(texts(page, MESSENGER).last).to_have_text("Without Carla, then.")
    expect(texts(page, INSTAGRAM).filter(has_text="Without Carla")).to_have_count(0)

    sheet = members(MESSENGER)
    sheet.get_by_role("button", name="Leave").click()
    page.get_by_role("dialog", name="Leave").get_by_role("button", name="Leave").click()
    expect(sheet.locator(".members li")).to_have_count(1)
    sheet.get_by_role("button", name="Close", exact=True).click()
    sheet = members(WHATSAPP)
    expect(sheet.locator(".members li")).to_have_count(1)
    sheet.get_by_role("button", name="End the group").click()
    page.get_by_role("dialog", name="End this group").get_by_role("button", name="End the group").click()
    expect(sheet).to_contain_text("This group has ended")


def test_a_voice_note_is_recorded_and_heard_everywhere(opened: Open) -> None:
    """By each phone's microphone; the others get sound that plays."""
    page = opened()
    page.context.grant_permissions(["microphone"])
    all_open(page)
    for phone in PHONES:
        before = {other: page.locator(f"{other} .message audio").count() for other in PHONES}
        attach(page, phone, "Voice note")
        sheet = page.locator(f"{phone} .clip-sheet")
        expect(sheet.get_by_role("status")).to_have_text("Recording…")
        page.evaluate("new Promise((done) => setTimeout(done, 1200))")  # what is said takes its time
        sheet.get_by_role("button", name="Send").click()
        for other in PHONES:
            sound = page.locator(f"{other} .message audio").nth(before[other])
            expect(sound).to_be_attached()
            expect(sound).to_have_js_property("error", None)
            page.wait_for_function("sound => sound.readyState >= 1 && sound.duration > 0", arg=sound.element_handle())
