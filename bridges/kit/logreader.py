"""The federation log in: what it says of this rail's own events, and what is to be done here.

Each batch is one SQLite transaction that ends with the cursor, so its effects happen once whatever happens to us.
Events of this rail get their positions and ranks, their outbox rows are confirmed and the receipts that waited for
them go out; entries with a leg for this rail become rows of `legs`; persons refresh the cache. The rest is not even
decoded.
"""

import asyncio
from collections.abc import Callable
from sqlite3 import Connection as Transaction

import msgspec
import structlog

from bridges.kit import adoption, idmap, reactions, reports, targets
from bridges.kit.legs import Work
from bridges.kit.outbox import AWAY, Outbox
from bridges.kit.people import People
from bridges.kit.receipts import Reach
from bus import subjects
from bus.connection import ApiError, Connection
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.sqlite import Store
from bus.stored import StoredMessage
from schemas.codec import decode_event, decode_legs, decode_record, encode
from schemas.errors import NotUnderstood
from schemas.events import Reaction
from schemas.ids import RailName
from schemas.log import Entry, Record, order_of
from schemas.people import Person

_log = structlog.get_logger(__name__)

BATCH = 256
PAUSE_S, LONG_PAUSE_S = 0.2, 5.0
_NO_LEGS = b"\x80"
_OF_CONTENTS = ("message", "reaction")


class _Taken(msgspec.Struct, kw_only=True):
    """What a batch has brought."""

    legs: int = 0
    events: int = 0
    orders: int = 0
    adoptions: int = 0
    again: bool = False
    persons: list[Person] = []


