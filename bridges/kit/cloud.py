"""The wire of numbers: `entry[].changes[]` with messages and statuses, as the Cloud API's webhooks have them. Pure.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components

Read here, whatever the rail: texts in its markup, files, places, cards, reactions, edits, unsends, and one status a
message. What is sent, and what the rail can, stands in the rail's own file, which calls `read_webhook`.
"""

import re
from base64 import b64decode
from collections.abc import Iterator

import msgspec

from bridges.kit import endings, envelopes, tolerant
from bridges.kit.contract import (
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
)
from bridges.kit.envelopes import Described
from bridges.kit.markup import STYLE
from schemas.content import Card, Contacts, Location, MediaKind, Preview, Text, Unsupported

_LINK = re.compile(r"https?://[^\s<>]+")


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
    expires_at_ms: int = 0
    after_read_s: int = 0
    preview: bool = False
    """The app shows what its link leads to."""


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
    recipient_participant_id: str = ""
    biz_opaque_callback_data: str = ""
    errors: list[_Error] = []


_values = msgspec.json.Decoder(_Value)
_messages = msgspec.json.Decoder(_Message)
_statuses = msgspec.json.Decoder(_Status)


def read_webhook(body: bytes) -> list[Native]:
    """Every message and status of a webhook's body.

    Other fields (smb_message_echoes, account_update, ...) tell nothing that the federation carries.
    """
    return envelopes.changes(body, "messages", _values, _read_value)


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
        expires=endings.expiry(message.federation),
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
        said = message.federation or _Said()
        return _previewed(Text(body=body) if said.plain else STYLE.read(body), said)
    if message.location is not None:
        place = message.location
        return Location(latitude=place.latitude, longitude=place.longitude, name=place.name, address=place.address)
    if message.contacts is not None:
        return Contacts(cards=tuple(_card(card) for card in message.contacts))
    return Unsupported(what=(message.unsupported.type if message.unsupported is not None else "") or message.type)


def _previewed(text: Text, said: _Said) -> Text:
    link = _LINK.search(text.body) if said.preview else None
    return text if link is None else msgspec.structs.replace(text, preview=Preview(url=link[0].rstrip(".,;:!?")))


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
            reader, peer = status.recipient_id, node
            if status.recipient_participant_id:  # in a group, which is then the recipient
                reader, peer = status.recipient_participant_id, status.recipient_id
            yield NativeReceipt(reader=reader, peer=peer, status=got, native_ids=(status.id,))
        case "failed":
            error = status.errors[0] if status.errors else _Error(title="The platform gave no reason.")
            yield NativeFailure(native_id=status.id, code=str(error.code), text=error.message or error.title)
        case _:  # `played` and newer ones say nothing that `read` has not said
            return
