"""What an entry of the log says, as values. Pure.

The ledger keeps them as rows (`router.ledger.store`), the scan of the log (`router.trace`) as they are; `story` makes
the same answer of both. What cannot be decoded here was decoded by a newer router: it is passed over, not fatal.
"""

from collections.abc import Iterator
from typing import Any, assert_never

import msgspec

from schemas.codec import decode_event
from schemas.content import Album, Contacts, Content, Location, Media, Poll, Text, Unsupported
from schemas.errors import NotUnderstood
from schemas.events import (
    AnyEvent,
    Edit,
    Expired,
    GroupChanged,
    GroupEvent,
    GroupFounded,
    LegResult,
    Membership,
    Message,
    Reaction,
    Receipt,
    Results,
    TargetEvent,
    Unsend,
    Vote,
)
from schemas.ids import ConversationId, EventId, PersonId
from schemas.log import Entry
from schemas.markers import MarkerKind
from schemas.people import Person


class Written(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message, or something that could not be read (`shape` is empty then), and what was decided of it."""

    rank: int
    event_id: EventId
    conversation: ConversationId
    position: int
    source: str
    writer: str
    """The account that wrote it."""
    actor: PersonId | None
    outcome: str
    why: str
    shape: str
    """`text`, `image`, `album`, `poll`, ..."""
    native_id: str
    reply_to: str
    accepted_at_ms: int
    """As the origin rail tells it; 0 if it tells nothing."""
    routed_at_ms: int
    """When the record with the decision was stored."""
    seats: bytes
    legs: bytes
    unreached: dict[str, str]
    words: str
    """What can be searched for. Empty where bodies are not kept."""


class Settled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a rail says of a leg to it. A later one of the same leg replaces it."""

    rank: int
    rail: str
    told_at_ms: int
    result: LegResult


class Got(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Somebody has got, or read, everything up to a position."""

    rank: int
    conversation: ConversationId
    person: PersonId
    rail: str
    status: MarkerKind
    position: int
    at_ms: int


class Changed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An edit, an unsend, a reaction, a vote, or its end: something about an earlier message."""

    rank: int
    event_id: EventId
    target: EventId
    kind: str
    source: str
    by: str
    """The account that did it."""
    actor: PersonId | None
    outcome: str
    why: str
    at_ms: int
    routed_at_ms: int
    legs: bytes
    unreached: dict[str, str]
    detail: dict[str, Any]
    """A reaction's `emoji` and `how`, a vote's `options`."""
    words: str


class Ends(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """When a message goes, as was decided; a later one of the same message holds."""

    rank: int
    message: EventId
    at_ms: int
    """0: it waits to be read."""
    after_read_s: int


class Known(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A person as they are from now on."""

    rank: int
    person: Person


class Stepped(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A group's event that counts. `seats`: whom it concerns."""

    rank: int
    conversation: ConversationId
    event: GroupEvent
    actor: PersonId
    seats: bytes


Fact = Written | Settled | Got | Changed | Ends | Known | Stepped


def facts(entry: Entry, *, rank: int, at_ms: int) -> Iterator[Fact]:
    """What an entry says. `rank`: `schemas.log.order_of`; `at_ms`: when its record was stored."""
    for person in entry.people:
        yield Known(rank=rank, person=person)
    for one in entry.vanishing:
        yield Ends(rank=rank, message=one.message, at_ms=one.at_ms, after_read_s=one.after_read_s)
    if entry.outcome == "parked":
        yield _unread(entry, rank, at_ms)
    elif entry.outcome != "people":
        try:
            event = decode_event(entry.event)
        except NotUnderstood:
            return
        yield from _of_event(entry, event, rank, at_ms)


def _of_event(entry: Entry, event: AnyEvent, rank: int, at_ms: int) -> Iterator[Fact]:
    match event:
        case Message():
            yield _written(entry, event, rank, at_ms)
        case Results() if entry.outcome == "noted":
            for result in event.results:
                yield Settled(rank=rank, rail=entry.source, told_at_ms=at_ms, result=result)
        case Receipt() if entry.outcome == "routed" and entry.actor is not None:
            yield _got(entry, event, entry.actor, rank, at_ms)
        case Edit() | Unsend() | Reaction() | Vote() | Expired():
            yield _changed(entry, event, rank, at_ms)
        case GroupFounded() | Membership() | GroupChanged() if entry.outcome == "routed" and entry.actor is not None:
            yield Stepped(
                rank=rank, conversation=entry.conversation, event=event, actor=entry.actor, seats=bytes(entry.seats)
            )
        case _:  # a receipt that told nothing new, a refusal: nothing to keep
            return


def _written(entry: Entry, event: Message, rank: int, at_ms: int) -> Written:
    return Written(
        rank=rank,
        event_id=entry.event_id,
        conversation=entry.conversation,
        position=entry.position,
        source=entry.source,
        writer=event.actor,
        actor=entry.actor,
        outcome=entry.outcome,
        why=entry.why,
        shape=shape_of(event.content),
        native_id=event.native_id,
        reply_to=event.reply_to or "",
        accepted_at_ms=event.at_ms,
        routed_at_ms=at_ms,
        seats=bytes(entry.seats),
        legs=bytes(entry.legs),
        unreached=entry.unreached,
        words=words_of(event.content),
    )


def _unread(entry: Entry, rank: int, at_ms: int) -> Written:
    return Written(
        rank=rank,
        event_id=entry.event_id,
        conversation=entry.conversation,
        position=0,
        source=entry.source,
        writer="",
        actor=None,
        outcome=entry.outcome,
        why=entry.why,
        shape="",
        native_id="",
        reply_to="",
        accepted_at_ms=0,
        routed_at_ms=at_ms,
        seats=bytes(entry.seats),
        legs=bytes(entry.legs),
        unreached={},
        words="",
    )


def _got(entry: Entry, event: Receipt, person: PersonId, rank: int, at_ms: int) -> Got:
    return Got(
        rank=rank,
        conversation=entry.conversation,
        person=person,
        rail=entry.source,
        status=event.status,
        position=entry.position,
        at_ms=event.at_ms or at_ms,
    )


def _changed(entry: Entry, event: TargetEvent | Expired, rank: int, at_ms: int) -> Changed:
    return Changed(
        rank=rank,
        event_id=entry.event_id,
        target=event.target,
        kind=entry.kind,
        source=entry.source,
        by=event.actor,
        actor=entry.actor,
        outcome=entry.outcome,
        why=entry.why,
        at_ms=event.at_ms or at_ms,
        routed_at_ms=at_ms,
        legs=bytes(entry.legs),
        unreached=entry.unreached,
        detail=_detail(event),
        words=words_of(event.content) if isinstance(event, Edit) else "",
    )


def _detail(event: TargetEvent | Expired) -> dict[str, Any]:
    match event:
        case Reaction():
            return {"emoji": event.emoji, "how": event.how}
        case Vote():
            return {"options": list(event.options)}
        case Edit() | Unsend() | Expired():
            return {}
        case _:
            assert_never(event)


def shape_of(content: Content) -> str:
    """What kind of thing it is, in one word."""
    match content:
        case Media():
            return content.kind
        case Text() | Album() | Location() | Contacts() | Poll() | Unsupported():
            return type(content).__name__.lower()
        case _:
            assert_never(content)


def words_of(content: Content) -> str:
    """All that a person may remember of it and look for: text, captions, names, a poll's answers."""
    match content:
        case Text():
            found = [content.body, content.preview.title if content.preview else ""]
        case Media():
            found = [content.name, content.caption.body if content.caption else ""]
        case Album():
            found = [*(item.name for item in content.items), content.caption.body if content.caption else ""]
        case Location():
            found = [content.name, content.address]
        case Contacts():
            found = [card.name for card in content.cards]
        case Poll():
            found = [content.question, *content.options]
        case Unsupported():
            found = []
        case _:
            assert_never(content)
    return "\n".join(part for part in found if part)
