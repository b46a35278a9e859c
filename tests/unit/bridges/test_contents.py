"""How the translators read every kind of content: webhooks as the platforms' documentation has them."""

import base64
import json
from typing import Any

import pytest

from bridges.instagram import TRANSLATOR as INSTAGRAM
from bridges.kit import extension
from bridges.kit.contract import (
    Native,
    NativeContent,
    NativeEdit,
    NativeFiles,
    NativeMedia,
    NativeMessage,
    NativeReaction,
    NativeTyping,
    NativeUnsend,
    NativeVote,
    Translator,
    Unreadable,
)
from bridges.messenger import TRANSLATOR as MESSENGER
from bridges.whatsapp import TRANSLATOR as WHATSAPP
from schemas.content import Card, Contacts, Location, Mark, Poll, Preview, Text, Unsupported

DIGEST = bytes(range(32))
HEX = DIGEST.hex()
PEOPLE = {"from": "16505551234", "id": "wamid.A", "timestamp": "1749416383"}
SAID = {"sha256": HEX, "size_bytes": 5, "mime": "image/png", "name": "a.png", "kind": "image"}


def whatsapp(message: dict[str, Any]) -> bytes:
    """A Cloud API webhook with this message."""
    value = {"metadata": {"phone_number_id": "1065"}, "messages": [{**PEOPLE, **message}]}
    return json.dumps({"entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()


def page(**event: Any) -> bytes:
    """A page's webhook with this event."""
    update = {"sender": {"id": "2002"}, "recipient": {"id": "1001"}, "timestamp": 1749416383123, **event}
    return json.dumps({"object": "page", "entry": [{"id": "1001", "messaging": [update]}]}).encode()


def attached(*attachments: dict[str, Any], **more: Any) -> bytes:
    """A page's webhook with a message that has these attachments."""
    return page(message={"mid": "m_1", "attachments": list(attachments), **more})


def file(url: str = "https://cdn.example/a", **payload: Any) -> dict[str, Any]:
    """An attachment's payload."""
    return {"url": url, **payload}


CONTENTS: list[tuple[Translator, bytes, NativeContent]] = [
    (
        WHATSAPP,
        whatsapp({"type": "text", "text": {"body": "See https://x.example/a."}, "federation": {"preview": True}}),
        Text(body="See https://x.example/a.", preview=Preview(url="https://x.example/a")),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "text", "text": {"body": "*no* link"}, "federation": {"plain": True, "preview": True}}),
        Text(body="*no* link"),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "text", "text": {"body": "very *bold*"}}),
        Text(body="very bold", marks=(Mark(kind="bold", start=5, end=9),)),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "text", "text": {"body": "2 *stars*"}, "federation": {"plain": True}}),
        Text(body="2 *stars*"),
    ),
    (
        WHATSAPP,
        whatsapp(
            {
                "type": "image",
                "image": {
                    "id": "77",
                    "mime_type": "image/jpeg",
                    "sha256": base64.b64encode(DIGEST).decode(),
                    "url": "https://lookaside.fbsbx.com/a",
                    "caption": "look",
                },
            }
        ),
        NativeFiles(
            items=(
                NativeMedia(kind="image", ref="77", url="https://lookaside.fbsbx.com/a", mime="image/jpeg", sha256=HEX),
            ),
            caption=Text(body="look"),
        ),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "audio", "audio": {"id": "78", "mime_type": "audio/ogg; codecs=opus", "voice": True}}),
        NativeFiles(items=(NativeMedia(kind="voice", ref="78", mime="audio/ogg; codecs=opus"),)),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "document", "document": {"id": "79", "filename": "a.pdf", "mime_type": "application/pdf"}}),
        NativeFiles(items=(NativeMedia(kind="document", ref="79", mime="application/pdf", name="a.pdf"),)),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "sticker", "sticker": {"id": "80", "mime_type": "image/webp", "animated": True}}),
        NativeFiles(items=(NativeMedia(kind="sticker", ref="80", mime="image/webp", animated=True),)),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "image", "image": {"id": "81", "sha256": "no digest", "federation": SAID}}),
        NativeFiles(
            items=(NativeMedia(kind="image", ref="81", sha256=HEX, size_bytes=5, mime="image/png", name="a.png"),)
        ),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "location", "location": {"latitude": 45.5, "longitude": 9, "name": "Duomo"}}),
        Location(latitude=45.5, longitude=9.0, name="Duomo"),
    ),
    (
        WHATSAPP,
        whatsapp(
            {
                "type": "contacts",
                "contacts": [
                    {
                        "name": {"formatted_name": "Carla Verdi", "first_name": "Carla"},
                        "phones": [{"phone": "+39 333", "wa_id": "39333", "type": "CELL"}, {"wa_id": "39334"}],
                        "emails": [{"email": "carla@example.org"}],
                        "org": {"company": "Verdi"},
                    }
                ],
            }
        ),
        Contacts(
            cards=(
                Card(
                    name="Carla Verdi",
                    phones=("+39 333", "+39334"),
                    emails=("carla@example.org",),
                    organisation="Verdi",
                ),
            )
        ),
    ),
    (WHATSAPP, whatsapp({"type": "button", "button": {"payload": "1", "text": "Yes"}}), Text(body="Yes")),
    (
        WHATSAPP,
        whatsapp(
            {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": {"id": "1", "title": "A"}}}
        ),
        Text(body="A"),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "unsupported", "unsupported": {"type": "poll"}, "errors": [{"code": 131051}]}),
        Unsupported(what="poll"),
    ),
    (WHATSAPP, whatsapp({"type": "order", "order": {"catalog_id": "1"}}), Unsupported(what="order")),
    (
        MESSENGER,
        attached({"type": "image", "payload": file(), "federation": SAID}),
        NativeFiles(
            items=(
                NativeMedia(
                    kind="image",
                    url="https://cdn.example/a",
                    sha256=HEX,
                    size_bytes=5,
                    mime="image/png",
                    name="a.png",
                ),
            )
        ),
    ),
    (
        MESSENGER,
        attached({"type": "image", "payload": file("u1")}, {"type": "video", "payload": file("u2")}, text="two"),
        NativeFiles(
            items=(NativeMedia(kind="image", url="u1"), NativeMedia(kind="video", url="u2")),
            caption=Text(body="two"),
        ),
    ),
    (
        MESSENGER,
        attached({"type": "file", "payload": file(title="a.pdf")}),
        NativeFiles(items=(NativeMedia(kind="document", url="https://cdn.example/a", name="a.pdf"),)),
    ),
    (
        MESSENGER,
        attached({"type": "image", "payload": file(sticker_id=369239263222822)}),
        NativeFiles(items=(NativeMedia(kind="sticker", url="https://cdn.example/a"),)),
    ),
    (
        MESSENGER,
        attached({"type": "location", "payload": {"coordinates": {"lat": 45.5, "long": 9}}}),
        Location(latitude=45.5, longitude=9.0),
    ),
    (
        MESSENGER,
        attached({"type": "fallback", "payload": {"url": "https://example.org/", "title": "Example"}}),
        Text(body="Example\nhttps://example.org/"),
    ),
    (INSTAGRAM, attached({"type": "like_heart"}), Text(body="❤️")),
    (INSTAGRAM, attached({"type": "ephemeral"}), Unsupported(what="ephemeral")),
    (INSTAGRAM, page(message={"mid": "m_1", "is_unsupported": True}), Unsupported(what="unsupported")),
]


