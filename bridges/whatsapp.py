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

from base64 import b64decode
from collections.abc import Iterator
from typing import Any, assert_never

import msgspec

from bridges.kit import envelopes, graph, tolerant
from bridges.kit.contract import (
    Call,
    Native,
    NativeContent,
    NativeEcho,
    NativeEdit,
    NativeFailure,
    NativeFiles,
    NativeMedia,
    NativeMessage,
    NativeReaction,
    NativeReceipt,
    NativeUnsend,
    Post,
    Posted,
    Translator,
    Upload,
    Verdict,
)
from bridges.kit.downgrade import AlbumPiece, MediaPiece, TextPiece
from bridges.kit.envelopes import Described
from bridges.kit.markup import STYLE
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.content import Card, Contacts, Location, MediaKind, Poll, Text, Unsupported
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
    reaction=Level.PARTIAL,
)

# --- what the platform sends -----------------------------------------------------------------------------------------


class _Metadata(msgspec.Struct, frozen=True):
    phone_number_id: str


class _Value(msgspec.Struct, frozen=True):
    metadata: _Metadata
    messages: list[msgspec.Raw] = []
    statuses: list[msgspec.Raw] = []


class _Text(msgspec.Struct, frozen=True):
    body: str


class _Context(msgspec.Struct, frozen=True):
    id: str = ""
    forwarded: bool = False
    frequently_forwarded: bool = False


class _File(msgspec.Struct, frozen=True):
    id: str
    mime_type: str = ""
    sha256: str = ""
    """Base64, as webhooks have it; hexadecimal where the platform answers a question."""
    url: str = ""
    caption: str = ""
    filename: str = ""
    voice: bool = False
    animated: bool = False
    federation: Described | None = None


class _Place(msgspec.Struct, frozen=True):
    latitude: float
    longitude: float
    name: str = ""
    address: str = ""


class _Name(msgspec.Struct, frozen=True):
    formatted_name: str = ""
    first_name: str = ""
    last_name: str = ""


class _Phone(msgspec.Struct, frozen=True):
    phone: str = ""
    wa_id: str = ""


class _Mail(msgspec.Struct, frozen=True):
    email: str = ""


class _Organisation(msgspec.Struct, frozen=True):
    company: str = ""


class _Card(msgspec.Struct, frozen=True):
    name: _Name = _Name()
    phones: list[_Phone] = []
    emails: list[_Mail] = []
    org: _Organisation = _Organisation()


class _Reaction(msgspec.Struct, frozen=True):
    message_id: str
    emoji: str = ""
    """Absent (or empty) when it is taken back."""


class _Titled(msgspec.Struct, frozen=True):
    title: str = ""


class _Button(msgspec.Struct, frozen=True):
    text: str = ""


class _Said(msgspec.Struct, frozen=True):
    plain: bool = False
    """The text is shown literally: there is no markup in it."""


class _Interactive(msgspec.Struct, frozen=True):
    type: str = ""
    button_reply: _Titled = _Titled()
    list_reply: _Titled = _Titled()


class _Unsupported(msgspec.Struct, frozen=True):
    type: str = ""


class _Edited(msgspec.Struct, frozen=True):
    text: _Text | None = None
    image: _File | None = None
    video: _File | None = None
    document: _File | None = None


class _Edit(msgspec.Struct, frozen=True):
    original_message_id: str
    message: _Edited


class _Revoke(msgspec.Struct, frozen=True):
    original_message_id: str


class _Message(msgspec.Struct, frozen=True):
    id: str
    timestamp: str
    type: str
    sender: str = msgspec.field(name="from", default="")
    """Absent when the user has a user name and no recent phone exchange; then there is the other one."""
    from_user_id: str = ""
    context: _Context | None = None
    text: _Text | None = None
    image: _File | None = None
    video: _File | None = None
    audio: _File | None = None
    document: _File | None = None
    sticker: _File | None = None
    location: _Place | None = None
    contacts: list[_Card] | None = None
    reaction: _Reaction | None = None
    button: _Button | None = None
    interactive: _Interactive | None = None
    edit: _Edit | None = None
    revoke: _Revoke | None = None
    unsupported: _Unsupported | None = None
    federation: _Said | None = None

    @property
    def author(self) -> str:
        return self.sender or self.from_user_id

    @property
    def at_ms(self) -> int:
        return int(self.timestamp) * 1000


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    title: str = ""
    message: str = ""


class _Status(msgspec.Struct, frozen=True):
    id: str
    status: str
    timestamp: str = "0"
    recipient_id: str = ""
    biz_opaque_callback_data: str = ""
    errors: list[_Error] = []


_values = msgspec.json.Decoder(_Value)
_messages = msgspec.json.Decoder(_Message)
_statuses = msgspec.json.Decoder(_Status)


# --- native -> values ------------------------------------------------------------------------------------------------


def _read_value(value: _Value) -> Iterator[Native]:
    node = value.metadata.phone_number_id
    yield from tolerant.each(_messages, value.messages, lambda message: [_read_message(node, message)])
    yield from tolerant.each(_statuses, value.statuses, lambda status: _read_status(node, status))


def _read_message(node: str, message: _Message) -> Native:
    if message.reaction is not None:
        return NativeReaction(
            native_id=message.reaction.message_id,
            actor=message.author,
            peer=node,
            at_ms=message.at_ms,
            name=message.id,
            emoji=message.reaction.emoji,
        )
    if message.edit is not None:
        return NativeEdit(
            native_id=message.edit.original_message_id,
            actor=message.author,
            peer=node,
            at_ms=message.at_ms,
            name=message.id,
            text=_edited(message.edit.message),
        )
    if message.revoke is not None:
        return NativeUnsend(
            native_id=message.revoke.original_message_id,
            actor=message.author,
            peer=node,
            at_ms=message.at_ms,
            name="",
        )
    context = message.context or _Context()
    return NativeMessage(
        native_id=message.id,
        author=message.author,
        recipient=node,
        content=_content(message),
        at_ms=message.at_ms,
        reply_to=context.id,
        forwarded=2 if context.frequently_forwarded else 1 if context.forwarded else 0,
    )


