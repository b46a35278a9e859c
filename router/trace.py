"""What became of one message, read off the log itself, for when no ledger answers.

Reads the whole log (records that cannot concern the message are passed over by a byte search), so it takes time on a
long one. The answer is the ledger's: the same facts, the same story. May run as any role that reads the log.
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from bus.connection import Connection
from bus.stored import StoredMessage, read_range
from bus.subjects import LOG
from router.ledger.facts import Changed, Ends, Fact, Got, Settled, Written, facts
from router.ledger.story import Facts, told
from schemas.codec import decode_record
from schemas.errors import NotUnderstood
from schemas.log import order_of


class _Heard(msgspec.Struct, kw_only=True):
    """What the log has said so far."""

    settled: list[Settled] = []
    got: list[Got] = []
    changed: list[Changed] = []
    ends: Ends | None = None


async def trace(conn: Connection, any_id: str) -> dict[str, Any] | None:
    """The story of a message by its canonical id, what any rail calls it, or the id of an edit or the like of it.

    None when the log has no such message.
    """
    found = await facts_of(conn, any_id)
    return told(found) if found is not None else None


async def facts_of(conn: Connection, any_id: str) -> Facts | None:
    """All that the log says of a message."""
    written = await _find(conn, any_id)
    if written is None:
        return None
    heard, names = _Heard(), [written.event_id, written.conversation]
    async for fact in _facts(conn, names):
        if isinstance(fact, Changed) and fact.target == written.event_id:
            names.append(fact.event_id)  # so that its results are heard
        _hear(heard, fact, written)
    mine = {written.event_id, *(change.event_id for change in heard.changed)}
    return Facts(
        written=written,
        settled=tuple(one for one in heard.settled if one.result.event in mine),
        got=tuple(heard.got),
        changed=tuple(heard.changed),
        ends=heard.ends,
    )


def _hear(heard: _Heard, fact: Fact, written: Written) -> None:
    match fact:
        case Settled():
            heard.settled.append(fact)
        case Got() if fact.conversation == written.conversation:
            heard.got.append(fact)
        case Changed() if fact.target == written.event_id:
            heard.changed.append(fact)
        case Ends() if fact.message == written.event_id:
            heard.ends = fact


async def _facts(conn: Connection, needles: list[str]) -> AsyncIterator[Fact]:
    """What those records of the log say in which one of these texts stands. The list may grow on the way."""
    async for stored in _records(conn, needles):
        try:
            entries = decode_record(stored.data).entries
        except NotUnderstood:
            continue
        for index, entry in enumerate(entries):
            for fact in facts(entry, rank=order_of(stored.sequence, index), at_ms=stored.at_ms):
                yield fact


async def _records(conn: Connection, needles: list[str]) -> AsyncIterator[StoredMessage]:
    first = 1
    while messages := await read_range(conn, LOG, first=first, subject_filter="log.*"):
        for message in messages:
            if any(needle.encode() in message.data for needle in needles if needle):
                yield message
        first = messages[-1].sequence + 1


async def _find(conn: Connection, any_id: str) -> Written | None:
    """The message itself; by the name of one of its copies, or of something done to it, in a second reading."""
    meant = any_id
    async for fact in _facts(conn, [any_id]):
        match fact:
            case Written() if any_id in (fact.event_id, fact.native_id):
                return fact
            case Settled() if any_id in fact.result.native_ids:
                meant = fact.result.event
            case Changed() if fact.event_id == any_id:
                meant = fact.target
    return await _find(conn, meant) if meant != any_id else None