class LogReader:
    """Reads the log through the consumer made for this rail.

    `on_taken`: called with the number of new legs after a batch that brought legs, ranks or ghosts to be taken over.
    """

    def __init__(
        self,
        *,
        rail: RailName,
        conn: Connection,
        store: Store,
        outbox: Outbox,
        people: People,
        on_taken: Callable[[int], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._rail, self._conn, self._store = rail, conn, store
        self._outbox, self._people, self._on_taken, self._now_ms = outbox, people, on_taken, now_ms
        self._name_on_wire = encode(rail)
        self.cursor = 0
        self.at_ms = 0
        """When the last record read was stored; for the lag."""

    async def run(self) -> None:
        """Until cancelled. Opens the reader again, from the cursor, whenever it is lost."""
        self.cursor = await self._store.write(lambda tx: idmap.get_state(tx, "cursor"))
        while True:
            try:
                await self._read()
            except (ReaderLost, *AWAY) as error:
                _log.debug("log.lost", rail=self._rail, reason=str(error))
                await asyncio.sleep(PAUSE_S)
            except HistoryGone as error:
                _log.error("log.history_gone", rail=self._rail, after=error.after, first=error.first_sequence)
                await self._jump(error.first_sequence - 1)
            except (RolledBack, ApiError) as error:
                _log.critical("log.unusable", rail=self._rail, reason=str(error))
                await asyncio.sleep(LONG_PAUSE_S)

    async def _read(self) -> None:
        reader = await Reader.open(
            self._conn, stream=subjects.LOG, after=self.cursor, durable=subjects.log_consumer(self._rail)
        )
        try:
            while True:
                messages = await reader.pull(limit=BATCH)
                if messages:
                    await self._take(messages)
        finally:
            await reader.close()

    async def _jump(self, cursor: int) -> None:
        await self._store.write(lambda tx: idmap.raise_state(tx, "cursor", cursor))
        self.cursor = cursor

    async def _take(self, messages: list[StoredMessage]) -> None:
        taken = await self._store.write(lambda tx: self._absorb(tx, messages))
        self.cursor, self.at_ms = messages[-1].sequence, messages[-1].at_ms
        self._people.saw(taken.persons)
        if taken.again:
            self._outbox.wake(in_doubt=True)
        elif taken.events:
            self._outbox.wake()
        if taken.legs or taken.orders or taken.adoptions:
            self._on_taken(taken.legs)

    # --- in the transaction ---

    def _absorb(self, tx: Transaction, messages: list[StoredMessage]) -> _Taken:
        taken = _Taken()
        reaches: list[Reach] = []
        legs: list[tuple[object, ...]] = []
        confirmed: list[str] = []
        passed: dict[int, int] = {}
        for message in messages:
            try:
                record = decode_record(message.data)
            except NotUnderstood as error:
                _log.error("record.not_understood", sequence=message.sequence, reason=str(error))
                idmap.count_dead(tx)
                continue
            self._check_epoch(tx, record, taken)
            if (cursor := record.cursor.get(self._rail)) is not None:
                passed[record.partition] = cursor[0]
            for index, entry in enumerate(record.entries):
                rank = order_of(message.sequence, index)
                if entry.source == self._rail:
                    confirmed.append(entry.event_id)
                if entry.kind in _OF_CONTENTS:
                    reaches += self._take_in(tx, entry, rank, taken)
                if entry.legs != _NO_LEGS and (row := self._leg(entry, rank, message.at_ms)) is not None:
                    legs.append(row)
                if entry.people:
                    taken.persons.extend(entry.people)
                    taken.adoptions += adoption.note(tx, self._rail, entry.people)
        self._outbox.confirm(tx, confirmed)
        for partition, sequence in passed.items():
            self._outbox.confirm_up_to(tx, partition=partition, sequence=sequence)
        tx.executemany(
            "INSERT INTO legs (lane, event_id, act, source, conversation, position, rank, payload, taken_at_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            legs,
        )
        taken.legs = len(legs)
        taken.events += len(reports.report_reaches(tx, self._outbox, self._rail, reaches))
        idmap.raise_state(tx, "cursor", messages[-1].sequence)
        return taken

    def _take_in(self, tx: Transaction, entry: Entry, rank: int, taken: _Taken) -> list[Reach]:
        """A message of ours has its place; a reaction counts whether or not it goes to our rail."""
        if entry.kind == "message":
            return self._settle(tx, entry, rank, taken) if entry.source == self._rail else []
        event = decode_event(entry.event)
        if isinstance(event, Reaction) and entry.actor is not None and entry.outcome == "routed":
            reactions.note(tx, event, entry.actor, rank, is_ours=entry.source == self._rail)
        return []

    def _settle(self, tx: Transaction, entry: Entry, rank: int, taken: _Taken) -> list[Reach]:
        """An event of this rail has its place (or has none: refused)."""
        routed = entry.outcome == "routed"
        places = idmap.settle(
            tx,
            event_id=entry.event_id,
            conversation=entry.conversation,
            position=entry.position if routed else 0,
            rank=rank if routed else 0,
        )
        if routed:
            orders = [(place.native_id, rank) for place in places]
            tx.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", orders)
            taken.orders += len(orders)
        taken.events += len(targets.release(tx, self._outbox, places))
        return idmap.release(tx, places)

    def _leg(self, entry: Entry, rank: int, routed_at_ms: int) -> tuple[object, ...] | None:
        """The row for our leg, if there is one. Most entries are told by looking for our name in the bytes."""
        if self._name_on_wire not in bytes(entry.legs):
            return None
        leg = decode_legs(entry.legs).get(self._rail)
        if leg is None:
            return None
        work = Work(
            source=entry.source,
            event=entry.event,
            actor=entry.actor,
            seats=entry.seats,
            leg=leg,
            refusal=entry.why,
            routed_at_ms=routed_at_ms,
        )
        return (
            entry.conversation or entry.event_id,
            entry.event_id,
            leg.act,
            entry.source,
            entry.conversation,
            entry.position,
            rank,
            encode(work),
            self._now_ms(),
        )

    def _check_epoch(self, tx: Transaction, record: Record, taken: _Taken) -> None:
        """A new epoch: an ingress store was rolled back, and what the log has not confirmed may be gone from it."""
        key = f"epoch.{record.partition}"
        if record.epoch > idmap.get_state(tx, key):
            self._outbox.publish_again(tx, partition=record.partition)
            taken.again = True
            idmap.raise_state(tx, key, record.epoch)
