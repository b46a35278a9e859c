"""What the log has of earlier messages: events about them (edits, reactions) name a rank, and the core asks who wrote.

A bounded memory over the partition's own records. A batch first reads what it needs (`load`), then decides without
waiting. Used by the lane; it knows nothing that the log does not say, so whoever takes over knows the same.
"""

import asyncio
from collections.abc import Iterable, Sequence

import msgspec
import structlog

from bus.connection import Connection
from bus.stored import message_at, read_range
from bus.subjects import LOG, log
from router.core.about import Original
from schemas.log import ENTRY_BITS

_SIDE_BY_SIDE = 16
_LAST_INDEX = (1 << ENTRY_BITS) - 1

_log = structlog.get_logger(__name__)


class NotRead(LookupError):
    """The record with this rank has to be read before it can be looked up."""


class _Record(msgspec.Struct, frozen=True):
    """What is needed of a record: the rest is passed over unread."""

    entries: tuple[Original, ...]


_RECORD = msgspec.msgpack.Decoder(_Record)

_Entries = Sequence[Original]


class Originals:
    """The entries of one partition by rank, as far as they are committed."""

    def __init__(self, conn: Connection, *, partition: int, most: int = 20_000) -> None:
        self._conn, self._subject, self._most = conn, log(partition), most
        self._records: dict[int, _Entries] = {}
        """Log sequence -> its entries, least recently needed first; `most` entries over all of them."""
        self._kept = 0
        self._needed: dict[int, Original | None] = {}
        """What the last `load` was asked for: the batch finds it, however many records it lies in."""

    def get(self, rank: int) -> Original | None:
        """What stands at this rank, None when nothing does. Raises `NotRead`."""
        if rank in self._needed:
            return self._needed[rank]
        entries = self._records.get(rank >> ENTRY_BITS)
        if entries is None:
            raise NotRead(rank)
        return _at(entries, rank)

    async def load(self, ranks: Iterable[int], *, last: int) -> None:
        """Have these in memory. `last`: the partition's last record; behind it nothing can stand. Raises the bus's own.

        Of the records that lie apart, some are read side by side. Only what is asked for and the bounded memory stay.
        """
        wanted: dict[int, list[int]] = {}
        for rank in ranks:
            wanted.setdefault(rank >> ENTRY_BITS, []).append(rank)
        needed: dict[int, Original | None] = {}
        reading = asyncio.Semaphore(_SIDE_BY_SIDE)

        async def find(sequence: int, here: list[int]) -> None:
            async with reading:
                entries = await self._entries(sequence) if 0 < sequence <= last else ()
            needed.update((rank, _at(entries, rank)) for rank in here)

        async with asyncio.TaskGroup() as group:
            for sequence, here in wanted.items():
                group.create_task(find(sequence, here))
        self._needed = needed

    async def _entries(self, sequence: int) -> _Entries:
        known = self._records.pop(sequence, None)
        if known is None:
            known = await self._read(sequence)
            self._kept += max(len(known), 1)
        self._records[sequence] = known
        while self._kept > self._most and len(self._records) > 1:
            self._kept -= max(len(self._records.pop(next(iter(self._records)))), 1)
        return known

    async def _read(self, sequence: int) -> _Entries:
        """From any replica; one that does not have it may be behind, so then the leader is asked."""
        found = await read_range(self._conn, LOG, first=sequence, subject_filter=self._subject, limit=1)
        message = found[0] if found and found[0].sequence == sequence else await message_at(self._conn, LOG, sequence)
        if message is None or message.subject != self._subject:
            return ()
        try:
            return _RECORD.decode(message.data).entries
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            # Nobody can tell who wrote what stands there. That is no reason to stop the partition, but an alarm.
            _log.critical("log.not_understood", subject=self._subject, sequence=sequence, reason=str(error))
            return ()


def _at(entries: _Entries, rank: int) -> Original | None:
    index = rank & _LAST_INDEX
    return entries[index] if index < len(entries) else None
