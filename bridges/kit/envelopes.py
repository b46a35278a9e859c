"""What the platforms' webhooks and answers have in common. Pure; called by the translators.

`entry[]` with `messaging[]` or `changes[]`, two forms of answers, and what a bundled rail adds under `federation`
(docs/rail-api.md).
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from bridges.kit import tolerant
from bridges.kit.contract import Native, NativeMedia, Posted
from schemas.content import MediaKind


class _Envelope(msgspec.Struct, frozen=True):
    entry: list[msgspec.Raw] = []


class _Entry(msgspec.Struct, frozen=True):
    messaging: list[msgspec.Raw] = []
    changes: list[msgspec.Raw] = []


class Change(msgspec.Struct, frozen=True):
    """One change of a field, its value as it came."""

    field: str = ""
    value: msgspec.Raw = msgspec.Raw(b"{}")


class Described(msgspec.Struct, frozen=True):
    """What a bundled rail says of a file beside the platform's own members, so that it need not be fetched twice."""

    kind: MediaKind | None = None
    sha256: str = ""
    size_bytes: int = 0
    mime: str = ""
    name: str = ""
    animated: bool = False


class _Federation(msgspec.Struct, frozen=True):
    at_ms: int = 0


class _Sent(msgspec.Struct, frozen=True):
    id: str = ""


class _Answer(msgspec.Struct, frozen=True):
    messages: list[_Sent] = []
    message_id: str = ""
    federation: _Federation = _Federation()


class _Uploaded(msgspec.Struct, frozen=True):
    id: str = ""
    attachment_id: str = ""


_envelopes = msgspec.json.Decoder(_Envelope)
_entries = msgspec.json.Decoder(_Entry)
_changes = msgspec.json.Decoder(Change)
_answers = msgspec.json.Decoder(_Answer)
_uploads = msgspec.json.Decoder(_Uploaded)

T = TypeVar("T")


def messaging(body: bytes, decoder: msgspec.json.Decoder[T], read: Callable[[T], Iterable[Native]]) -> list[Native]:
    """Every update of every entry's `messaging`, each read by itself."""
    return _each_entry(body, lambda entry: tolerant.each(decoder, entry.messaging, read))


def changes(
    body: bytes, field: str, decoder: msgspec.json.Decoder[T], read: Callable[[T], Iterable[Native]]
) -> list[Native]:
    """Every change of that field in every entry, each read by itself; other fields tell nothing."""

    def one(change: Change) -> Iterable[Native]:
        return tolerant.each(decoder, [change.value], read) if change.field == field else ()

    return _each_entry(body, lambda entry: tolerant.each(_changes, entry.changes, one))


def _each_entry(body: bytes, read: Callable[[_Entry], Iterable[Native]]) -> list[Native]:
    return tolerant.whole(_envelopes, body, lambda envelope: tolerant.each(_entries, envelope.entry, read))


def posted(answer: bytes) -> Posted:
    """The answer to a send, of either form, with the rail's own time if it says it."""
    try:
        read = _answers.decode(answer)
    except tolerant.UNREADABLE:
        return Posted(native_ids=())
    ids = (read.message_id, *(sent.id for sent in read.messages))
    return Posted(native_ids=tuple(one for one in ids if one), at_ms=read.federation.at_ms)


def uploaded(answer: bytes) -> str:
    """The answer to an upload, of either form: what the file is called in sends; empty when it was not understood."""
    try:
        read = _uploads.decode(answer)
    except tolerant.UNREADABLE:
        return ""
    return read.id or read.attachment_id


def described(media: NativeMedia, said: Described | None) -> NativeMedia:
    """A file with what the rail says of it beside the platform's own words."""
    if said is None:
        return media
    return msgspec.structs.replace(
        media,
        kind=said.kind or media.kind,
        sha256=said.sha256.lower() or media.sha256,
        size_bytes=said.size_bytes or media.size_bytes,
        mime=said.mime or media.mime,
        name=said.name or media.name,
        animated=said.animated or media.animated,
    )
