"""The dry run behind `trinario route explain`: where a message would go, by the code that routes. Publishes nothing."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from bus import topology
from bus.connection import Connection
from bus.kv import Bucket
from bus.stored import read_range
from bus.subjects import LOG, RAILS, STATE, log
from router.core.conversation import begin
from router.core.decision import Decision
from router.core.fanout import Plans
from router.core.route import route
from router.people import People
from schemas.capabilities import Capabilities
from schemas.codec import (
    decode_capabilities,
    decode_conversation,
    decode_event,
    decode_legs,
    decode_record,
    decode_seats,
)
from schemas.content import Text
from schemas.errors import TrinarioError
from schemas.errors import explain as in_words
from schemas.events import GroupEvent, Message
from schemas.groups import Group, after, is_group
from schemas.handles import Handle, rail_of
from schemas.ids import ConversationId, EventId, RailName, direct_conversation_id, partition_of
from schemas.log import Conversation, Leg
from schemas.log import Entry as LogEntry
from schemas.people import Person

_GROUP_KINDS = ("group", "membership", "group_change")


class UnknownHandle(TrinarioError):
    """Nobody on the federation has this handle."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(
            f"Nobody is known as {handle}. Expected an account that its rail has told of: "
            f"`trinario account register {handle} --name NAME` makes one."
        )


class UnknownConversation(TrinarioError):
    """Nobody has made such a group."""

    def __init__(self, conversation: str) -> None:
        super().__init__(f"There is no group {conversation!r}. `trinario group list --as HANDLE` shows the groups.")


async def explain(conn: Connection, from_handle: Handle, to: Handle | ConversationId) -> dict[str, Any]:
    """What would become of a message to a handle or in a group: the contract's members, `outcome` and `why` (in words).

    Raises `UnknownHandle`, `UnknownConversation`, and what the bus raises.
    """
    fixed = await topology.fixed(conn)
    partitions = fixed.partitions if fixed is not None else 1
    conversation = await group_of(conn, ConversationId(to), partitions) if is_group(to) else None
    people = People(conn)
    await people.prefetch([from_handle] if conversation is not None else [from_handle, Handle(to)])
    named = [from_handle] if conversation is not None else [from_handle, Handle(to)]
    known = {handle: people.whose(handle) for handle in named}
    persons = [_required(handle, person) for handle, person in known.items()]
    if conversation is None:
        event = _message(from_handle, direct_conversation_id(persons[0].id, persons[1].id), (Handle(to),))
    else:
        event = _message(from_handle, conversation.id, ())
        await people.prefetch(conversation.members)
        persons += [person for one in conversation.members if (person := people.person(one)) is not None]
    plans = Plans(capabilities=await capabilities_of(conn))
    decision = route(event, source=rail_of(from_handle), conversation=conversation, people=people, plans=plans)
    routed = decision.outcome == "routed"
    legs = decode_legs(decision.packed.legs) if routed else {}
    return {
        "conversation": event.conversation,
        "partition": partition_of(event.conversation, partitions) if fixed else None,
        "legs": [{"rail": rail, "why": leg.why} for rail, leg in legs.items()],
        "accounts": [
            {"handle": handle, "person": person.id, "reached": reached, "why": why}
            for person in dict.fromkeys(persons)
            for handle, reached, why in _accounts(person, decision, legs, from_handle)
        ],
        "outcome": decision.outcome,
        "why": "" if routed else in_words(decision.why),
    }


def _required(handle: Handle, person: Person | None) -> Person:
    if person is None:
        raise UnknownHandle(handle)
    return person


def _message(actor: Handle, conversation: ConversationId, to: tuple[Handle, ...]) -> Message:
    # Groups end by the event's own time: now.
    at_ms = time.time_ns() // 1_000_000
    content = Text(body="")
    return Message(
        id=EventId("evt_explained"), conversation=conversation, actor=actor, at_ms=at_ms, to=to, content=content
    )


async def group_of(conn: Connection, conversation: ConversationId, partitions: int) -> Conversation:
    """A group's state: its snapshot, and what the log has since. Raises `UnknownConversation`."""
    partition = partition_of(conversation, partitions)
    entry = await Bucket(conn, STATE).get(f"{partition}.{conversation}")
    state = decode_conversation(entry.value) if entry is not None else begin(conversation, ())
    group, after_sequence = state.group, state.sequence
    while found := await read_range(conn, LOG, first=after_sequence + 1, subject_filter=log(partition)):
        for stored in found:
            for one in decode_record(stored.data).entries:
                if one.conversation == conversation and one.outcome == "routed" and one.kind in _GROUP_KINDS:
                    group = _folded(group, one)
        after_sequence = found[-1].sequence
    if group is None:
        raise UnknownConversation(conversation)
    return msgspec.structs.replace(state, group=group, members=group.members)


def _folded(group: Group | None, entry: LogEntry) -> Group | None:
    event, seats = decode_event(entry.event), decode_seats(entry.seats)
    if not isinstance(event, GroupEvent) or entry.actor is None:
        return group
    return after(group, event, entry.actor, tuple(seat.person for seat in seats))


async def capabilities_of(conn: Connection) -> Mapping[RailName, Capabilities]:
    """Every rail's capability document, as its bridge has published it."""
    return {
        RailName(rail): decode_capabilities(entry.value)
        async for rail, entry in Bucket(conn, RAILS).scan()
        if "." not in rail
    }


def _accounts(
    person: Person, decision: Decision, legs: Mapping[RailName, Leg], written_by: Handle
) -> Iterator[tuple[Handle, bool, str]]:
    """Every account of a person: its handle, whether the message gets there, and why."""
    for account in person.accounts:
        rail = rail_of(account.handle)
        if decision.outcome != "routed":
            yield account.handle, False, in_words(decision.why)
        elif account.handle in decision.packed.unreached:
            yield account.handle, False, decision.packed.unreached[account.handle]
        elif account.handle == written_by:
            yield account.handle, True, "written here"
        elif rail == rail_of(written_by):
            yield account.handle, True, "on the rail it is written on"
        elif rail in legs:
            yield account.handle, True, legs[rail].why
        else:
            yield account.handle, False, f"no leg goes to {rail}"
