"""Whether an ingress stream still is what a cursor was read from.

A cursor is a sequence and the event id that was found there. A server whose store was damaged or rolled back gives
sequences away a second time without a word; then the id at the cursor is another, and what follows may be unread.
"""

from collections.abc import AsyncIterator
from typing import Literal

import msgspec

from bus.connection import Connection
from bus.stored import StoredMessage, message_at, read_range
from bus.subjects import LOG, ingress_stream, log
from schemas.codec import decode_record
from schemas.ids import EventId

Cursor = tuple[int, EventId]

START: Cursor = (0, EventId(""))
"""Nothing has been read yet."""

Anchored = Literal["holds", "rolled back", "history gone"]


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream has: its first and last sequence."""

    first: int
    last: int


async def extent(conn: Connection, source: str) -> Extent:
    """What the ingress stream of a source has now."""
    state = (await conn.api(f"STREAM.INFO.{ingress_stream(source)}"))["state"]
    return Extent(first=state["first_seq"], last=state["last_seq"])


async def check(conn: Connection, source: str, cursor: Cursor, has: Extent) -> Anchored:
    """Whether a cursor still stands where it stood. `has`: the extent of the source's stream."""
    sequence, event_id = cursor
    if sequence > has.last:
        return "rolled back"
    if sequence + 1 < has.first:
        return "history gone"
    if sequence == 0 or sequence < has.first:
        return "holds"
    found = await message_at(conn, ingress_stream(source), sequence)
    if found is None:
        # Retention may have passed it since `has` was read; then the next check says so.
        return "rolled back" if (await extent(conn, source)).first <= sequence else "holds"
    return "holds" if (found.event_id or "") == event_id else "rolled back"


async def event_ids_on_log(conn: Connection, partition: int, source: str) -> set[EventId]:
    """The ids of every event of a source that a partition's log has. All of it is read: only for an alarm."""
    found: set[EventId] = set()
    sequence = 0
    while messages := await read_range(conn, LOG, first=sequence + 1, subject_filter=log(partition)):
        for message in messages:
            found.update(entry.event_id for entry in decode_record(message.data).entries if entry.source == source)
        sequence = messages[-1].sequence
    return found


async def stored_between(
    conn: Connection, subject: str, source: str, has: Extent
) -> AsyncIterator[list[StoredMessage]]:
    """The messages that an ingress stream has on a subject, some at a time, in order, up to the extent's last."""
    first = has.first
    while first <= has.last:
        messages = await read_range(conn, ingress_stream(source), first=first, subject_filter=subject)
        yield [message for message in messages if message.sequence <= has.last]
        first = messages[-1].sequence + 1 if messages else has.last + 1
