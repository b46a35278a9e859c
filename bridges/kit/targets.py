"""Edits, unsends, reactions and votes in: what has been done on this rail to an earlier message. Inside transactions.

They name a native message; the federation wants the event it stands for (any part means the whole, and any rail's copy
will do) and its rank in the log. Who may do it is the router's to say. What names a message that is not known, or not
in the log yet, is parked and goes out when the log tells; after a deadline it is counted, logged and forgotten.

The same webhook twice is one event; one that comes after a later one of its kind is past and says nothing.
"""

from collections.abc import Iterable
from sqlite3 import Connection as Transaction
from typing import assert_never

import msgspec
import structlog

from bridges.kit import idmap, polls, receipts, shown
from bridges.kit.contract import NativeEdit, NativeMessage, NativeReaction, NativeTarget, NativeUnsend, NativeVote
from bridges.kit.outbox import Outbox
from bridges.kit.receipts import Place
from schemas.codec import encode
from schemas.content import Text
from schemas.events import Edit, Party, Reaction, TargetEvent, Unsend, Vote
from schemas.ids import EventId, RailName, event_id

_log = structlog.get_logger(__name__)

PATIENCE_MS = 3600_000
"""How long something waits for the message it is about."""

_events: msgspec.msgpack.Decoder[TargetEvent] = msgspec.msgpack.Decoder(TargetEvent)
_NOBODY = EventId("")


class KnownTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, in canonical terms but for what the id map knows."""

    native_id: str
    thread: str
    event: TargetEvent


def know(rail: RailName, native: NativeTarget, actor: Party) -> KnownTarget:
    """The event, still without target, rank and conversation."""
    thread = receipts.thread_of(native.actor, native.peer)

    def name(kind: str) -> EventId:
        return event_id(rail, kind, thread, native.native_id, native.actor, native.name)

    event: TargetEvent
    match native:
        case NativeEdit(text=text, at_ms=at_ms):
            event = Edit(id=name("edit"), actor=actor, at_ms=at_ms, target=_NOBODY, rank=0, content=text)
        case NativeUnsend(at_ms=at_ms):
            event = Unsend(id=name("unsend"), actor=actor, at_ms=at_ms, target=_NOBODY, rank=0)
        case NativeReaction(emoji=emoji, at_ms=at_ms):
            event = Reaction(id=name("reaction"), actor=actor, at_ms=at_ms, target=_NOBODY, rank=0, emoji=emoji)
        case NativeVote(options=options, at_ms=at_ms):
            event = Vote(id=name("vote"), actor=actor, at_ms=at_ms, target=_NOBODY, rank=0, options=options)
        case _:
            assert_never(native)
    return KnownTarget(native_id=native.native_id, thread=thread, event=event)


def vote_in_words(tx: Transaction, rail: RailName, native: NativeMessage, actor: Party) -> KnownTarget | None:
    """An answer to a poll that stands here in words, if it names options: then it is a vote and no message."""
    poll = shown.get(tx, native.reply_to).poll if native.reply_to else None
    if poll is None or not isinstance(native.content, Text):
        return None
    options = polls.chosen(poll, native.content.body)
    if options is None:
        return None
    vote = NativeVote(
        native_id=native.reply_to,
        actor=native.author,
        peer=native.recipient,
        at_ms=native.at_ms,
        name=native.native_id,
        options=options,
    )
    return know(rail, vote, actor)


def claim(tx: Transaction, outbox: Outbox, known: KnownTarget, *, now_ms: int) -> list[str]:
    """Publish it, or park it; the event ids that have to be on the bus."""
    event = known.event
    if tx.execute("INSERT OR IGNORE INTO taken VALUES (?)", (event.id,)).rowcount == 0:
        return [event.id] if outbox.is_pending(tx, event.id) else []
    place = idmap.by_native(tx, [known.native_id]).get(known.native_id)
    if place is None or place.rank is None:
        tx.execute(
            "INSERT OR IGNORE INTO parked (event_id, native_id, thread, payload, until_ms) VALUES (?, ?, ?, ?, ?)",
            (event.id, known.native_id, known.thread, encode(event), now_ms + PATIENCE_MS),
        )
        return []
    return _publish(tx, outbox, place, known.thread, event)


def release(tx: Transaction, outbox: Outbox, places: Iterable[Place]) -> list[str]:
    """Messages have become known, with their ranks: publish what waited for them."""
    if tx.execute("SELECT 1 FROM parked LIMIT 1").fetchone() is None:
        return []
    put: list[str] = []
    for place in places:
        if place.rank is None:
            continue
        rows = tx.execute(
            "SELECT thread, payload FROM parked WHERE native_id = ? ORDER BY id", (place.native_id,)
        ).fetchall()
        tx.execute("DELETE FROM parked WHERE native_id = ?", (place.native_id,))
        waiting = sorted(((_events.decode(payload), thread) for thread, payload in rows), key=lambda one: one[0].at_ms)
        for event, thread in waiting:
            put += _publish(tx, outbox, place, thread, event)
    return put


def give_up(tx: Transaction, rail: RailName, now_ms: int) -> int:
    """Forget what has waited too long; how many they were. Counted under the state `unmatched`."""
    rows = tx.execute("DELETE FROM parked WHERE until_ms < ? RETURNING event_id, native_id", (now_ms,)).fetchall()
    for name, native_id in rows:
        _log.warning("target.unknown", rail=rail, event_id=name, native_id=native_id)
    count(tx, len(rows))
    return len(rows)


def count(tx: Transaction, more: int) -> None:
    """So many more that were about nothing we know."""
    if more:
        idmap.raise_state(tx, "unmatched", idmap.get_state(tx, "unmatched") + more)


def _publish(tx: Transaction, outbox: Outbox, place: Place, thread: str, event: TargetEvent) -> list[str]:
    """A later part may have a rank of its own (a correction): the message's is that of its first."""
    parts = idmap.parts_of(tx, place.event_id)
    rank = parts[0].rank if parts else place.rank
    if not rank or place.thread != thread:
        _log.warning("target.not_in_the_log", event_id=event.id, target=place.event_id)
        count(tx, 1)
        return []
    if not _is_newer(tx, place.event_id, event):
        return []
    complete = msgspec.structs.replace(
        event, target=EventId(place.event_id), rank=rank, conversation=place.conversation
    )
    return [outbox.put(tx, complete)]


def _is_newer(tx: Transaction, target: str, event: TargetEvent) -> bool:
    if isinstance(event, Unsend):
        return True
    kind = type(event).__name__.lower()
    cursor = tx.execute(
        "INSERT INTO latest VALUES (?, ?, ?, ?) ON CONFLICT (target, kind, actor) DO UPDATE SET at_ms = excluded.at_ms"
        " WHERE excluded.at_ms >= at_ms",
        (target, kind, event.actor, event.at_ms),
    )
    return cursor.rowcount > 0
