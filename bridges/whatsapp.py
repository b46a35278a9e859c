"""WhatsApp: the Cloud API's webhooks and Send API.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes

Habits to know: timestamps are strings of Unix seconds; receipts are one status a message, in any order, and
`delivered` may be skipped; our own posts come back as a `sent` status with `biz_opaque_callback_data`; a post is only
*accepted* by its answer, and may fail later by a `failed` status; edits, unsends and reactions are messages with ids of
their own; a file is an id, and the address it is asked for by that lives for minutes.
"""

from typing import Any, assert_never

import msgspec

from bridges.kit import cloud, endings, envelopes, graph, tolerant
from bridges.kit.contract import Call, Locator, Native, Offer, Post, Posted, Translator, Upload, Verdict
from bridges.kit.downgrade import AlbumPiece, MediaPiece, TextPiece
from bridges.kit.markup import STYLE
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.content import Card, Contacts, Location, Poll
from schemas.ids import RailName

API = "/v23.0"

KB, MB = 1024, 1024 * 1024

CAPABILITIES = Capabilities(
    rail=RailName("whatsapp"),
    version=3,
    text_max=4096,
    text_unit="characters",
    app_text_max=65_536,
    text=Level.FULL,
    reply=Level.FULL,
    delivered=Level.FULL,
    read=Level.FULL,
    order=Level.FULL,
    marks={
        "bold": Level.FULL,
        "italic": Level.FULL,
        "strike": Level.FULL,
        "code": Level.FULL,
        "block": Level.FULL,
        "quote": Level.FULL,
        "bullet": Level.FULL,
        "number": Level.FULL,
        "link": Level.FALLBACK,
        "mention": Level.FALLBACK,
    },
    media={
        "image": MediaLimit(mimes=("image/jpeg", "image/png"), max_bytes=5 * MB, caption_max=1024),
        "video": MediaLimit(mimes=("video/mp4", "video/3gpp"), max_bytes=16 * MB, caption_max=1024),
        "audio": MediaLimit(
            mimes=("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), max_bytes=16 * MB
        ),
        "voice": MediaLimit(mimes=("audio/ogg",), max_bytes=16 * MB),
        "document": MediaLimit(mimes=("*/*",), max_bytes=100 * MB, caption_max=1024),
        "sticker": MediaLimit(mimes=("image/webp",), max_bytes=100 * KB, animated_max_bytes=500 * KB),
    },
    location=Level.FULL,
    contacts=Level.FULL,
    poll=Level.FALLBACK,
    forwarded=Level.FULL,
    preview=Level.PARTIAL,
    edit=Level.PARTIAL,
    edit_within_s=15 * 60,
    unsend=Level.PARTIAL,
    unsend_within_s=2 * 24 * 3600,
    groups=Level.FULL,
    group_most=1024,
    typing=Level.FULL,
    presence=Level.FULL,
    reaction=Level.PARTIAL,
)

# --- acts -> calls ---------------------------------------------------------------------------------------------------

UPLOADS_LAST_S = 29 * 86_400
"""The platform keeps them 30 days."""


class _Located(msgspec.Struct, frozen=True):
    url: str = ""


_located = msgspec.json.Decoder(_Located)


def _post(post: Post) -> Call:
    federation: dict[str, Any] = {"order": post.order, "sent_at_ms": post.sent_at_ms}
    if post.forwarded:
        federation["forwarded"] = post.forwarded
    federation |= endings.ends(post.expires)
    if getattr(post.piece, "plain", False):
        federation["plain"] = True
    kind, member = _member(post)
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "group" if post.in_group else "individual",
        "to": post.peer,
        "type": kind,
        kind: member,
        "biz_opaque_callback_data": post.opaque,
        "federation": federation,
    }
    if post.reply_to:
        body["context"] = {"message_id": post.reply_to}
    return Call(method="POST", path=f"{API}/{post.node}/messages", headers={"Idempotency-Key": post.key}, body=body)


