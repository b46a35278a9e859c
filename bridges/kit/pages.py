"""The wire of pages: `entry[].messaging[]` updates between two accounts, and the sends that go with them. Pure.

Two of the platforms speak it, with other habits: which receipts, which attachments, which limits. What they share is
here, what sets them apart is in their own files, each a `Pages` with its own tables.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from bridges.kit import endings, envelopes, graph, tolerant
from bridges.kit.contract import (
    Call,
    Native,
    NativeContent,
    NativeEcho,
    NativeEdit,
    NativeFiles,
    NativeMedia,
    NativeMessage,
    NativeReaction,
    NativeReceipt,
    NativeUnsend,
    Offer,
    Post,
    Posted,
    Upload,
    Verdict,
)
from bridges.kit.downgrade import AlbumPiece, MediaPiece, TextPiece
from bridges.kit.envelopes import Described
from bridges.kit.formatting import PLAIN
from schemas.capabilities import Capabilities
from schemas.content import Location, MediaKind, Text, Unsupported
from schemas.ids import RailName

API = "/v23.0"

KINDS: Mapping[str, MediaKind] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "file": "document",
    "sticker": "sticker",
}
"""An attachment's type -> what it is."""

TYPES: Mapping[MediaKind, str] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "voice": "audio",
    "document": "file",
    "sticker": "sticker",
}
"""What a file is -> its attachment's type."""

UPLOADS_LAST_S = 89 * 86_400
"""The platforms keep them 90 days."""

_HEART = Text(body="\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}")


class _Id(msgspec.Struct, frozen=True):
    id: str


class _ReplyTo(msgspec.Struct, frozen=True):
    mid: str = ""
    """Absent when a story is answered, which is no message."""


class _Coordinates(msgspec.Struct, frozen=True):
    lat: float
    long: float


class _Payload(msgspec.Struct, frozen=True):
    url: str | None = None
    title: str | None = None
    sticker_id: int | str | None = None
    coordinates: _Coordinates | None = None
    federation: Described | None = None


class _Attachment(msgspec.Struct, frozen=True):
    type: str
    payload: _Payload | None = None
    federation: Described | None = None


class _Said(msgspec.Struct, frozen=True):
    forwarded: int = 0
    expires_at_ms: int = 0
    after_read_s: int = 0


class _Message(msgspec.Struct, frozen=True):
    mid: str
    text: str | None = None
    is_echo: bool = False
    is_deleted: bool = False
    is_unsupported: bool = False
    metadata: str = ""
    reply_to: _ReplyTo | None = None
    attachments: list[_Attachment] | None = None
    federation: _Said | None = None


class _Edit(msgspec.Struct, frozen=True):
    mid: str
    text: str
    num_edit: int = 0


class _Reaction(msgspec.Struct, frozen=True):
    mid: str
    action: str
    reaction: str | None = None
    emoji: str | None = None


class _Delivery(msgspec.Struct, frozen=True):
    watermark: int
    mids: list[str] | None = None


class _Read(msgspec.Struct, frozen=True):
    watermark: int | None = None
    """Everything at or before this time, or"""
    mid: str = ""
    """everything up to this message."""


class Update(msgspec.Struct, frozen=True):
    """One update: what `sender` has done in their thread with `recipient`."""

    sender: _Id
    recipient: _Id
    timestamp: int = 0
    message: _Message | None = None
    message_edit: _Edit | None = None
    reaction: _Reaction | None = None
    delivery: _Delivery | None = None
    read: _Read | None = None


_updates = msgspec.json.Decoder(Update)

NAMED: Mapping[str, str] = {
    "love": "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}",
    "like": "\N{THUMBS UP SIGN}",
    "dislike": "\N{THUMBS DOWN SIGN}",
    "smile": "\N{SMILING FACE WITH OPEN MOUTH}",
    "laugh": "\N{FACE WITH TEARS OF JOY}",
    "haha": "\N{FACE WITH TEARS OF JOY}",
    "wow": "\N{FACE WITH OPEN MOUTH}",
    "sad": "\N{CRYING FACE}",
    "angry": "\N{POUTING FACE}",
}
"""The platforms' names of reactions, for updates without the emoji itself."""


def _read_update(update: Update) -> Iterator[Native]:
    sender, recipient = update.sender.id, update.recipient.id
    if update.message is not None:
        yield _read_message(sender, recipient, update.timestamp, update.message)
    if (edit := update.message_edit) is not None:
        yield NativeEdit(
            native_id=edit.mid,
            actor=sender,
            peer=recipient,
            at_ms=update.timestamp,
            name=str(edit.num_edit or update.timestamp),
            text=Text(body=edit.text),
        )
    if (reaction := update.reaction) is not None:
        yield NativeReaction(
            native_id=reaction.mid,
            actor=sender,
            peer=recipient,
            at_ms=update.timestamp,
            name=str(update.timestamp),
            emoji=_emoji(reaction),
        )
    if (delivery := update.delivery) is not None:
        yield NativeReceipt(
            reader=sender,
            peer=recipient,
            status="delivered",
            native_ids=tuple(delivery.mids or ()),
            watermark_ms=delivery.watermark,
        )
    if (read := update.read) is not None:
        yield NativeReceipt(reader=sender, peer=recipient, status="read", up_to=read.mid, watermark_ms=read.watermark)


def _emoji(reaction: _Reaction) -> str:
    if reaction.action == "unreact":
        return ""
    emoji = reaction.emoji or NAMED.get(reaction.reaction or "", "")
    if reaction.action != "react" or not emoji:
        raise tolerant.Refused(f"a reaction {reaction.action!r} {reaction.reaction!r} is not known")
    return emoji


