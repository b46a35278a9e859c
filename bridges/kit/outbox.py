"""Events on their way to the bus: claimed in SQLite, published in order, confirmed by the log.

A row is put in the transaction that claims what it tells of; one task publishes rows in their order; the log reader
deletes a row once the log has passed it. After any doubt (a restart, an unanswered publish) the stream is asked first
which of the pending rows it has, because its own memory of ids ends some time.

Several callers share a publish when they come at once. Who has put rows hands them over (`collect`, `offer`), so that
the file need not be asked for them; that a row is published is written down when the log does not soon confirm it.
What is not urgent (`put(slow=True)`) goes together every `SLOW_S`, at once when all is quiet: so that it can still be
withdrawn when another rail has told the same meanwhile.
"""

import asyncio
from collections.abc import Iterable, Sequence
from sqlite3 import Connection as Transaction

import msgspec
import structlog

from bridges.kit import idmap
from bus import subjects
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected, TooLarge
from bus.publish import BusUnavailable, Publisher
from bus.sqlite import Store
from bus.stored import read_range
from schemas.codec import encode
from schemas.dead import Letter, cut
from schemas.events import AnyEvent
from schemas.ids import PEOPLE_PARTITION, RailName, combined_event_id, digest, partition_of

_log = structlog.get_logger(__name__)

AWAY = (BusUnavailable, NotConnected, NoAnswer, NoResponder)
"""What the bus raises when it cannot be reached; nothing is lost, and it is tried again."""

