"""Messages with choices: read from the platforms' forms, as plain text, and what the answers look like."""

from typing import Any

import pytest

from rails.kit import page_offers
from rails.kit.model import Refused
from rails.kit.offers import CHOICES_MOST, chosen, readable
from rails.whatsapp import offers

BUTTONS = {
    "type": "button",
    "header": {"type": "text", "text": "Hi"},
    "body": {"text": "Tea?"},
    "footer": {"text": "Shop"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "y", "title": "Yes"}}]},
}


def test_interactive_reads_as_text_and_is_answered() -> None:
    """Header, body, footer, numbered choices; the platform's answer."""
    offer = offers.interactive({"interactive": BUTTONS})
    assert readable(offer) == "Hi\nTea?\nShop\n1. Yes"
    choice = chosen(offer, of="m", ident="y").choice
    told = {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}}
    assert offers.answered(choice) == {"type": "interactive", "interactive": told}
    with pytest.raises(Refused, match="no such choice"):
        chosen(offer, of="m", ident="n")


def test_template_is_its_name_and_parameters() -> None:
    """A template's own words are not known; its quick replies can be pressed."""
    components = [
        {"type": "body", "parameters": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "P"}],
        },
    ]
    told = {"name": "hello_world", "language": {"code": "en_US"}, "components": components}
    offer = offers.template({"template": told})
    assert offer.body == "hello_world: a, b"
    answer = offers.answered(chosen(offer, of="m", ident="1").choice)
    assert answer == {"type": "button", "button": {"payload": "P", "text": "P"}}
    assert readable(offers.template({"template": {"name": "hello_world"}})) == "hello_world"


def test_link_is_no_answer() -> None:
    """A link is shown, and cannot be chosen."""
    action = {"name": "cta_url", "parameters": {"display_text": "Open", "url": "https://example.org"}}
    offer = offers.interactive({"interactive": {"type": "cta_url", "body": {"text": "See"}, "action": action}})
    assert readable(offer) == "See\nOpen: https://example.org"
    with pytest.raises(Refused):
        chosen(offer, of="m", ident="link")


def test_generic_template_with_quick_replies() -> None:
    """Cards, buttons and quick replies in one message, each answered in its own way."""
    buttons = [{"type": "postback", "title": "Buy", "payload": "BUY"}]
    payload = {"template_type": "generic", "elements": [{"title": "Tea", "subtitle": "hot", "buttons": buttons}]}
    quick = [{"content_type": "text", "title": "No", "payload": "NO"}]
    offer = page_offers.asked({"attachment": {"type": "template", "payload": payload}, "quick_replies": quick})
    assert readable(offer) == "Tea - hot\n1. Buy\n2. No"
    assert [choice.form for choice in offer.choices] == ["postback", "quick_reply"]


@pytest.mark.parametrize(
    "interactive",
    [
        None,
        [],
        {},
        {"type": 7},
        {"type": "button", "action": 1},
        {"type": "button", "action": {"buttons": [1]}},
        {"type": "button", "body": {"text": ["x"]}},
        {"type": "button", "body": {"text": "\ud800"}},
        {**BUTTONS, "action": {"buttons": BUTTONS["action"]["buttons"] * 2}},  # type: ignore[index] # it is a dict
        {**BUTTONS, "body": {"text": "x" * 5000}},
        {
            "type": "list",
            "action": {"sections": [{"rows": [{"id": str(n), "title": "t"} for n in range(CHOICES_MOST + 1)]}]},
        },
    ],
)
def test_malformed_interactive_is_refused(interactive: Any) -> None:
    """Never anything but a refusal."""
    with pytest.raises(Refused):
        offers.interactive({"interactive": interactive})
