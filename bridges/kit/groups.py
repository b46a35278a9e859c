"""Groups: what the log says of them, what they are called on this rail, and legs that bring the rail to it.

The SQL runs in transactions. Which group is which is in one table; `Natives` has the native ids in memory, because
every webhook has to be told apart: a group's messages name the group where others name a recipient.
"""

from sqlite3 import Connection as Transaction

import msgspec

from bridges.kit import accounts, extension, membersync, receipts
from bridges.kit.contract import (
    Native,
    NativeEcho,
    NativeEdit,
    NativeGroup,
    NativeMark,
    NativeMessage,
    NativeReaction,
    NativeReceipt,
    NativeTimer,
    NativeTyping,
    NativeUnsend,
    NativeVote,
)
from bridges.kit.legs import NO_GROUP, Work
from bridges.kit.outbox import Outbox
from bridges.kit.steps import Context, Finished, Impossible, Missing, Sending, Step
from schemas.codec import decode_event, decode_seats, encode
from schemas.events import GroupChanged, GroupEvent, GroupFounded, Membership, Party
from schemas.groups import Group, after, group_id
from schemas.ids import ConversationId, EventId, PersonId, RailName, event_id
from schemas.log import Entry, Seat

KINDS = ("group", "membership", "group_change")
"""The log's kinds that change a group."""

_states = msgspec.msgpack.Decoder(Group)
_seats = msgspec.msgpack.Decoder(Seat)


