"""What messages say that a rail does not have: an excerpt of the log's copy, for answers to them and the like.

Of such a message nothing is kept but where the log has what it says now (table `absent`). Its words are read from there
when somebody answers it, and stay in memory for a while. A message that was taken back is not quoted, and what cannot
be read (any more) is called an earlier message: an answer never waits for what it answers.

`look` is called while a leg is planned, inside a transaction; `Quotes.fetch` by the outlet.
"""

from sqlite3 import Connection as Transaction
from typing import Protocol

import msgspec
import structlog

from bridges.kit import words
from bus.connection import Connection
from bus.stored import message_at
from bus.subjects import LOG
from schemas.codec import decode_event, decode_record
from schemas.errors import NotUnderstood
from schemas.events import Edit, Message
from schemas.log import ENTRY_BITS, Entry

ABSENT = """
-- Messages that this rail does not have and that were changed: the rank of the edit that says them now; 0: taken back.
CREATE TABLE absent (
    event_id TEXT PRIMARY KEY,
    rank     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
"""Added to a bridge's tables with their fourth version."""

EARLIER = "an earlier message"
_KEPT_MOST = 1000
_LAST_INDEX = (1 << ENTRY_BITS) - 1

_log = structlog.get_logger(__name__)


class Quoting(msgspec.Struct, frozen=True, kw_only=True):
    """The words that stand in the log at this rank are needed first (`Quotes.fetch`)."""

    rank: int


class Known(Protocol):
    """What has been read."""

    def get(self, rank: int) -> str | None:
        """The excerpt, empty when there is nothing to quote; None: not read yet."""


def note(tx: Transaction, event_id: str, rank: int) -> None:
    """A message that is not here says from now on what the log has at this rank; 0: it was taken back."""
    tx.execute(
        "INSERT INTO absent VALUES (?, ?) ON CONFLICT (event_id) DO UPDATE SET rank = excluded.rank WHERE rank <> 0",
        (event_id, rank),
    )


def look(tx: Transaction, known: Known, event_id: str, rank: int) -> str | Quoting:
    """A line that tells a message that is not here from others; `rank`: where the log has it, 0: nobody knows."""
    row = tx.execute("SELECT rank FROM absent WHERE event_id = ?", (event_id,)).fetchone()
    where = rank if row is None else int(row[0])
    if not where:
        return EARLIER
    found = known.get(where)
    return Quoting(rank=where) if found is None else found or EARLIER


class Quotes:
    """Excerpts read from the log, by rank."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._kept: dict[int, str] = {}
        """The oldest goes first when there are too many: it is read again if need be."""

    def get(self, rank: int) -> str | None:
        """See `Known`."""
        return self._kept.get(rank)

    async def fetch(self, wanted: Quoting) -> None:
        """Read it. Raises what `Connection.request` does."""
        stored = await message_at(self._conn, LOG, wanted.rank >> ENTRY_BITS)
        while len(self._kept) >= _KEPT_MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[wanted.rank] = _excerpt(stored.data, wanted.rank) if stored is not None else ""


def _excerpt(record: bytes, rank: int) -> str:
    try:
        entries = decode_record(record).entries
        index = rank & _LAST_INDEX
        entry: Entry | None = entries[index] if index < len(entries) else None
        event = decode_event(entry.event) if entry is not None and entry.outcome == "routed" else None
    except NotUnderstood as error:
        _log.warning("quote.not_understood", rank=rank, reason=str(error)[:200])
        return ""
    return words.excerpt(event.content) if isinstance(event, Message | Edit) else ""