@pytest.mark.parametrize(("translator", "body", "expected"), CONTENTS)
def test_content_is_read(translator: Translator, body: bytes, expected: NativeContent) -> None:
    """Each kind in canonical terms; files as references."""
    (found,) = translator.read_webhook(body)
    assert isinstance(found, NativeMessage), found
    assert found.content == expected


AT_S, AT_MS = 1749416383000, 1749416383123
DONE: list[tuple[Translator, bytes, Native]] = [
    (
        WHATSAPP,
        whatsapp(
            {
                "type": "edit",
                "edit": {"original_message_id": "wamid.O", "message": {"type": "text", "text": {"body": "*new*"}}},
            }
        ),
        NativeEdit(
            native_id="wamid.O",
            actor="16505551234",
            peer="1065",
            at_ms=AT_S,
            name="wamid.A",
            text=Text(body="new", marks=(Mark(kind="bold", start=0, end=3),)),
        ),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "revoke", "revoke": {"original_message_id": "wamid.O"}}),
        NativeUnsend(native_id="wamid.O", actor="16505551234", peer="1065", at_ms=AT_S, name=""),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "reaction", "reaction": {"message_id": "wamid.O", "emoji": "😀"}}),
        NativeReaction(native_id="wamid.O", actor="16505551234", peer="1065", at_ms=AT_S, name="wamid.A", emoji="😀"),
    ),
    (
        WHATSAPP,
        whatsapp({"type": "reaction", "reaction": {"message_id": "wamid.O"}}),
        NativeReaction(native_id="wamid.O", actor="16505551234", peer="1065", at_ms=AT_S, name="wamid.A", emoji=""),
    ),
    (
        MESSENGER,
        page(message_edit={"mid": "m_1", "text": "new", "num_edit": 2}),
        NativeEdit(native_id="m_1", actor="2002", peer="1001", at_ms=AT_MS, name="2", text=Text(body="new")),
    ),
    (
        INSTAGRAM,
        page(message={"mid": "m_1", "is_deleted": True}),
        NativeUnsend(native_id="m_1", actor="2002", peer="1001", at_ms=AT_MS, name=""),
    ),
    (
        MESSENGER,
        page(reaction={"mid": "m_1", "action": "react", "reaction": "other", "emoji": "🎉"}),
        NativeReaction(native_id="m_1", actor="2002", peer="1001", at_ms=AT_MS, name=str(AT_MS), emoji="🎉"),
    ),
    (
        INSTAGRAM,
        page(reaction={"mid": "m_1", "action": "react", "reaction": "love"}),
        NativeReaction(native_id="m_1", actor="2002", peer="1001", at_ms=AT_MS, name=str(AT_MS), emoji="❤️"),
    ),
    (
        INSTAGRAM,
        page(reaction={"mid": "m_1", "action": "unreact"}),
        NativeReaction(native_id="m_1", actor="2002", peer="1001", at_ms=AT_MS, name=str(AT_MS), emoji=""),
    ),
]


