"""The rows of `legs`: what is to be done on the rail, as the log reader keeps it and the outlet carries it out."""

from sqlite3 import Connection as Transaction

import msgspec

from schemas.dead import DeadLeg, Letter, cut
from schemas.ids import ConversationId, PersonId, RailName
from schemas.log import Act, Leg
from schemas.vanishing import Expiry

_COLUMNS = "lane, event_id, act, source, conversation, position, rank, payload, taken_at_ms"


NO_GROUP = msgspec.Raw(b"\xc0")


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a row of `legs` holds: all that is needed to do the leg, long after the log has gone on."""

    source: str
    event: msgspec.Raw
    actor: PersonId | None
    seats: msgspec.Raw
    leg: Leg
    refusal: str = ""
    routed_at_ms: int = 0
    group: msgspec.Raw = NO_GROUP
    """For act "group", and for messages in a group that the rail cannot hold: msgpack of the group as it was after this
    entry; else nil."""
    expires: Expiry | None = None
    """For act "post": when the message is to go, as was decided."""


class LegRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `legs`. `id` is 0 until it is kept."""

    id: int = 0
    lane: str
    event_id: str
    act: Act
    source: str
    conversation: ConversationId
    position: int
    rank: int
    payload: bytes
    taken_at_ms: int


_works = msgspec.msgpack.Decoder(Work)


class _Times(msgspec.Struct):
    """Only what the metrics want of a `Work`."""

    routed_at_ms: int = 0


_times = msgspec.msgpack.Decoder(_Times)


def event_bytes(row: LegRow) -> bytes:
    """The event of a leg as it was published; empty when the row cannot be read."""
    try:
        return bytes(_works.decode(row.payload).event)
    except msgspec.DecodeError:
        return b""


def routed_at_ms(row: LegRow) -> int:
    """When the router's record with this leg was stored; 0 when the row does not say."""
    try:
        return _times.decode(row.payload).routed_at_ms
    except msgspec.DecodeError:
        return 0


def letter(row: LegRow, *, rail: RailName, why: str, at_ms: int, attempts: int, may_have_been_sent: bool) -> Letter:
    """The dead letter of a leg that has been given up, with all that is needed to try it again."""
    event = event_bytes(row)
    return Letter(
        stage="outlet",
        rail=rail,
        why=why,
        event_id=row.event_id,
        at_ms=at_ms,
        payload=cut(event),
        size_bytes=len(event),
        leg=DeadLeg(
            lane=row.lane,
            act=row.act,
            source=row.source,
            conversation=row.conversation,
            position=row.position,
            rank=row.rank,
            work=row.payload,
        ),
        attempts=attempts,
        may_have_been_sent=may_have_been_sent,
    )


def keep(tx: Transaction, row: LegRow) -> LegRow:
    """Put a leg into the table; it with its id."""
    cursor = tx.execute(
        f"INSERT INTO legs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        (
            row.lane,
            row.event_id,
            row.act,
            row.source,
            row.conversation,
            row.position,
            row.rank,
            row.payload,
            row.taken_at_ms,
        ),
    )
    return msgspec.structs.replace(row, id=cursor.lastrowid or 0)


def kept(tx: Transaction, *, after: int, most: int) -> list[LegRow]:
    """The next legs behind a row, in order."""
    rows = tx.execute(f"SELECT id, {_COLUMNS} FROM legs WHERE id > ? ORDER BY id LIMIT ?", (after, most))  # noqa: S608 - constants
    return [LegRow(**dict(zip(LegRow.__struct_fields__, row, strict=True))) for row in rows.fetchall()]
