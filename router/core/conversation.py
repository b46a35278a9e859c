"""A conversation's state as the fold of its entries: positions 1, 2, 3, ... and markers that only move forward.

`route` steps a state with `said` and `heard`; whoever takes a partition over steps it with `apply` on what the log
says. Both end in the same state (tests/properties/test_core.py).
"""

import msgspec

from schemas.codec import decode_event, decode_seats
from schemas.events import GroupChanged, GroupFounded, Membership, Receipt
from schemas.groups import after
from schemas.ids import ConversationId, PersonId
from schemas.log import Conversation, Entry
from schemas.markers import Marker, MarkerKind

_NOWHERE = Marker()
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
    )


def heard(conversation: Conversation, person: PersonId, kind: MarkerKind, position: int) -> Conversation:
    """After a receipt up to a position, clamped to what has been said. The same object when it tells nothing new."""
    before = conversation.markers.get(person, _NOWHERE)
    after = before.advanced(kind, min(position, conversation.last))
    if after == before:
        return conversation
    return msgspec.structs.replace(conversation, markers={**conversation.markers, person: after})


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
        return said(conversation)
    if conversation is not None and entry.kind == "receipt":
        event = decode_event(entry.event)
        if isinstance(event, Receipt):
            return heard(conversation, entry.actor, event.status, entry.position)
    if entry.kind in _OF_GROUPS:
        return _regrouped(conversation, entry, entry.actor)
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