class Natives:
    """The native ids of this rail's groups."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def load(self, tx: Transaction) -> None:
        """Read them all. Call it once, before anything comes in."""
        self._known = {row[0] for row in tx.execute("SELECT native_id FROM groups WHERE native_id IS NOT NULL")}

    def add(self, native_id: str) -> None:
        self._known.add(native_id)

    def peer(self, native_id: str) -> str:
        """The id as the kit has it as a peer: groups are marked as such (`receipts.group_peer`)."""
        return receipts.group_peer(native_id) if native_id in self._known else native_id


# --- the log ---------------------------------------------------------------------------------------------------------


def fold(tx: Transaction, entry: Entry) -> None:
    """A group event that counted."""
    event, seats = decode_event(entry.event), decode_seats(entry.seats)
    if entry.outcome != "routed" or entry.actor is None or not isinstance(event, GroupEvent):
        return
    group = after(state_of(tx, entry.conversation), event, entry.actor, tuple(seat.person for seat in seats))
    if group is None:
        return
    tx.execute(
        "INSERT INTO groups (conversation, state) VALUES (?, ?)"
        " ON CONFLICT (conversation) DO UPDATE SET state = excluded.state",
        (entry.conversation, encode(group)),
    )
    tx.executemany(
        "INSERT OR REPLACE INTO group_seats VALUES (?, ?, ?)",
        [(entry.conversation, seat.person, encode(seat)) for seat in seats],
    )


def packed(tx: Transaction, conversation: str) -> msgspec.Raw:
    """The group as it stands, for a leg that is kept until it is done."""
    row = tx.execute("SELECT state FROM groups WHERE conversation = ?", (conversation,)).fetchone()
    return NO_GROUP if row is None or row[0] is None else msgspec.Raw(row[0])


def state_of(tx: Transaction, conversation: str) -> Group | None:
    """The group as the log has it."""
    row = tx.execute("SELECT state FROM groups WHERE conversation = ?", (conversation,)).fetchone()
    return None if row is None or row[0] is None else _states.decode(row[0])


def native_of(tx: Transaction, conversation: str) -> str:
    """What the group is called here; empty: nothing yet."""
    row = tx.execute("SELECT native_id FROM groups WHERE conversation = ?", (conversation,)).fetchone()
    return str(row[0]) if row is not None and row[0] is not None else ""


def conversation_of(tx: Transaction, native_id: str) -> ConversationId | None:
    """Whose native group it is."""
    row = tx.execute("SELECT conversation FROM groups WHERE native_id = ?", (native_id,)).fetchone()
    return None if row is None else ConversationId(row[0])


def bind(tx: Transaction, conversation: str, native_id: str) -> None:
    """The group is called so here."""
    tx.execute(
        "INSERT INTO groups (conversation, native_id) VALUES (?, ?)"
        " ON CONFLICT (conversation) DO UPDATE SET native_id = coalesce(native_id, excluded.native_id)",
        (conversation, native_id),
    )


# --- in --------------------------------------------------------------------------------------------------------------


class KnownGroup(msgspec.Struct, frozen=True, kw_only=True):
    """What people did with a group here, in canonical terms but for what the table knows."""

    native: NativeGroup
    actor: Party
    who: tuple[Party, ...]


def in_group(update: Native, natives: Natives) -> Native:
    """The update, its peer marked if that is a group."""
    match update:
        case NativeMessage():
            return msgspec.structs.replace(update, recipient=natives.peer(update.recipient))
        case NativeEcho() | NativeReceipt() | NativeTyping() | NativeMark() | NativeTimer():
            return msgspec.structs.replace(update, peer=natives.peer(update.peer))
        case NativeEdit() | NativeUnsend() | NativeReaction() | NativeVote():
            return msgspec.structs.replace(update, peer=natives.peer(update.peer))
        case NativeGroup():
            natives.add(update.native_id)  # what comes next in the same webhook may be said in it
            return update
        case _:
            return update


def claim(tx: Transaction, outbox: Outbox, rail: RailName, known: KnownGroup) -> str:
    """Publish it; the id of the event, which has to be on the bus."""
    native = known.native
    conversation = conversation_of(tx, native.native_id) or ConversationId(native.key)
    if not conversation:
        conversation = group_id(rail, native.native_id)
    bind(tx, conversation, native.native_id)
    name = event_id(rail, "group", native.native_id, str(native.number))
    return outbox.put(tx, _event(tx, known, name, conversation))


def _event(tx: Transaction, known: KnownGroup, name: EventId, conversation: ConversationId) -> GroupEvent:
    native = known.native
    match native.change:
        case "made":
            return GroupFounded(
                id=name,
                conversation=conversation,
                actor=known.actor,
                at_ms=native.at_ms,
                name=native.name,
                members=known.who,
                until_ms=native.until_ms,
                native_id=native.native_id,
            )
        case "changed" | "closed":
            is_closed = native.change == "closed"
            return GroupChanged(
                id=name,
                conversation=conversation,
                actor=known.actor,
                at_ms=native.at_ms,
                name=None if is_closed else native.name,
                until_ms=None if is_closed else native.until_ms,
                closed=is_closed,
            )
        case change:
            group = state_of(tx, conversation)
            return Membership(
                id=name,
                conversation=conversation,
                actor=known.actor,
                at_ms=native.at_ms,
                change=change,
                who=known.who,
                seen=0 if group is None else group.version,
            )


# --- out -------------------------------------------------------------------------------------------------------------


def plan(tx: Transaction, conversation: ConversationId, group: Group | None, context: Context) -> Step:
    """Bring the native group to what the log says: one call, which may be repeated."""
    if group is None:
        return Impossible(why="the log has no such group")
    refused = membersync.refusal(group, context.translator.capabilities)
    if refused:
        return Finished(skipped=refused)
    rail = context.translator.rail
    seats = seats_of(tx, conversation, (*group.members, *group.banned))
    nodes = {person: node for person, seat in seats.items() if (node := accounts.node_for(tx, rail, seat)) is not None}
    if missing := membersync.missing(group, nodes):
        return Missing(seats=tuple(seats[person] for person in missing if person in seats))
    native_id = native_of(tx, conversation)
    call = extension.put_group(key=conversation, native_id=native_id, then=membersync.wanted(group, nodes))
    return Sending(call=call, is_last=True, grouped=True)


def leg(tx: Transaction, conversation: ConversationId, work: Work, context: Context) -> Step:
    """A leg with act "group": the group as it was when the log said so. A group that was made here and refused ends."""
    if bytes(work.group) != bytes(NO_GROUP):
        return plan(tx, conversation, _states.decode(work.group), context)
    event = decode_event(work.event)
    native_id = native_of(tx, conversation)
    if not isinstance(event, GroupFounded) or not native_id:
        return Finished(skipped="the log has no such group")
    founder = next((one.native_id for one in accounts.by_handle(tx, event.actor) if not one.is_ghost), "")
    members: membersync.Native = ((founder, "owner"),) if founder else ()
    none = membersync.Wanted(name=event.name, members=members, banned=(), until_ms=0, closed=True)
    call = extension.put_group(key=conversation, native_id=native_id, then=none)
    return Sending(call=call, is_last=True, grouped=True)


def seats_of(tx: Transaction, conversation: str, persons: tuple[PersonId, ...]) -> dict[PersonId, Seat]:
    """Names and handles of these, as far as they have been named in the group."""
    rows = tx.execute("SELECT person, seat FROM group_seats WHERE conversation = ?", (conversation,)).fetchall()
    found = {person: _seats.decode(seat) for person, seat in rows}
    return {person: found[person] for person in persons if person in found}
