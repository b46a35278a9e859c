"""What becomes of one event, as a value, and how it is written on the log.

Made by `route` and by `about` (events about earlier messages); written by the batch.
"""

import msgspec

from router.core.fanout import NOWHERE, Known, Packed, only
from schemas.errors import Refusal
from schemas.events import (
    AccountSeen,
    AnyEvent,
    Block,
    Edit,
    Expired,
    GroupChanged,
    GroupFounded,
    Link,
    Marked,
    Membership,
    Message,
    Prefer,
    Reaction,
    Receipt,
    Results,
    TimerSet,
    Unlink,
    Unsend,
    Vote,
)
from schemas.ids import OPERATOR, ConversationId, EventId, PersonId
from schemas.log import Conversation, Entry, Outcome
from schemas.people import Person
from schemas.vanishing import Vanishing

_KINDS: dict[type, str] = {
    Message: "message",
    Receipt: "receipt",
    Marked: "mark",
    Edit: "edit",
    Unsend: "unsend",
    Reaction: "reaction",
    Vote: "vote",
    Expired: "expired",
    TimerSet: "timer",
    GroupFounded: "group",
    Membership: "membership",
    GroupChanged: "group_change",
    Results: "results",
    AccountSeen: "account",
    Block: "block",
    Link: "link",
    Unlink: "unlink",
    Prefer: "prefer",
}


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What becomes of one event."""

    outcome: Outcome
    conversation: ConversationId = ConversationId("")
    position: int = 0
    actor: PersonId | None = None
    packed: Packed = NOWHERE
    why: str = ""
    """The refusal, if it is one."""
    people: tuple[Person, ...] = ()
    """Persons who change, as they are from now on."""
    state: Conversation | None = None
    """The conversation afterwards, when it changes."""
    until_ms: int = 0
    """When the conversation is to end, if this event says so."""
    vanishing: tuple[Vanishing, ...] = ()
    """Messages of which it is now known when they go, or that they will when they are read."""


def refuse(event: AnyEvent, source: str, refusal: Refusal) -> Decision:
    """A refusal; the sender of a message is told on the rail it came from."""
    tell = isinstance(event, Message) and source != OPERATOR
    return Decision(
        outcome="refused",
        conversation=event.conversation,
        packed=only(source, "fail", refusal.value) if tell else NOWHERE,
        why=refusal.value,
    )


def entry(decision: Decision, event: AnyEvent, *, source: str, raw: bytes) -> Entry:
    """A decision as the log keeps it. `raw`: the event's bytes as published."""
    return Entry(
        source=source,
        event=msgspec.Raw(raw),
        event_id=event.id,
        kind=_KINDS[type(event)],
        outcome=decision.outcome,
        conversation=decision.conversation,
        position=decision.position,
        actor=decision.actor,
        seats=decision.packed.seats,
        legs=decision.packed.legs,
        unreached=decision.packed.unreached,
        why=decision.why,
        people=decision.people,
        vanishing=decision.vanishing,
    )


def message_entry(event: Message, known: Known, position: int, *, source: str, raw: bytes) -> Entry:
    """A routed message as the log keeps it: what `entry` makes of its decision."""
    return Entry(
        source=source,
        event=msgspec.Raw(raw),
        event_id=event.id,
        kind="message",
        outcome="routed",
        conversation=event.conversation,
        position=position,
        actor=known.actor,
        seats=known.packed.seats,
        legs=known.packed.legs,
        unreached=known.packed.unreached,
    )


def parked(event_id: EventId, *, source: str, why: Refusal = Refusal.MALFORMED) -> Entry:
    """What the log says of bytes that nobody understood; the bytes themselves are in DEAD."""
    return Entry(
        source=source, event=msgspec.Raw(b"\xc0"), event_id=event_id, kind="unknown", outcome="parked", why=why.value
    )
