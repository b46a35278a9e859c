"""WhatsApp: the Cloud API's webhooks and Send API.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes

Habits to know: timestamps are strings of Unix seconds; receipts are one status a message, in any order, and
`delivered` may be skipped; our own posts come back as a `sent` status with `biz_opaque_callback_data`; a post is only
*accepted* by its answer, and may fail later by a `failed` status.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from bridges.kit import graph, markup, tolerant
from bridges.kit.contract import (
    Call,
    Native,
    NativeEcho,
    NativeFailure,
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

KB, MB = 1024, 1024 * 1024

CAPABILITIES = Capabilities(
    rail=RailName("whatsapp"),
    version=2,
    text_max=4096,
    text_unit="characters",
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
    typing=Level.FULL,
)

# --- what the platform sends -----------------------------------------------------------------------------------------


class _Envelope(msgspec.Struct, frozen=True):
    entry: list[msgspec.Raw] = []


class _Entry(msgspec.Struct, frozen=True):
    changes: list[msgspec.Raw] = []


class _Metadata(msgspec.Struct, frozen=True):
    phone_number_id: str


class _Value(msgspec.Struct, frozen=True):
    metadata: _Metadata
    messages: list[msgspec.Raw] = []
    statuses: list[msgspec.Raw] = []


class _Change(msgspec.Struct, frozen=True):
    field: str = ""
    value: msgspec.Raw = msgspec.Raw(b"{}")


class _Text(msgspec.Struct, frozen=True):
    body: str


class _Context(msgspec.Struct, frozen=True):
    id: str = ""


class _Message(msgspec.Struct, frozen=True):
    id: str
    timestamp: str
    type: str
    sender: str = msgspec.field(name="from", default="")
    """Absent when the user has a user name and no recent phone exchange; then there is the other one."""
    from_user_id: str = ""
    text: _Text | None = None
    context: _Context | None = None


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


_envelopes = msgspec.json.Decoder(_Envelope)
_entries = msgspec.json.Decoder(_Entry)
_changes = msgspec.json.Decoder(_Change)
_values = msgspec.json.Decoder(_Value)
_messages = msgspec.json.Decoder(_Message)
_statuses = msgspec.json.Decoder(_Status)


# --- native -> values ------------------------------------------------------------------------------------------------


def _read_envelope(envelope: _Envelope) -> Iterable[Native]:
    return tolerant.each(_entries, envelope.entry, lambda entry: tolerant.each(_changes, entry.changes, _read_change))


def _read_change(change: _Change) -> Iterable[Native]:
    # Other fields (smb_message_echoes, account_update, ...) tell nothing that the federation carries.
    return tolerant.each(_values, [change.value], _read_value) if change.field == "messages" else ()


def _read_value(value: _Value) -> Iterator[Native]:
    node = value.metadata.phone_number_id
    yield from tolerant.each(_messages, value.messages, lambda message: [_read_message(node, message)])
    yield from tolerant.each(_statuses, value.statuses, lambda status: _read_status(node, status))


def _read_message(node: str, message: _Message) -> Native:
    if message.type != "text" or message.text is None:
        raise tolerant.Refused(f"a message of type {message.type!r} is not carried yet")
    return NativeMessage(
        native_id=message.id,
        author=message.sender or message.from_user_id,
        recipient=node,
        text=message.text.body,
        at_ms=int(message.timestamp) * 1000,
        reply_to=message.context.id if message.context is not None else "",
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


class _Sent(msgspec.Struct, frozen=True):
    id: str


class _Federation(msgspec.Struct, frozen=True):
    at_ms: int = 0


class _Answer(msgspec.Struct, frozen=True):
    messages: list[_Sent] = []
    federation: _Federation = _Federation()


_answers = msgspec.json.Decoder(_Answer)


def _post(post: Post) -> Call:
    body: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": post.peer,
        "type": "text",
        "text": {"body": post.text, "preview_url": False},
        "biz_opaque_callback_data": post.opaque,
        "federation": {"order": post.order, "sent_at_ms": post.sent_at_ms},
    }
    if post.reply_to:
        body["context"] = {"message_id": post.reply_to}
    return Call(method="POST", path=f"{API}/{post.node}/messages", headers={"Idempotency-Key": post.key}, body=body)


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
    style = markup.STYLE

    def read_webhook(self, body: bytes) -> list[Native]:
        return tolerant.whole(_envelopes, body, _read_envelope)

    def post(self, post: Post) -> Call:
        return _post(post)

    def posted(self, answer: bytes) -> Posted:
        try:
            read = _answers.decode(answer)
        except tolerant.UNREADABLE:
            return Posted(native_ids=())
        return Posted(native_ids=tuple(sent.id for sent in read.messages), at_ms=read.federation.at_ms)

    def judge(self, status: int, answer: bytes) -> Verdict:
        return graph.judge(status, answer, ERRORS)


TRANSLATOR: Translator = WhatsApp()
