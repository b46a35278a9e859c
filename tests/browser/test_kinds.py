"""Each kind of content by clicking, from the phone whose rail has it to the others; and text that would be markup."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS, Open
from tests.browser.test_contents import PHONES, all_open, attach, tool
from tests.browser.test_phones import INSTAGRAM, MESSENGER, WHATSAPP, texts, write
from tests.conformance import samples

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

HOSTILE = "<img src=x onerror=document.title='owned'> <script>document.title='owned'</script>"


def choose(page: Page, phone: str, what: str, name: str, kind: str) -> None:
    """Attach a file of a kind, by the picker."""
    mime, body = samples.FILES[kind]
    with page.expect_file_chooser() as chooser:
        attach(page, phone, what)
    chooser.value.set_files({"name": name, "mimeType": mime, "buffer": body})


@pytest.mark.parametrize(
    ("what", "kind", "element"),
    [
        ("Photo, video or file", "video", "video"),
        ("Photo, video or file", "audio", "audio"),
        ("Photo, video or file", "document", ".content.document a"),
        ("Sticker", "sticker", "img"),
    ],
)
def test_a_file_of_each_kind(opened: Open, what: str, kind: str, element: str) -> None:
    """Shown as what it is where the rail has it, else as the next best thing; openable on every phone."""
    page = opened()
    all_open(page)
    choose(page, WHATSAPP, what, f"sample-{kind}", kind)
    expect(page.locator(f"{WHATSAPP} .message").last.locator(element)).to_be_attached()
    for phone in (MESSENGER, INSTAGRAM):
        last = page.locator(f"{phone} .message.in").last
        expect(last.locator(":is(video, audio, img, .content a, .text)").first).to_be_attached()
        expect(last).not_to_contain_text("undefined")


def test_a_contact_card(opened: Open) -> None:
    """With its name as text."""
    page = opened()
    all_open(page)
    sheet = attach(page, WHATSAPP, "Contact card")
    sheet.get_by_label("Name").fill(f"Carla {HOSTILE}")
    sheet.get_by_label("Phone").fill("+393336667777")
    sheet.get_by_role("button", name="Send").click()
    for phone in PHONES:
        expect(page.locator(f"{phone} .message").last).to_contain_text("+393336667777")
        expect(page.locator(f"{phone} .message").last).to_contain_text("<img src=x")
    assert "owned" not in page.title()


def test_two_vote_in_a_poll(opened: Open) -> None:
    """Who has it as a poll clicks; who has it in words answers with a number. The count is one."""
    page = opened()
    all_open(page)
    sheet = attach(page, WHATSAPP, "Poll")
    sheet.get_by_label("Question").fill("Which train?")
    sheet.get_by_label("Options, one a line").fill("The slow one\nThe fast one")
    sheet.get_by_role("button", name="Send").click()
    for phone in PHONES:
        expect(page.locator(f"{phone} .message").last).to_contain_text("Which train?")
    fast = page.locator(f"{WHATSAPP} .content.poll").last.get_by_role("button", name="The fast one")
    tool(page, INSTAGRAM, "Which train?", "Reply")
    write(page, INSTAGRAM, "2")
    expect(fast.locator(".tally")).to_have_text("1")
    fast.click()
    expect(fast.locator(".tally")).to_have_text("2")


def test_an_answer_is_tied_to_its_message_everywhere(opened: Open) -> None:
    """The quote stands over it on every phone."""
    page = opened()
    all_open(page)
    write(page, WHATSAPP, "Shall we take the tram?")
    for phone in PHONES:
        expect(texts(page, phone).last).to_have_text("Shall we take the tram?")
    tool(page, MESSENGER, "Shall we take the tram?", "Reply")
    write(page, MESSENGER, "Rather walk.")
    for phone in PHONES:
        answer = page.locator(f"{phone} .message", has_text="Rather walk.").last
        expect(answer.locator(".quoted")).to_contain_text("the tram")


def test_text_is_text(opened: Open) -> None:
    """Markup and scripts in words, on every phone, in the inbox and in the lists (T9)."""
    page = opened()
    all_open(page)
    write(page, WHATSAPP, HOSTILE)
    for phone in PHONES:
        expect(texts(page, phone).last).to_contain_text("<script>")
    page.get_by_role("link", name="Inbox").click()
    page.get_by_label("Person", exact=True).select_option(label="Bob")
    expect(page.locator(".inbox .row", has_text="Alice")).to_contain_text("<img")
    assert "owned" not in page.title()
