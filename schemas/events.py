"""Events: what a bridge (or an operator) publishes. The router decides what becomes of them.

An event says who did what on which rail, in canonical terms. The rail itself is not in it: the router reads it
off the subject the event came by, because nothing in a payload is believed if the transport can say it instead.
"""

from typing import Literal

import msgspec

from schemas.content import Content, Media
from schemas.handles import Handle
from schemas.ids import ConversationId, EventId, PersonId
from schemas.markers import Mark, MarkerKind
from schemas.people import AccountKind
from schemas.vanishing import Expiry, Timer

Party = str
"""A `Handle` (an account on the rail the event comes from) or a `PersonId` (somebody who is there as a ghost)."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", gc=False):
    """What all events have. `at_ms`: Unix milliseconds as the rail tells it; shown to people, never used to order."""

    id: EventId
    conversation: ConversationId = ConversationId("")
    """Empty for people events and leg results."""
    actor: Party = ""
    """Who did it. Empty for leg results."""
    at_ms: int = 0


class Message(Event, frozen=True, kw_only=True, gc=False, tag="message"):
    """Somebody wrote something. Takes a position."""

    to: tuple[Party, ...]
    """The other member of a direct conversation; empty in a group, whose members the router knows."""
    content: Content
    reply_to: EventId | None = None
    reply_rank: int = 0
    """Where the log has the message replied to, as the publishing bridge has read it; 0: it has not read it yet."""
    native_id: str = ""
    """Opaque provenance: what the origin rail calls it, so that `trace` can be asked by it."""
    forwarded: Literal[0, 1, 2] = 0
    """1: passed on from elsewhere; 2: passed on many times."""
    expires: Expiry | None = None
    """When its author wants it to go, if ever. The shortest of this and the timers holds."""


class Target(Event, frozen=True, kw_only=True, gc=False):
    """What events have that are about an earlier message. They take no position of their own."""

    target: EventId
    """The message's id."""
    rank: int
    """Where the log has it (`schemas.log.order_of`), as the publishing bridge has read it: the router looks there who
    wrote it. Whoever cannot know it yet waits until the log tells.
    """


class Edit(Target, frozen=True, kw_only=True, gc=False, tag="edit"):
    """The author says it otherwise: `content` is the whole message as it is from now on."""

    content: Content


class Unsend(Target, frozen=True, kw_only=True, gc=False, tag="unsend"):
    """The author takes it back, with its media, everywhere."""


class Reaction(Target, frozen=True, kw_only=True, gc=False, tag="reaction"):
    """The actor's reactions to a message are a set of emoji; this changes it."""

    emoji: str
    """One emoji, as typed. Empty with `only`: the actor takes back whatever they had."""
    how: Literal["only", "add", "remove"] = "only"
    """`only`: this one replaces the others, as on rails with one reaction a person."""


class Vote(Target, frozen=True, kw_only=True, gc=False, tag="vote"):
    """The actor's choice in a poll: indices of its options, from 0. Replaces an earlier choice; empty takes it back."""

    options: tuple[int, ...]


class Expired(Event, frozen=True, kw_only=True, gc=False, tag="expired"):
    """A message's time is over: it goes, with its media, everywhere. The actor is its author, by person id.

    Only the operator's source has these: the router has them scheduled when it decides of the message.
    """

    target: EventId
    position: int
    """The message's."""


class TimerSet(Event, frozen=True, kw_only=True, gc=False, tag="timer"):
    """A member wants messages that are written here from now on to go by themselves, or (both 0) no longer."""

    after_s: int = 0
    after_read_s: int = 0


class Receipt(Event, frozen=True, kw_only=True, gc=False, tag="receipt"):
    """The actor has got (or read) everything up to a position. Takes none itself."""

    status: MarkerKind
    position: int


class Marked(Event, frozen=True, kw_only=True, gc=False, tag="mark"):
    """The actor wants the conversation to stand so on their own rails, or no longer. Nobody else is told."""

    mark: Mark
    on: bool
    epoch: int
    """One more than that of the mark which the rail had before; see `schemas.markers`."""


