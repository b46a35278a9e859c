"""Instagram: the Instagram Messaging API's webhooks and Send API.

https://developers.facebook.com/docs/instagram-platform/webhooks
https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api
https://developers.facebook.com/docs/messenger-platform/error-codes

Habits to know: the layout is Messenger's, the receipts are not: `read.mid` names the last message seen, and there is no
delivery receipt at all; a text is limited in *bytes*; our own posts come back as `is_echo` with `metadata`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bridges.kit import formatting, graph, tolerant
from bridges.kit.contract import (
    Call,
    Native,
    NativeEcho,
    NativeMessage,
    NativeReceipt,
    Post,
    Posted,
    Translator,
    Verdict,
)
from schemas.capabilities import Capabilities, Level, MediaLimit
from schemas.ids import RailName

API = "/v23.0"

MB = 1024 * 1024

CAPABILITIES = Capabilities(
    rail=RailName("instagram"),
    version=2,
    text_max=1000,
    text_unit="bytes",
    text=Level.FULL,
    reply=Level.FULL,
    delivered=Level.DROPPED,
    read=Level.FULL,
    order=Level.FULL,
    marks={
        "bold": Level.DROPPED,
        "italic": Level.DROPPED,
        "strike": Level.DROPPED,
        "code": Level.DROPPED,
        "block": Level.DROPPED,
        "quote": Level.FALLBACK,
        "bullet": Level.FALLBACK,
        "number": Level.FALLBACK,
        "link": Level.FALLBACK,
        "mention": Level.FALLBACK,
    },
    media={
        "image": MediaLimit(mimes=("image/jpeg", "image/png", "image/gif"), max_bytes=8 * MB),
        "video": MediaLimit(
            mimes=("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-msvideo"), max_bytes=25 * MB
        ),
        "audio": MediaLimit(mimes=("audio/aac", "audio/mp4", "audio/wav"), max_bytes=25 * MB),
        "document": MediaLimit(mimes=("application/pdf",), max_bytes=25 * MB),
    },
    album_most=10,
    album_kinds=("image",),
    forwarded=Level.FALLBACK,
    edit=Level.PARTIAL,
    edit_within_s=15 * 60,
    edit_most=5,
    unsend=Level.FULL,
    reaction=Level.FULL,
    typing=Level.FULL,
)

# --- what the platform sends -----------------------------------------------------------------------------------------


class _Envelope(msgspec.Struct, frozen=True):
    entry: list[msgspec.Raw] = []


class _Entry(msgspec.Struct, frozen=True):
    messaging: list[msgspec.Raw] = []


class _Id(msgspec.Struct, frozen=True):
    id: str


class _ReplyTo(msgspec.Struct, frozen=True):
    mid: str = ""
    """Absent when a story is answered, which is no message."""


class _Message(msgspec.Struct, frozen=True):
    mid: str
    text: str | None = None
    is_echo: bool = False
    is_deleted: bool = False
    metadata: str = ""
    reply_to: _ReplyTo | None = None


class _Read(msgspec.Struct, frozen=True):
    mid: str


class _Update(msgspec.Struct, frozen=True):
    sender: _Id
    recipient: _Id
    timestamp: int = 0
    message: _Message | None = None
    read: _Read | None = None


_envelopes = msgspec.json.Decoder(_Envelope)
_entries = msgspec.json.Decoder(_Entry)
_updates = msgspec.json.Decoder(_Update)


# --- native -> values ------------------------------------------------------------------------------------------------


def _read_envelope(envelope: _Envelope) -> Iterable[Native]:
    return tolerant.each(_entries, envelope.entry, lambda entry: tolerant.each(_updates, entry.messaging, _read_update))


def _read_update(update: _Update) -> Iterator[Native]:
    sender, recipient = update.sender.id, update.recipient.id
    if update.message is not None:
        yield _read_message(sender, recipient, update.timestamp, update.message)
    if update.read is not None:
        yield NativeReceipt(reader=sender, peer=recipient, status="read", up_to=update.read.mid)


def _read_message(sender: str, recipient: str, at_ms: int, message: _Message) -> Native:
    if message.is_echo:
        return NativeEcho(native_id=message.mid, author=sender, peer=recipient, opaque=message.metadata, at_ms=at_ms)
    if message.is_deleted:
        raise tolerant.Refused("taking a message back is not carried yet")
    if message.text is None:
        raise tolerant.Refused("a message without text is not carried yet")
    return NativeMessage(
        native_id=message.mid,
        author=sender,
        recipient=recipient,
        text=message.text,
        at_ms=at_ms,
        reply_to=message.reply_to.mid if message.reply_to is not None else "",
    )


# --- acts -> calls ---------------------------------------------------------------------------------------------------


class _Federation(msgspec.Struct, frozen=True):
    at_ms: int = 0


class _Answer(msgspec.Struct, frozen=True):
    message_id: str = ""
    federation: _Federation = _Federation()


_answers = msgspec.json.Decoder(_Answer)


def _post(post: Post) -> Call:
    body: dict[str, Any] = {
        "recipient": {"id": post.peer},
        "message": {"text": post.text, "metadata": post.opaque},
        "federation": {"order": post.order, "sent_at_ms": post.sent_at_ms},
    }
    if post.reply_to:
        body["reply_to"] = {"mid": post.reply_to}
    return Call(method="POST", path=f"{API}/{post.node}/messages", headers={"Idempotency-Key": post.key}, body=body)


# --- errors ----------------------------------------------------------------------------------------------------------

ERRORS: graph.ErrorTable = {
    (190, None): "bad_credentials",
    (2, 1545133): "temporary",
    (1, None): "temporary",
    (2, None): "temporary",
    (4, None): "temporary",
    (613, None): "temporary",
    (80002, None): "temporary",
    (80006, None): "temporary",
    (10, None): "permanent",
    (100, None): "permanent",
    (200, None): "permanent",
    (230, None): "permanent",
    (551, None): "permanent",
}


class Instagram:
    """The translator of the Instagram Messaging API. See `Translator`."""

    rail = RailName("instagram")
    capabilities = CAPABILITIES
    style = formatting.PLAIN

    def read_webhook(self, body: bytes) -> list[Native]:
        return tolerant.whole(_envelopes, body, _read_envelope)

    def post(self, post: Post) -> Call:
        return _post(post)

    def posted(self, answer: bytes) -> Posted:
        try:
            read = _answers.decode(answer)
        except tolerant.UNREADABLE:
            return Posted(native_ids=())
        return Posted(native_ids=(read.message_id,) if read.message_id else (), at_ms=read.federation.at_ms)

    def judge(self, status: int, answer: bytes) -> Verdict:
        return graph.judge(status, answer, ERRORS)


TRANSLATOR: Translator = Instagram()
