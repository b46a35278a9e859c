"""A conversation's state as the fold of its entries: positions 1, 2, 3, ... and markers that only move forward.

`route` steps a state with `said` and `heard`; whoever takes a partition over steps it with `apply` on what the log
says. Both end in the same state (tests/properties/test_core.py).
"""

from collections.abc import Iterable

import msgspec

from schemas.codec import decode_event, decode_seats
from schemas.events import Expired, GroupChanged, GroupFounded, Marked, Membership, Receipt, TimerSet
from schemas.groups import after
from schemas.ids import ConversationId, EventId, PersonId
from schemas.log import Conversation, Entry
from schemas.markers import Marker, MarkerKind
from schemas.vanishing import LONGEST_S, Timer, Vanishing, kept

_NOWHERE = Marker()
_OF_ONE = frozenset({"receipt", "mark", "expired", "timer"})
_OF_GROUPS = frozenset({"group", "membership", "group_change"})


def begin(conversation: ConversationId, members: tuple[PersonId, ...]) -> Conversation:
    """A conversation nobody has said anything in yet."""
    return Conversation(id=conversation, members=members)


def said(conversation: Conversation) -> Conversation:
    """After one more message: it has the position `last`."""
    return Conversation(
        id=conversation.id,
        members=conversation.members,
        last=conversation.last + 1,
        markers=conversation.markers,
        sequence=conversation.sequence,
        group=conversation.group,
        timer=conversation.timer,
        vanishing=conversation.vanishing,
    )


def heard(conversation: Conversation, person: PersonId, kind: MarkerKind, position: int) -> Conversation:
    """After a receipt up to a position, clamped to what has been said. The same object when it tells nothing new."""
    before = conversation.markers.get(person, _NOWHERE)
    later = before.advanced(kind, min(position, conversation.last))
    if later == before:
        return conversation
    return msgspec.structs.replace(conversation, markers={**conversation.markers, person: later})


def vanishing_with(conversation: Conversation, changed: Iterable[Vanishing]) -> Conversation:
    """After an entry that says this of messages that are to go. The same object when that says nothing to remember."""
    lasting = [one for one in changed if one.after_read_s]
    if not lasting:
        return conversation
    return msgspec.structs.replace(conversation, vanishing=kept(conversation.vanishing, lasting))


def gone(conversation: Conversation, message: EventId) -> Conversation:
    """After a message's end."""
    left = {known: one for known, one in conversation.vanishing.items() if known != message}
    return msgspec.structs.replace(conversation, vanishing=left)


def timed(conversation: Conversation, event: TimerSet) -> Conversation:
    """After the timer was set, or ended."""
    timer = Timer(
        after_s=max(0, min(event.after_s, LONGEST_S)), after_read_s=max(0, min(event.after_read_s, LONGEST_S))
    )
    return msgspec.structs.replace(conversation, timer=timer if timer.is_on else None)


def marked(conversation: Conversation, person: PersonId, event: Marked) -> Conversation:
    """After somebody has marked it, or taken that back. The same object when a later mark is known."""
    before = conversation.markers.get(person, _NOWHERE)
    later = before.join(Marker(marks={event.mark: (event.epoch, event.on)}))
    if later == before:
        return conversation
    return msgspec.structs.replace(conversation, markers={**conversation.markers, person: later})


def apply(conversation: Conversation | None, entry: Entry) -> Conversation | None:
    """The state after an entry of the log; None only when the entry says nothing of a conversation not begun.

    Raises `NotUnderstood` when the entry's seats or event cannot be read: then the log itself is damaged.
    """
    if entry.outcome != "routed" or entry.actor is None:
        return conversation
    if entry.kind == "message":
        if conversation is None:
            members = tuple(seat.person for seat in decode_seats(entry.seats))
            conversation = begin(entry.conversation, members)
        return vanishing_with(said(conversation), entry.vanishing)
    if conversation is not None and entry.kind in _OF_ONE:
        return _stepped(conversation, entry, entry.actor)
    if entry.kind in _OF_GROUPS:
        return _regrouped(conversation, entry, entry.actor)
    return conversation


def _stepped(conversation: Conversation, entry: Entry, actor: PersonId) -> Conversation:
    event = decode_event(entry.event)
    match event:
        case Receipt():
            return vanishing_with(heard(conversation, actor, event.status, entry.position), entry.vanishing)
        case Marked():
            return marked(conversation, actor, event)
        case Expired():
            return gone(conversation, event.target)
        case TimerSet():
            return timed(conversation, event)
        case _:
            return conversation


def _regrouped(conversation: Conversation | None, entry: Entry, actor: PersonId) -> Conversation | None:
    event = decode_event(entry.event)
    if not isinstance(event, GroupFounded | Membership | GroupChanged):
        return conversation
    before = conversation.group if conversation is not None else None
    group = after(before, event, actor, tuple(seat.person for seat in decode_seats(entry.seats)))
    if group is None:
        return conversation
    state = conversation or begin(entry.conversation, ())
    return msgspec.structs.replace(state, members=group.members, group=group)
