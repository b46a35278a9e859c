"""Follows the log of all partitions from the ledger's own cursor, and keeps what it says.

Each pull is one transaction that ends with the cursor, so its effects happen once, whoever is killed when. Nobody waits
for it: it reads the log with a consumer of its own.
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from sqlite3 import Connection as Transaction

import structlog

from bus import subjects
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.sqlite import Store
from bus.stored import StoredMessage
from router.ledger.facts import Fact, facts
from router.ledger.store import Rows
from schemas.codec import decode_record
from schemas.errors import NotUnderstood
from schemas.log import order_of

BATCH = 256
PAUSE_S, REST_S = 0.3, 0.25
_FACTS_AT_ONCE = 4096

_AWAY = (NotConnected, NoAnswer, NoResponder, ApiError)
_log = structlog.get_logger(__name__)


class OtherLog(Exception):
    """The log is not the one that the ledger was made from: it has to be made again."""


class Projector:
    """Reads the log into one store. `search` says whether words are kept, and cannot change within a store."""

    def __init__(self, *, conn: Connection, store: Store, search: bool) -> None:
        self._conn, self._store, self._search = conn, store, search
        self._rows = Rows(searchable=search)
        self._moved, self._wanted = asyncio.Event(), asyncio.Event()
        self._waiting = 0
        self.cursor = 0
        """The last log sequence that is kept."""
        self.at_ms = 0
        """When that record was stored."""
        self.facts = 0
        """Taken in since the start."""

    async def run(self) -> None:
        """Until cancelled. Raises `OtherLog`, and what SQLite raises (a full disk, say)."""
        await self._recognise()
        while True:
            try:
                await self._read()
            except (ReaderLost, *_AWAY) as error:
                _log.debug("log.lost", reason=str(error))
                await asyncio.sleep(PAUSE_S)
            except HistoryGone as error:
                _log.warning("log.history_gone", after=error.after, first=error.first_sequence)
                await self._store.write(lambda tx, to=error.first_sequence - 1: _put_cursor(tx, to))  # type: ignore[misc]
                self.cursor = error.first_sequence - 1
            except RolledBack as error:
                raise OtherLog(str(error)) from error

    async def caught_up(self, *, within_s: float) -> int:
        """Wait until all that is on the log now is kept; how many records are still missing after that time."""
        last = await last_sequence(self._conn)
        self._waiting += 1
        self._wanted.set()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    while self.cursor < last:
                        self._moved.clear()
                        await self._moved.wait()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()
        return max(0, last - self.cursor)

    async def _recognise(self) -> None:
        """Whether this store was made from this log, and with the same words."""
        while True:
            try:
                log = (await self._conn.api(f"STREAM.INFO.{subjects.LOG}"))["created"]
                break
            except _AWAY:
                await asyncio.sleep(PAUSE_S)
        found = {row["key"]: row["value"] for row in await self._store.read("SELECT key, value FROM state")}
        identity = {"log": log, "search": int(self._search)}
        if found and {key: found.get(key) for key in identity} != identity:
            raise OtherLog("The log, or the setting ledger.search, is not what this ledger was made with.")
        if not found:
            rows = [*identity.items(), ("cursor", 0)]
            await self._store.write(lambda tx: _run(tx, "INSERT INTO state VALUES (?, ?)", rows))
        self.cursor = int(found.get("cursor", 0))

    async def _read(self) -> None:
        reader = await Reader.open(self._conn, stream=subjects.LOG, after=self.cursor)
        try:
            while True:
                messages = await reader.pull(limit=BATCH)
                if messages:
                    await self._take(messages)
                if len(messages) < BATCH:
                    await self._rest()
        finally:
            await reader.close()

    async def _rest(self) -> None:
        """Let records gather, unless somebody waits: a transaction for each would cost more than the keeping."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_S):
                await self._wanted.wait()

    async def _take(self, messages: list[StoredMessage]) -> None:
        try:
            self.facts += await self._store.write(lambda tx: self._absorb(tx, messages))
        except BaseException:
            self._rows.forget()
            raise
        self.cursor, self.at_ms = messages[-1].sequence, messages[-1].at_ms
        self._moved.set()

    # --- in the transaction ---

    def _absorb(self, tx: Transaction, messages: list[StoredMessage]) -> int:
        count = 0
        found: list[Fact] = []
        for message in messages:
            found += _facts_of(message)
            if len(found) >= _FACTS_AT_ONCE or message is messages[-1]:
                self._rows.put(tx, found)
                count += len(found)
                found.clear()
        _put_cursor(tx, messages[-1].sequence)
        return count


def _facts_of(message: StoredMessage) -> Iterator[Fact]:
    try:
        record = decode_record(message.data)
    except NotUnderstood as error:
        _log.error("record.not_understood", sequence=message.sequence, reason=str(error))
        return
    for index, entry in enumerate(record.entries):
        yield from facts(entry, rank=order_of(message.sequence, index), at_ms=message.at_ms)


def _put_cursor(tx: Transaction, cursor: int) -> None:
    tx.execute("UPDATE state SET value = max(value, ?) WHERE key = 'cursor'", (cursor,))


def _run(tx: Transaction, sql: str, rows: list[tuple[str, object]]) -> None:
    tx.executemany(sql, rows)


async def last_sequence(conn: Connection) -> int:
    """Where the log ends now."""
    return int((await conn.api(f"STREAM.INFO.{subjects.LOG}"))["state"]["last_seq"])