def _member(post: Post) -> tuple[str, Any]:
    """The type of a send and the object under it."""
    match post.piece:
        case TextPiece(body=body, preview=preview):
            return "text", {"body": body, "preview_url": preview}
        case MediaPiece() as piece:
            return _file(piece, post.uploads[piece.media.sha256])
        case Location() as place:
            named = {"name": place.name, "address": place.address}
            return "location", {
                "latitude": place.latitude,
                "longitude": place.longitude,
                **{key: value for key, value in named.items() if value},
            }
        case Contacts(cards=cards):
            return "contacts", [_contact(card) for card in cards]
        case AlbumPiece() | Poll():
            raise ValueError(f"a {type(post.piece).__name__} is not in this rail's capabilities")
        case _:
            assert_never(post.piece)


def _file(piece: MediaPiece, upload: str) -> tuple[str, Any]:
    member: dict[str, Any] = {"id": upload}
    if piece.caption:
        member["caption"] = piece.caption
    if piece.kind == "voice":
        return "audio", {**member, "voice": True}
    if piece.kind == "document":
        member["filename"] = piece.media.name or "file"
    return piece.kind, member


def _contact(card: Card) -> dict[str, Any]:
    contact: dict[str, Any] = {
        "name": {"formatted_name": card.name, "first_name": card.name},
        "phones": [{"phone": phone} for phone in card.phones],
        "emails": [{"email": email} for email in card.emails],
    }
    if card.organisation:
        contact["org"] = {"company": card.organisation}
    return contact


# --- errors ----------------------------------------------------------------------------------------------------------

ERRORS: graph.ErrorTable = {
    (0, None): "bad_credentials",
    (190, None): "bad_credentials",
    (1, None): "temporary",
    (2, None): "temporary",
    (4, None): "temporary",
    (80007, None): "temporary",
    (130429, None): "temporary",
    (131000, None): "temporary",
    (131016, None): "temporary",
    (131048, None): "temporary",
    (131056, None): "temporary",
    (131057, None): "temporary",
    (133016, None): "temporary",
    (33, None): "permanent",
    (100, None): "permanent",
    (368, None): "permanent",
    (131005, None): "permanent",
    (131008, None): "permanent",
    (131009, None): "permanent",
    (131021, None): "permanent",
    (131026, None): "permanent",
    (131047, None): "permanent",
    (131051, None): "permanent",
}


class _Files:
    """A file is an id, and its address lives for minutes. See `Locator`."""

    def locate(self, ref: str) -> Call:
        return Call(method="GET", path=f"{API}/{ref}")

    def located(self, answer: bytes) -> str:
        try:
            return _located.decode(answer).url
        except tolerant.UNREADABLE:
            return ""


class WhatsApp:
    """The translator of the Cloud API. See `Translator`."""

    rail = RailName("whatsapp")
    capabilities = CAPABILITIES
    style = STYLE
    locator: Locator = _Files()

    def read_webhook(self, body: bytes) -> list[Native]:
        return cloud.read_webhook(body)

    def post(self, post: Post) -> Call:
        return _post(post)

    def posted(self, answer: bytes) -> Posted:
        return envelopes.posted(answer)

    def react(self, *, node: str, peer: str, native_id: str, emoji: str) -> Call:
        reaction = {"message_id": native_id, "emoji": emoji}
        body = {"messaging_product": "whatsapp", "to": peer, "type": "reaction", "reaction": reaction}
        return Call(method="POST", path=f"{API}/{node}/messages", body=body)

    def upload(self, offer: Offer) -> Upload:
        fields = {"messaging_product": "whatsapp", "type": offer.mime}
        return Upload(path=f"{API}/{offer.node}/media", fields=fields, file_field="file", lasts_s=UPLOADS_LAST_S)

    def uploaded(self, answer: bytes) -> str:
        return envelopes.uploaded(answer)

    def judge(self, status: int, answer: bytes) -> Verdict:
        return graph.judge(status, answer, ERRORS)


TRANSLATOR: Translator = WhatsApp()