@pytest.mark.parametrize(("translator", "body", "expected"), DONE)
def test_what_is_done_to_a_message_is_read(translator: Translator, body: bytes, expected: Native) -> None:
    """Edits, unsends and reactions name the message, whoever did it, and what tells them from each other."""
    assert translator.read_webhook(body) == [expected]


def test_a_reaction_that_nobody_knows_is_parked() -> None:
    """Neither an emoji nor a name that means one."""
    (found,) = MESSENGER.read_webhook(page(reaction={"mid": "m_1", "action": "react", "reaction": "other"}))
    assert isinstance(found, Unreadable)


def test_what_no_platform_has_comes_with_the_extension() -> None:
    """Unsends, polls and votes."""
    poll = {
        "native_id": "w1",
        "author": "7",
        "peer": "8",
        "at_ms": 5,
        "question": "Where?",
        "options": ["Here", "There"],
        "several": True,
    }
    changes = [
        {"field": "unsends", "value": {"native_id": "m_1", "author": "7", "peer": "8", "at_ms": 5}},
        {"field": "polls", "value": poll},
        {
            "field": "votes",
            "value": {"native_id": "w1", "voter": "8", "author": "7", "peer": "8", "options": [1], "at_ms": 6},
        },
        {
            "field": "votes",
            "value": {"native_id": "w1", "voter": "7", "author": "7", "peer": "8", "options": [], "at_ms": 7},
        },
        {"field": "typing", "value": {"node": "7", "peer": "8", "on": True}},
    ]
    body = json.dumps({"object": "federation", "entry": [{"id": "x", "time": 9, "changes": changes}]}).encode()
    assert extension.read_webhook(body) == [
        NativeUnsend(native_id="m_1", actor="7", peer="8", at_ms=5, name=""),
        NativeMessage(
            native_id="w1",
            author="7",
            recipient="8",
            content=Poll(question="Where?", options=("Here", "There"), several=True),
            at_ms=5,
        ),
        NativeVote(native_id="w1", actor="8", peer="7", at_ms=6, name="8@6", options=(1,)),
        NativeVote(native_id="w1", actor="7", peer="8", at_ms=7, name="7@7", options=()),
        NativeTyping(actor="7", peer="8", on=True),
    ]


# --- out -------------------------------------------------------------------------------------------------------------
