"""The federation log: what the router decided, one record a commit. The only shared truth.

A record is one message on ``log.<partition>``. Readers decode the record, then only what concerns them: events,
people and legs stay raw until somebody needs them.
"""

from typing import Literal

import msgspec

from schemas.groups import Group
from schemas.handles import Handle, rail_of
from schemas.ids import ConversationId, EventId, PersonId
from schemas.markers import Marker
from schemas.people import Person
from schemas.vanishing import Timer, Vanishing

VERSION = 2
"""1: texts and receipts. 2: all kinds of content, edits, unsends, reactions, votes, groups. Every version is read."""

ENTRY_BITS = 12
"""A record holds at most 4,096 entries, so that `order_of` fits an entry's place under its record's sequence."""

Act = Literal["post", "edit", "unsend", "react", "vote", "group", "timer", "read", "delivered", "mark", "block", "fail"]
"""What a node does on the leg's rail. `fail`: the sender there is told of a refusal or a failure.
`group`: the native group is made, or brought to what the log says of the group.
"""

Outcome = Literal["routed", "unchanged", "refused", "people", "noted", "parked"]
"""`unchanged`: a receipt that told nothing new. `noted`: leg results. `parked`: not understood; its bytes are in DEAD.
"""


class Leg(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One event's trip to one rail."""

    act: Act
    why: str = ""
    """Why this rail, in words: who is reached there."""
    private: bool = False
    """For `read`: set the actor's own read state, show nobody a receipt."""
    keep: bool = False
    """For `unsend`: somebody here keeps what others take back; it is told, and the message stays."""


class Seat(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """A member as the router saw them: bridges find the acting account, or make a ghost, from this alone."""

    person: PersonId
    name: str
    handles: tuple[Handle, ...]
    """Verified handles, first registered first; the first is the one shown where they are a ghost."""


def seat_of(person: Person) -> Seat:
    """A member as bridges see them: without the accounts they are never to be reached on, lest one be used."""
    never = person.preferences.never
    handles = tuple(handle for handle in person.handles() if rail_of(handle) not in never)
    return Seat(person=person.id, name=person.name, handles=handles)


def _nobody() -> msgspec.Raw:
    return msgspec.Raw(b"\x90")


def _nowhere() -> msgspec.Raw:
    return msgspec.Raw(b"\x80")


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One event and what became of it."""

    source: str
    """The rail (or `operator`) it came from, read off the ingress subject."""
    event: msgspec.Raw
    """The envelope, byte for byte as published: `schemas.codec.decode_event`."""
    event_id: EventId
    kind: str
    outcome: Outcome
    conversation: ConversationId = ConversationId("")
    position: int = 0
    """Its place in the conversation; for a receipt, the position it reaches up to; for an event about an earlier
    message, that one's.
    """
    actor: PersonId | None = None
    seats: msgspec.Raw = msgspec.field(default_factory=_nobody)
    """Members, msgpack of `tuple[Seat, ...]`: `schemas.codec.decode_seats`. Raw because it repeats and few need it.
    In a group only whom the event is about: the actor, and for membership events those concerned, in their order.
    """
    legs: msgspec.Raw = msgspec.field(default_factory=_nowhere)
    """msgpack of `dict[RailName, Leg]`: `schemas.codec.decode_legs`."""
    unreached: dict[str, str] = {}
    """Handles that this event does not go to although their person is in the conversation, and why."""
    why: str = ""
    """For `refused` and `parked`: the `schemas.errors.Refusal`."""
    people: tuple[Person, ...] = ()
    """For `people`: the persons as they are from now on."""
    vanishing: tuple[Vanishing, ...] = ()
    """Messages that are to go, as was decided of them with this: a message of itself, a receipt of what it reads."""


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One commit of one partition's owner."""

    version: int
    partition: int
    epoch: int
    """Raised when an ingress store was found rolled back; sequences compare only within an epoch."""
    cursor: dict[str, tuple[int, EventId]]
    """Source -> the last ingress sequence this partition has taken, and the event id found there."""
    entries: tuple[Entry, ...]


def order_of(sequence: int, index: int) -> int:
    """The rank of the index-th entry of the record at a log sequence: one total order over the whole federation."""
    return sequence << ENTRY_BITS | index


class Conversation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A conversation's state: the fold of its entries. Snapshots of it are in STATE."""

    id: ConversationId
    members: tuple[PersonId, ...]
    last: int = 0
    """The last position given."""
    markers: dict[PersonId, Marker] = {}
    sequence: int = 0
    """The log sequence this state stands for."""
    group: Group | None = None
    """None for a direct conversation; otherwise `members` are the group's."""
    timer: Timer | None = None
    """What its members have set for messages yet to be written."""
    vanishing: dict[EventId, Vanishing] = {}
    """Messages that go when they have been read, until they have gone."""