class GroupFounded(Event, frozen=True, kw_only=True, gc=False, tag="group"):
    """Somebody made a group; it is theirs. The conversation is `schemas.groups.group_id` of its first native group."""

    name: str
    members: tuple[Party, ...]
    """Everybody else in it."""
    until_ms: int = 0
    """When it ends by itself, Unix milliseconds; 0: it stays."""
    picture: Media | None = None
    native_id: str = ""
    """What the origin rail calls the group."""


class Membership(Event, frozen=True, kw_only=True, gc=False, tag="membership"):
    """Somebody came, went, or became something else in a group."""

    change: Literal["add", "leave", "remove", "ban", "unban", "admin", "member"]
    who: tuple[Party, ...]
    seen: int = 0
    """The version of the group that the publishing bridge knew: an add of somebody taken out since does not count."""


class GroupChanged(Event, frozen=True, kw_only=True, gc=False, tag="group_change"):
    """The group is called, pictured or ended otherwise. Absent members stay as they are."""

    name: str | None = None
    until_ms: int | None = None
    picture: Media | None = None
    closed: bool = False
    """It has ended; there is no way back."""


class LegResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one leg on the rail that publishes this."""

    event: EventId
    status: Literal["posted", "failed", "skipped"]
    origin: str = ""
    """The rail the event came from: where its sender is told of a failure."""
    native_ids: tuple[str, ...] = ()
    attempts: int = 1
    at_ms: int = 0
    why: str = ""
    lost: tuple[str, ...] = ()
    """What the rail could not carry, one short phrase each."""


class Results(Event, frozen=True, kw_only=True, gc=False, tag="results"):
    """Leg results of one rail, together, on any partition. The id map is a projection of these."""

    results: tuple[LegResult, ...]


class AccountSeen(Event, frozen=True, kw_only=True, gc=False, tag="account"):
    """The rail has this account (registered, or its name has changed). The actor is the account's handle."""

    name: str
    account_kind: AccountKind = "person"


class Block(Event, frozen=True, kw_only=True, gc=False, tag="block"):
    """The actor does not want to hear from somebody (or does again)."""

    blocked: Party
    on: bool


class Link(Event, frozen=True, kw_only=True, gc=False, tag="link"):
    """Operator: these two accounts are one person. The first one's person remains."""

    handles: tuple[Handle, Handle]
    proof: Literal["operator", "codes"] = "operator"
    """By the operator's word, or because each account has given back the code it was sent on its rail."""


class Unlink(Event, frozen=True, kw_only=True, gc=False, tag="unlink"):
    """Operator: this account is a person of its own from now on. History stays where it is."""

    handle: Handle


class Prefer(Event, frozen=True, kw_only=True, gc=False, tag="prefer"):
    """Operator, for the person of a handle: absent members stay as they are."""

    handle: Handle
    receipts: bool | None = None
    never: tuple[str, ...] | None = None
    keeps: bool | None = None
    timer: Timer | None = None
    """Both 0: no timer any more."""
    presence: bool | None = None
    offline_on: tuple[str, ...] | None = None
    offline_until_ms: int | None = None


TargetEvent = Edit | Unsend | Reaction | Vote
GroupEvent = GroupFounded | Membership | GroupChanged
ConversationEvent = Message | Receipt | Marked | TargetEvent | Expired | TimerSet | GroupEvent
PeopleEvent = AccountSeen | Block | Link | Unlink | Prefer
AnyEvent = (
    Message
    | Receipt
    | Marked
    | Edit
    | Unsend
    | Reaction
    | Vote
    | Expired
    | TimerSet
    | GroupFounded
    | Membership
    | GroupChanged
    | Results
    | AccountSeen
    | Block
    | Link
    | Unlink
    | Prefer
)


def is_person(party: Party) -> bool:
    """Whether a party is a `PersonId`; otherwise it is a `Handle`."""
    return party.startswith("per_")


def as_person(party: Party) -> PersonId:
    """The party as the person id that `is_person` found it to be."""
    return PersonId(party)


def as_handle(party: Party) -> Handle:
    """The party as a handle."""
    return Handle(party)
