"""How the translators send every kind of content: calls as the platforms' documentation has them."""

import json
from typing import Any

import pytest

from bridges.instagram import TRANSLATOR as INSTAGRAM
from bridges.kit.contract import (
    Offer,
    Post,
    Translator,
)
from bridges.kit.downgrade import AlbumPiece, MediaPiece, Piece, TextPiece
from bridges.messenger import TRANSLATOR as MESSENGER
from bridges.whatsapp import TRANSLATOR as WHATSAPP
from schemas.content import Card, Contacts, Location, Media

HEX = bytes(range(32)).hex()
PHOTO = Media(kind="image", sha256=HEX, size_bytes=5, mime="image/png")
NOTE = Media(kind="voice", sha256=HEX, size_bytes=5, mime="audio/ogg")
PAPER = Media(kind="document", sha256=HEX, size_bytes=5, mime="application/pdf", name="a.pdf")


def body_of(translator: Translator, piece: Piece, **more: Any) -> dict[str, Any]:
    """The body of the call that posts a piece."""
    post = Post(
        node="1", peer="2", piece=piece, key="k", opaque="o", order=1, sent_at_ms=2, uploads={HEX: "900"}, **more
    )
    body: dict[str, Any] = translator.post(post).body
    return body


POSTED: list[tuple[Piece, str, Any]] = [
    (MediaPiece(media=PHOTO, kind="image", caption="*look*"), "image", {"id": "900", "caption": "*look*"}),
    (MediaPiece(media=NOTE, kind="voice"), "audio", {"id": "900", "voice": True}),
    (MediaPiece(media=NOTE, kind="audio"), "audio", {"id": "900"}),
    (MediaPiece(media=PAPER, kind="document"), "document", {"id": "900", "filename": "a.pdf"}),
    (
        Location(latitude=1.5, longitude=2.5, name="Duomo"),
        "location",
        {"latitude": 1.5, "longitude": 2.5, "name": "Duomo"},
    ),
    (
        Contacts(cards=(Card(name="Carla", phones=("+39",), organisation="Verdi"),)),
        "contacts",
        [
            {
                "name": {"formatted_name": "Carla", "first_name": "Carla"},
                "phones": [{"phone": "+39"}],
                "emails": [],
                "org": {"company": "Verdi"},
            }
        ],
    ),
]


@pytest.mark.parametrize(("piece", "kind", "member"), POSTED)
def test_whatsapp_posts_each_kind_as_documented(piece: Piece, kind: str, member: Any) -> None:
    """The type, and the object under it."""
    body = body_of(WHATSAPP, piece)
    assert (body["type"], body[kind]) == (kind, member)


def test_whatsapp_is_told_what_is_no_markup_and_what_was_forwarded() -> None:
    """Beside the platform's own members."""
    body = body_of(WHATSAPP, TextPiece(body="2 *stars*", plain=True, preview=True), forwarded=2)
    assert body["text"] == {"body": "2 *stars*", "preview_url": True}
    assert body["federation"] == {"order": 1, "sent_at_ms": 2, "forwarded": 2, "plain": True}


@pytest.mark.parametrize("translator", [MESSENGER, INSTAGRAM])
def test_pages_post_files_as_documented(translator: Translator) -> None:
    """One attachment, or several in one message."""
    one = {"type": "image", "payload": {"attachment_id": "900"}}
    body = body_of(translator, MediaPiece(media=PHOTO, kind="image"))
    assert body["message"] == {"attachment": one, "metadata": "o"}
    item = MediaPiece(media=PHOTO, kind="image")
    body = body_of(translator, AlbumPiece(items=(item, item)))
    assert body["message"] == {"attachments": [one, one], "metadata": "o"}
    body = body_of(translator, MediaPiece(media=PAPER, kind="document"))
    assert body["message"]["attachment"]["type"] == "file"


@pytest.mark.parametrize("translator", [MESSENGER, INSTAGRAM])
def test_pages_react_as_documented(translator: Translator) -> None:
    """By the platform's name, and the emoji beside it."""
    call = translator.react(node="1", peer="2", native_id="m_1", emoji="❤️")
    assert (call.path, call.body["sender_action"]) == ("/v23.0/1/messages", "react")
    assert call.body["payload"] == {"message_id": "m_1", "reaction": "love", "emoji": "❤️"}
    call = translator.react(node="1", peer="2", native_id="m_1", emoji="")
    assert (call.body["sender_action"], call.body["payload"]) == ("unreact", {"message_id": "m_1"})


def test_whatsapp_reacts_as_documented() -> None:
    """An empty emoji takes it back."""
    for emoji in ("😀", ""):
        call = WHATSAPP.react(node="1", peer="2", native_id="wamid.1", emoji=emoji)
        assert call.body["reaction"] == {"message_id": "wamid.1", "emoji": emoji}


def test_uploads_are_asked_for_as_documented() -> None:
    """One form a rail, and where its answer has the id."""
    upload = WHATSAPP.upload(Offer(node="1", kind="voice", mime="audio/ogg"))
    assert (upload.path, upload.file_field) == ("/v23.0/1/media", "file")
    assert upload.fields == {"messaging_product": "whatsapp", "type": "audio/ogg"}
    assert WHATSAPP.uploaded(b'{"id":"900"}') == "900"
    for translator in (MESSENGER, INSTAGRAM):
        upload = translator.upload(Offer(node="1", kind="voice", mime="audio/ogg"))
        assert (upload.path, upload.file_field) == ("/v23.0/1/message_attachments", "filedata")
        assert json.loads(upload.fields["message"]) == {
            "attachment": {"type": "audio", "payload": {"is_reusable": True}}
        }
        assert translator.uploaded(b'{"attachment_id":"900"}') == "900"
        assert translator.uploaded(b"{}") == translator.uploaded(b"nothing") == ""


def test_whatsapp_says_where_a_file_is() -> None:
    """By its id, again and again: the address lives for minutes."""
    locator = WHATSAPP.locator
    assert locator is not None
    call = locator.locate("77")
    assert (call.method, call.path) == ("GET", "/v23.0/77")
    assert locator.located(b'{"url":"https://x/y","file_size":5}') == "https://x/y"
    assert locator.located(b"{") == ""


@pytest.mark.parametrize("where", ["error_data", "error"])
def test_the_extension_says_why_in_a_word(where: str) -> None:
    """A refusal that has another way is known by its word, wherever it stands."""
    said = {"federation_code": "too_old"}
    error = {"message": "no", "code": 100} | (said if where == "error" else {"error_data": said})
    for translator in (WHATSAPP, MESSENGER, INSTAGRAM):
        verdict = translator.judge(400, json.dumps({"error": error}).encode())
        assert (verdict.outcome, verdict.code) == ("permanent", "too_old")


def test_a_word_does_not_make_a_rate_limit_final() -> None:
    """The extension's word goes with every refusal; what the platform's code calls temporary stays so."""
    for translator, code in ((WHATSAPP, 130429), (MESSENGER, 613), (INSTAGRAM, 613)):
        error = {"message": "slow down", "code": code, "error_data": {"federation_code": "too_many"}}
        assert translator.judge(400, json.dumps({"error": error}).encode()).outcome == "temporary"