def _read_message(sender: str, recipient: str, at_ms: int, message: _Message) -> Native:
    if message.is_echo:
        return NativeEcho(native_id=message.mid, author=sender, peer=recipient, opaque=message.metadata, at_ms=at_ms)
    if message.is_deleted:
        return NativeUnsend(native_id=message.mid, actor=sender, peer=recipient, at_ms=at_ms, name="")
    said = message.federation.forwarded if message.federation is not None else 0
    return NativeMessage(
        native_id=message.mid,
        author=sender,
        recipient=recipient,
        content=_content(message),
        at_ms=at_ms,
        reply_to=message.reply_to.mid if message.reply_to is not None else "",
        forwarded=2 if said > 1 else 1 if said == 1 else 0,
        expires=endings.expiry(message.federation),
    )


def _content(message: _Message) -> NativeContent:
    """Files if there are any; else the text, or what an attachment says in its place."""
    attachments = message.attachments or []
    files = tuple(found for found in map(_file, attachments) if found is not None)
    if files:
        return NativeFiles(items=files, caption=Text(body=message.text) if message.text else None)
    if message.text is not None:
        return Text(body=message.text)
    for attachment in attachments:
        return _instead(attachment)
    if message.is_unsupported:
        return Unsupported(what="unsupported")
    raise tolerant.Refused("a message without text or attachments")


def _file(attachment: _Attachment) -> NativeMedia | None:
    payload = attachment.payload
    kind = KINDS.get(attachment.type)
    if kind is None or payload is None or not payload.url:
        return None
    if payload.sticker_id is not None:
        kind = "sticker"
    media = NativeMedia(kind=kind, url=payload.url, name=(payload.title or "") if kind == "document" else "")
    return envelopes.described(media, attachment.federation or payload.federation)


def _instead(attachment: _Attachment) -> NativeContent:
    """What an attachment is that is no file: a heart, a place, a link to something of the platform's own."""
    payload = attachment.payload or _Payload()
    if attachment.type == "like_heart":
        return _HEART
    if payload.coordinates is not None:
        where = payload.coordinates
        return Location(latitude=where.lat, longitude=where.long, name=payload.title or "")
    words = "\n".join(word for word in (payload.title, payload.url) if word)
    return Text(body=words) if words else Unsupported(what=attachment.type)


# --- sends -----------------------------------------------------------------------------------------------------------


class Pages:
    """The translator of a platform of pages (see `Translator`), for a rail's file to fill in."""

    rail: RailName
    capabilities: Capabilities
    errors: graph.ErrorTable
    platform: str
    """What the platform calls itself in uploads."""
    post_members: ClassVar[Mapping[str, Any]] = {}
    """Members of a send that only this platform has."""
    style = PLAIN
    locator = None

    def read_webhook(self, body: bytes) -> list[Native]:
        return envelopes.messaging(body, _updates, _read_update)

    def post(self, post: Post) -> Call:
        federation: dict[str, Any] = {"order": post.order, "sent_at_ms": post.sent_at_ms}
        if post.forwarded:
            federation["forwarded"] = post.forwarded
        federation |= endings.ends(post.expires)
        body: dict[str, Any] = {
            "recipient": {"id": post.peer},
            **self.post_members,
            "message": {**_message(post), "metadata": post.opaque},
            "federation": federation,
        }
        if post.reply_to:
            body["reply_to"] = {"mid": post.reply_to}
        return Call(method="POST", path=_messages(post.node), headers={"Idempotency-Key": post.key}, body=body)

    def posted(self, answer: bytes) -> Posted:
        return envelopes.posted(answer)

    def react(self, *, node: str, peer: str, native_id: str, emoji: str) -> Call:
        """The platforms' react and unreact; `emoji` is the extension's, for those that have no name."""
        payload: dict[str, Any] = {"message_id": native_id}
        if emoji:
            name = next((name for name, known in NAMED.items() if known == emoji), "other")
            payload |= {"reaction": name, "emoji": emoji}
        action = "react" if emoji else "unreact"
        body = {"recipient": {"id": peer}, "sender_action": action, "payload": payload}
        return Call(method="POST", path=_messages(node), body=body)

    def upload(self, offer: Offer) -> Upload:
        """One that may be shown by any number of sends; what it is the platform finds out."""
        message = {"attachment": {"type": TYPES[offer.kind], "payload": {"is_reusable": True}}}
        fields = {"message": msgspec.json.encode(message).decode(), "platform": self.platform}
        path = f"{API}/{offer.node}/message_attachments"
        return Upload(path=path, fields=fields, file_field="filedata", lasts_s=UPLOADS_LAST_S)

    def uploaded(self, answer: bytes) -> str:
        return envelopes.uploaded(answer)

    def judge(self, status: int, answer: bytes) -> Verdict:
        return graph.judge(status, answer, self.errors)


def _messages(node: str) -> str:
    return f"{API}/{node}/messages"


def _message(post: Post) -> dict[str, Any]:
    match post.piece:
        case TextPiece(body=body):
            return {"text": body}
        case MediaPiece() as piece:
            return {"attachment": _attached(piece, post.uploads)}
        case AlbumPiece(items=items):
            return {"attachments": [_attached(item, post.uploads) for item in items]}
        case _:
            raise ValueError(f"a {type(post.piece).__name__} is not in this rail's capabilities")


def _attached(piece: MediaPiece, uploads: Mapping[str, str]) -> dict[str, Any]:
    return {"type": TYPES[piece.kind], "payload": {"attachment_id": uploads[piece.media.sha256]}}