def _edited(message: _Edited) -> Text:
    file = message.image or message.video or message.document
    if message.text is not None:
        return STYLE.read(message.text.body)
    if file is not None:
        return STYLE.read(file.caption)
    raise tolerant.Refused("an edit without text")


def _content(message: _Message) -> NativeContent:
    if message.type == "system":  # a changed number, and the like: nobody has said anything
        raise tolerant.Refused("a system message")
    for kind, file in _files(message):
        caption = STYLE.read(file.caption) if file.caption else None
        return NativeFiles(items=(_media(kind, file),), caption=caption)
    body = _words(message)
    if body is not None:
        is_literal = message.federation is not None and message.federation.plain
        return Text(body=body) if is_literal else STYLE.read(body)
    if message.location is not None:
        place = message.location
        return Location(latitude=place.latitude, longitude=place.longitude, name=place.name, address=place.address)
    if message.contacts is not None:
        return Contacts(cards=tuple(_card(card) for card in message.contacts))
    return Unsupported(what=(message.unsupported.type if message.unsupported is not None else "") or message.type)


def _words(message: _Message) -> str | None:
    """A text, or what was chosen of several buttons or lines."""
    if message.text is not None:
        return message.text.body
    if message.button is not None:
        return message.button.text
    if message.interactive is not None:
        return message.interactive.button_reply.title or message.interactive.list_reply.title or None
    return None


def _files(message: _Message) -> Iterator[tuple[MediaKind, _File]]:
    if message.image is not None:
        yield "image", message.image
    if message.video is not None:
        yield "video", message.video
    if message.audio is not None:
        yield "voice" if message.audio.voice else "audio", message.audio
    if message.document is not None:
        yield "document", message.document
    if message.sticker is not None:
        yield "sticker", message.sticker


def _media(kind: MediaKind, file: _File) -> NativeMedia:
    media = NativeMedia(
        kind=kind,
        ref=file.id,
        url=file.url,
        mime=file.mime_type,
        sha256=_digest(file.sha256),
        name=file.filename,
        animated=file.animated,
    )
    return envelopes.described(media, file.federation)


def _digest(base64: str) -> str:
    """The digest in hexadecimal; empty for what is none."""
    try:
        raw = b64decode(base64, validate=True)
    except ValueError:
        return ""
    return raw.hex() if len(raw) == 32 else ""


def _card(card: _Card) -> Card:
    name = card.name.formatted_name or f"{card.name.first_name} {card.name.last_name}".strip()
    return Card(
        name=name,
        phones=tuple(one.phone or f"+{one.wa_id}" for one in card.phones if one.phone or one.wa_id),
        emails=tuple(one.email for one in card.emails if one.email),
        organisation=card.org.company,
    )


def _read_status(node: str, status: _Status) -> Iterator[Native]:
    match status.status:
        case "sent":
            yield NativeEcho(
                native_id=status.id,
                author=node,
                peer=status.recipient_id,
                opaque=status.biz_opaque_callback_data,
                at_ms=int(status.timestamp) * 1000,
            )
        case "delivered" | "read" as got:
            yield NativeReceipt(reader=status.recipient_id, peer=node, status=got, native_ids=(status.id,))
        case "failed":
            error = status.errors[0] if status.errors else _Error(title="The platform gave no reason.")
            yield NativeFailure(native_id=status.id, code=str(error.code), text=error.message or error.title)
        case _:  # `played` and newer ones say nothing that `read` has not said
            return


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
    if getattr(post.piece, "plain", False):
        federation["plain"] = True
    kind, member = _member(post)
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
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


class WhatsApp:
    """The translator of the Cloud API. See `Translator`."""

    rail = RailName("whatsapp")
    capabilities = CAPABILITIES
    style = STYLE

    def read_webhook(self, body: bytes) -> list[Native]:
        # Other fields (smb_message_echoes, account_update, ...) tell nothing that the federation carries.
        return envelopes.changes(body, "messages", _values, _read_value)

    def post(self, post: Post) -> Call:
        return _post(post)

    def posted(self, answer: bytes) -> Posted:
        return envelopes.posted(answer)

    def react(self, *, node: str, peer: str, native_id: str, emoji: str) -> Call:
        reaction = {"message_id": native_id, "emoji": emoji}
        body = {"messaging_product": "whatsapp", "to": peer, "type": "reaction", "reaction": reaction}
        return Call(method="POST", path=f"{API}/{node}/messages", body=body)

    def upload(self, *, node: str, kind: MediaKind, mime: str) -> Upload:  # noqa: ARG002 - the type alone says it here
        fields = {"messaging_product": "whatsapp", "type": mime}
        return Upload(path=f"{API}/{node}/media", fields=fields, file_field="file", lasts_s=UPLOADS_LAST_S)

    def uploaded(self, answer: bytes) -> str:
        return envelopes.uploaded(answer)

    def locate(self, ref: str) -> Call | None:
        return Call(method="GET", path=f"{API}/{ref}")

    def located(self, answer: bytes) -> str:
        try:
            return _located.decode(answer).url
        except tolerant.UNREADABLE:
            return ""

    def judge(self, status: int, answer: bytes) -> Verdict:
        return graph.judge(status, answer, ERRORS)


TRANSLATOR: Translator = WhatsApp()