BATCH = 500
SLOW_S = 0.3
MARK_AFTER_S = 1.0
PATIENCE_S = 4.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
NO_PARTITION = -1
"""Rows for DEAD: no log confirms them, so they go as soon as they are published."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """An event that the bus has still to get."""

    id: int
    event_id: str
    subject: str
    partition: int
    payload: bytes
    floor: int


class _Waiter:
    """Somebody who answers only when these events are on the bus."""

    def __init__(self, event_ids: Iterable[str]) -> None:
        self.left = set(event_ids)
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Outbox:
    """The outbox of one rail's bridge. `run` publishes; everything else may be called at any time."""

    def __init__(
        self, *, rail: RailName, partitions: int, store: Store, conn: Connection, publisher: Publisher
    ) -> None:
        self._rail, self._partitions = rail, partitions
        self._store, self._conn, self._publisher = store, conn, publisher
        self._wake = asyncio.Event()
        self._wake.set()
        self._waiters: list[_Waiter] = []
        self._floor = 0
        self._in_doubt = True
        self._must_look = True
        """Whether the file has rows that `_queue` has not."""
        self._queue: list[Row] = []
        self._offered = 0
        """The last row that was queued."""
        self._known: set[str] = set()
        """Events queued or on their way."""
        self._acked: dict[str, tuple[Row, int]] = {}
        """Published, but not yet marked as such in the file."""
        self._slow: set[str] = set()
        self._held: list[Row] = []
        """Rows that are not urgent, to be queued together."""
        self._held_until_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._marking: asyncio.TimerHandle | None = None
        self._closed = False
        self.pending = 0
        """Rows that the bus has not got, as of the last look."""

    # --- inside transactions ---

    def put(self, tx: Transaction, event: AnyEvent, *, slow: bool = False) -> str:
        """Have an event published. Putting one twice is harmless. Its id."""
        if slow:
            self._slow.add(event.id)
        partition = partition_of(event.conversation, self._partitions) if event.conversation else PEOPLE_PARTITION
        return self.put_into(tx, event, partition)

    def put_into(self, tx: Transaction, event: AnyEvent, partition: int) -> str:
        """`put` for an event whose partition its conversation does not tell."""
        self._insert(tx, event.id, subjects.ingress(self._rail, partition), partition, encode(event))
        return event.id

    def put_again(self, tx: Transaction, *, name: str, subject: str, payload: bytes) -> str:
        """Have an event that the router has put aside published once more, under another name than the first time."""
        self._insert(tx, name, subject, subjects.parse_ingress(subject)[1], payload)
        return name

    def put_dead(self, tx: Transaction, letter: Letter, *, since: int = 0) -> str:
        """Have a dead letter kept; counted, too. The same one twice is one; `since` tells two lives of a leg apart."""
        name = combined_event_id(
            "dead", (self._rail, letter.stage, letter.event_id, digest(letter.payload.hex()), str(since))
        )
        if self._insert(tx, name, subjects.dead(letter.stage, self._rail), NO_PARTITION, encode(letter)):
            idmap.count_dead(tx)
        return name

    def _insert(self, tx: Transaction, event_id: str, subject: str, partition: int, payload: bytes) -> bool:
        cursor = tx.execute(
            "INSERT OR IGNORE INTO outbox (event_id, subject, partition, payload, floor) VALUES (?, ?, ?, ?, ?)",
            (event_id, subject, partition, payload, self._floor),
        )
        return cursor.rowcount > 0

    @staticmethod
    def is_pending(tx: Transaction, event_id: str) -> bool:
        """Whether the bus has still to get an event."""
        row = tx.execute("SELECT 1 FROM outbox WHERE event_id = ? AND sequence IS NULL", (event_id,)).fetchone()
        return row is not None

    @staticmethod
    def withdraw(tx: Transaction, event_id: str) -> bool:
        """Take back an event that has not been published. Whether it was there."""
        return tx.execute("DELETE FROM outbox WHERE event_id = ? AND sequence IS NULL", (event_id,)).rowcount > 0

    @staticmethod
    def confirm(tx: Transaction, event_ids: Sequence[str]) -> None:
        """The log has these events."""
        tx.executemany("DELETE FROM outbox WHERE event_id = ?", [(event_id,) for event_id in event_ids])

    @staticmethod
    def confirm_up_to(tx: Transaction, *, partition: int, sequence: int) -> None:
        """The log has everything of a partition up to an ingress sequence."""
        tx.execute(
            "DELETE FROM outbox WHERE partition = ? AND sequence IS NOT NULL AND sequence <= ?", (partition, sequence)
        )

    def publish_again(self, tx: Transaction, *, partition: int) -> None:
        """The ingress stream was rolled back: what the log has not confirmed may be gone from it."""
        self._acked.clear()
        tx.execute("UPDATE outbox SET sequence = NULL, floor = 0 WHERE partition = ?", (partition,))

    def collect(self, tx: Transaction) -> list[Row]:
        """What has been put and not been offered yet. The last thing in a transaction, for `offer`."""
        return _pending(tx, after=self._offered)

    # --- outside ---

    def offer(self, rows: Sequence[Row]) -> None:
        """Publish these rows, which `collect` has brought. To be called as soon as their transaction is through."""
        fresh = [row for row in rows if row.id > self._offered]
        if not fresh:
            return
        self._offered = fresh[-1].id
        if len(rows) == BATCH:
            self._must_look = True
        if self._must_look:  # then they are read from the file, after those that were there before
            self._wake.set()
            return
        self._known.update(row.event_id for row in fresh)
        urgent = [row for row in fresh if row.event_id not in self._slow]
        if urgent:
            self._queue += urgent
            self._wake.set()
        if len(urgent) < len(fresh):
            self._held += [row for row in fresh if row.event_id in self._slow]
            self._hold()

    def withdrawn(self, event_ids: Iterable[str]) -> None:
        """The rows of these are gone: the federation knows already."""
        gone = set(event_ids) & self._slow
        if gone:
            self._held = [row for row in self._held if row.event_id not in gone]
            self._known -= gone
            self._slow -= gone

    def _hold(self) -> None:
        """Queue what is not urgent when it is time."""
        wait_s = self._held_until_s - asyncio.get_running_loop().time()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._let_go)

    def _let_go(self) -> None:
        self._timer = None
        if self._held:
            self._held_until_s = asyncio.get_running_loop().time() + SLOW_S
            self._queue += self._held
            self._held = []
            self._wake.set()

    def wake(self, *, in_doubt: bool = False) -> None:
        """There is something to publish in the file. `in_doubt`: look in the stream first."""
        self._in_doubt = self._in_doubt or in_doubt
        self._must_look = True
        self._wake.set()

    def confirmed(self, event_ids: Iterable[str]) -> None:
        """The log has these: their rows are gone."""
        for event_id in event_ids:
            self._acked.pop(event_id, None)

    async def published(self, event_ids: Iterable[str]) -> None:
        """Wait until the bus has these events (or had them before). Raises `BusUnavailable` when it takes them not."""
        waiter = _Waiter(event_id for event_id in event_ids if event_id not in self._acked)
        if not waiter.left:
            return
        if self._closed:
            raise BusUnavailable("The bridge is stopping.")
        self._waiters.append(waiter)
        if not waiter.left <= self._known:
            self.wake()
        try:
            await waiter.future
        finally:
            self._waiters.remove(waiter)

    async def run(self) -> None:
        """Publish until cancelled; whoever waits then is told that the bus is away."""
        self._floor = max(self._floor, await self._store.write(lambda tx: idmap.get_state(tx, "floor")))
        try:
            await self._publish_for_ever()
        finally:
            self._closed = True
            for timer in (self._timer, self._marking):
                if timer is not None:
                    timer.cancel()
            self._fail_waiters("The bridge is stopping.")

    async def _publish_for_ever(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._publish_all()
                pause_s = FIRST_PAUSE_S
            except (ApiError, *AWAY) as error:
                _log.warning("outbox.publish_failed", rail=self._rail, reason=type(error).__name__)
                self._in_doubt = self._must_look = True
                self._fail_waiters(str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                self._wake.set()

    async def _publish_all(self) -> None:
        while True:
            if self._must_look:
                await self._look()
            rows, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            self.pending = len(rows) + len(self._queue)
            if not rows:
                self._in_doubt = False
                return
            if not self._conn.is_connected:
                raise NotConnected("The bus is away.")
            if self._in_doubt:
                self._in_doubt = self._must_look
                rows = await self._without_stored(rows)
            if rows:
                await self._publish(rows)
            self.pending = len(self._queue)

    async def _look(self) -> None:
        """Take the queue from the file."""
        waiting, acked = list(self._waiters), list(self._acked.values())

        def look(tx: Transaction) -> list[Row]:
            self._mark_in(tx, acked)
            return _pending(tx, after=0)

        rows = await self._store.write(look)
        self._must_look = len(rows) == BATCH
        self._queue, self._held = rows, []
        self._known = {row.event_id for row in rows}
        self._slow &= self._known
        self._offered = max([self._offered, *(row.id for row in rows)])
        for row, _ in acked:
            self._acked.pop(row.event_id, None)
        if not self._must_look:
            self._settle_others(waiting, rows)

    async def _publish(self, rows: list[Row]) -> None:
        items = [(row.subject, row.payload, row.event_id) for row in rows]
        try:
            acks = await self._publisher.publish_many(items, within_s=PATIENCE_S)
        except (TooLarge, ApiError) as error:
            await self._publish_one_by_one(rows, error)
            return
        self._mark([(row, ack.sequence) for row, ack in zip(rows, acks, strict=True)])

    async def _publish_one_by_one(self, rows: list[Row], error: Exception) -> None:
        """One of them is refused for good: it must not stop the others."""
        if len(rows) > 1:
            for row in rows:
                await self._publish([row])
            return
        refused = rows[0]
        _log.error("event.refused", rail=self._rail, event_id=refused.event_id, reason=str(error))

        def give_up(tx: Transaction) -> None:
            tx.execute("DELETE FROM outbox WHERE id = ?", (refused.id,))
            if refused.partition == NO_PARTITION:
                idmap.count_dead(tx)
                return
            letter = Letter(
                stage="intake",
                rail=self._rail,
                why=f"the bus refused it: {error}",
                event_id=refused.event_id,
                payload=cut(refused.payload),
                size_bytes=len(refused.payload),
            )
            self.put_dead(tx, letter)

        await self._store.write(give_up)
        self._settle([refused])

    async def _without_stored(self, rows: list[Row]) -> list[Row]:
        """Mark those of the rows that the stream has; the others."""
        wanted = {row.event_id: row for row in rows if row.partition != NO_PARTITION}
        stored: list[tuple[Row, int]] = []
        first = min((row.floor for row in wanted.values()), default=0) + 1
        stream = subjects.ingress_stream(self._rail)
        while wanted and (found := await read_range(self._conn, stream, first=first)):
            for message in found:
                row = wanted.pop(message.event_id or "", None)
                if row is not None:
                    stored.append((row, message.sequence))
            first = found[-1].sequence + 1
        if stored:
            _log.info("outbox.found_stored", rail=self._rail, count=len(stored))
            self._mark(stored)
        known = {row.id for row, _ in stored}
        return [row for row in rows if row.id not in known]

    def _mark(self, published: list[tuple[Row, int]]) -> None:
        """The bus has these. Should we forget it, we find them in the stream."""
        loop = asyncio.get_running_loop()
        self._acked.update((row.event_id, (row, sequence)) for row, sequence in published)
        ingress = [sequence for row, sequence in published if row.partition != NO_PARTITION]
        self._floor = max([self._floor, *ingress])
        self._settle(row for row, _ in published)
        if len(ingress) < len(published):
            self._write_marks()
        elif self._marking is None:
            self._marking = loop.call_later(MARK_AFTER_S, self._write_marks)

    def _write_marks(self) -> None:
        """Write down what the log has not confirmed by now, or never will."""
        if self._marking is not None:
            self._marking.cancel()
        self._marking = None
        acked, self._acked = list(self._acked.values()), {}
        if acked:
            self._store.later(lambda tx: self._mark_in(tx, acked))

    @staticmethod
    def _mark_in(tx: Transaction, acked: Sequence[tuple[Row, int]]) -> None:
        ingress = [(sequence, row.id) for row, sequence in acked if row.partition != NO_PARTITION]
        tx.executemany("UPDATE outbox SET sequence = ? WHERE id = ?", ingress)
        tx.executemany(
            "DELETE FROM outbox WHERE id = ?", [(row.id,) for row, _ in acked if row.partition == NO_PARTITION]
        )
        if ingress:
            idmap.raise_state(tx, "floor", max(sequence for sequence, _ in ingress))

    def _settle(self, rows: Iterable[Row]) -> None:
        done = {row.event_id for row in rows}
        self._known -= done
        self._slow -= done
        for waiter in self._waiters:
            waiter.left -= done
            if not waiter.left and not waiter.future.done():
                waiter.future.set_result(None)

    def _settle_others(self, waiting: Iterable[_Waiter], rows: Iterable[Row]) -> None:
        """Who waited before we looked, and whose events are not pending, waits for what has been published already."""
        pending = {row.event_id for row in rows}
        for waiter in waiting:
            waiter.left &= pending
            if not waiter.left and not waiter.future.done():
                waiter.future.set_result(None)

    def _fail_waiters(self, why: str) -> None:
        for waiter in self._waiters:
            if not waiter.future.done():
                waiter.future.set_exception(BusUnavailable(why))


def _pending(tx: Transaction, *, after: int) -> list[Row]:
    rows = tx.execute(
        "SELECT id, event_id, subject, partition, payload, floor FROM outbox WHERE sequence IS NULL AND id > ?"
        " ORDER BY id LIMIT ?",
        (after, BATCH),
    ).fetchall()
    return [Row(**dict(zip(Row.__struct_fields__, row, strict=True))) for row in rows]
