"""Timers of conversations: how long what is written from now on lasts. In from the rail, and out to it.

Inside transactions; called by `intake` and `acts`. A timer concerns the conversation whose messages stand in the native
thread; where none do, there is nothing to set yet.
"""

from collections.abc import Iterator
from sqlite3 import Connection as Transaction

import msgspec

from bridges.kit import extension, idmap, receipts
from bridges.kit.contract import NativeTimer
from bridges.kit.legs import LegRow, Work
from bridges.kit.outbox import Outbox
from bridges.kit.steps import Impossible, Sending, Step, actor_seat, node_in
from schemas.codec import decode_event, decode_seats
from schemas.events import Party, TimerSet
from schemas.ids import ConversationId, RailName, event_id


class KnownTimer(msgspec.Struct, frozen=True, kw_only=True):
    """What was set, and by whom in canonical terms."""

    native: NativeTimer
    actor: Party


def claim(tx: Transaction, outbox: Outbox, rail: RailName, known: KnownTimer) -> list[str]:
    """Publish it; the id of the event, which has to be on the bus."""
    native = known.native
    thread = receipts.thread_of(native.actor, native.peer)
    row = tx.execute(
        "SELECT conversation FROM messages WHERE thread = ? ORDER BY rank DESC LIMIT 1", (thread,)
    ).fetchone()
    if row is None or not row[0]:
        return []
    name = event_id(rail, "timer", thread, native.actor, str(native.at_ms))
    event = TimerSet(
        id=name,
        conversation=ConversationId(row[0]),
        actor=known.actor,
        at_ms=native.at_ms,
        after_s=native.after_s,
        after_read_s=native.after_read_s,
    )
    return [outbox.put(tx, event)]


def steps(tx: Transaction, row: LegRow, work: Work, rail: RailName) -> Iterator[Step]:
    """One call a thread that holds the conversation. Each may be repeated."""
    event = decode_event(work.event)
    actor = actor_seat(decode_seats(work.seats), work, event.actor) if isinstance(event, TimerSet) else None
    if not isinstance(event, TimerSet) or actor is None:
        yield Impossible(why="nobody of the conversation has set it")
        return
    for thread in idmap.threads_in(tx, row.conversation):
        node = node_in(tx, rail, thread, actor)
        if node is not None:
            peer = receipts.native_peer(receipts.peer_in(thread, node))
            call = extension.timer(node=node, peer=peer, after_s=event.after_s, after_read_s=event.after_read_s)
            yield Sending(call=call)
