"""The federation log in: what it says of this rail's own events, and what is to be done here.

Each batch is one SQLite transaction that ends with the cursor, so its effects happen once whatever happens to us.
Events of this rail get their positions and ranks, their outbox rows are confirmed and the receipts that waited for
them go out; entries with a leg for this rail become rows of `legs`; persons refresh the cache. The rest is not even
decoded.

Records that somebody waits for (they bring a leg, other than of a receipt of delivery, or persons) are taken at once,
with all that came before; the others together, every `SLOW_S` under load. No batch waits for the disk: whatever a crash
takes away is read again, and done again under the same keys.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from sqlite3 import Connection as Transaction

import msgspec
import structlog

from bridges.kit import accounts, adoption, apart, crossings, groups, idmap, legs, reactions, reports, shown, targets
from bridges.kit.legs import NO_GROUP, LegRow, Work
from bridges.kit.outbox import AWAY, Outbox, Row
from bridges.kit.people import People
from bridges.kit.receipts import Reach
from bridges.kit.steps import Foreseen
from bus import subjects
from bus.connection import ApiError, Connection
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.sqlite import Store
from bus.stored import StoredMessage
from schemas.capabilities import Capabilities
from schemas.codec import decode_event, decode_legs, decode_record, decode_seats, encode
from schemas.errors import NotUnderstood
from schemas.events import Edit, Reaction
from schemas.groups import is_group
from schemas.log import Entry, Leg, Record, order_of
from schemas.people import Person
from schemas.vanishing import Expiry

_log = structlog.get_logger(__name__)

BATCH = 256
SLOW_S = 0.1
PAUSE_S, LONG_PAUSE_S = 0.2, 5.0
READ_WAIT_S = 2.0
_NO_LEGS, _READ_ACT = b"\x80", encode("read")
_CROSSING = ("reaction", "edit")
_FOLDED = ("message", *_CROSSING, *groups.KINDS)


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was read. None: it was not understood."""

    sequence: int
    at_ms: int
    record: Record | None = None
    is_urgent: bool = False


class _Taken(msgspec.Struct, kw_only=True):
    """What a batch has brought."""

    legs: list[Foreseen] = []
    rows: list[Row] = []
    confirmed: list[str] = []
    withdrawn: list[str] = []
    ranks: dict[str, int] = {}
    adoptions: int = 0
    again: bool = False
    persons: list[Person] = []


class LogReader:
    """Reads the log through the consumer made for this rail.

    `foresee` plans new legs of idle lanes within the transaction; `on_taken` is called after it with what ranks the
    rail's messages have got, and with the legs; `on_adoptions` when there are ghosts to be taken over.
    """

    def __init__(
        self,
        *,
        capabilities: Capabilities,
        conn: Connection,
        store: Store,
        outbox: Outbox,
        people: People,
        is_idle: Callable[[str], bool],
        foresee: Callable[[Transaction, Sequence[LegRow], Collection[str]], list[Foreseen]],
        on_taken: Callable[[Mapping[str, int], Sequence[Foreseen]], None],
        on_adoptions: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._rail, self._conn, self._store = capabilities.rail, conn, store
        self._capabilities = capabilities
        self._outbox, self._people, self._now_ms = outbox, people, now_ms
        self._is_idle, self._foresee = is_idle, foresee
        self._on_taken, self._on_adoptions = on_taken, on_adoptions
        self._name_on_wire = encode(self._rail)
        self.cursor = 0

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
        clock = asyncio.get_running_loop().time
        waiting: list[_Read] = []
        due_s = 0.0
        try:
            while True:
                wait_s = max(0.001, due_s - clock()) if waiting else READ_WAIT_S
                found = [self._decode(message) for message in await reader.pull(limit=BATCH, wait_s=wait_s)]
                waiting += found
                is_urgent = len(waiting) >= BATCH or any(one.is_urgent for one in found)
                if waiting and (is_urgent or clock() >= due_s):
                    taken, waiting = waiting, []
                    await self._take(taken)
                    due_s = clock() + SLOW_S
        finally:
            await reader.close()

    async def _jump(self, cursor: int) -> None:
        await self._store.write(lambda tx: idmap.raise_state(tx, "cursor", cursor))
        self.cursor = cursor

    def _decode(self, message: StoredMessage) -> _Read:
        try:
            record = decode_record(message.data)
        except NotUnderstood as error:
            _log.error("record.not_understood", sequence=message.sequence, reason=str(error))
            return _Read(sequence=message.sequence, at_ms=message.at_ms)
        is_urgent = any(
            entry.people
            or (entry.kind != "receipt" and self._name_on_wire in bytes(entry.legs))
            or (entry.kind == "receipt" and entry.legs != _NO_LEGS and _READ_ACT in bytes(entry.legs))
            for entry in record.entries
        )
        return _Read(sequence=message.sequence, at_ms=message.at_ms, record=record, is_urgent=is_urgent)

    async def _take(self, found: Sequence[_Read]) -> None:
        entries = [entry for one in found if one.record for entry in one.record.entries]
        lanes = {_lane(entry) for entry in entries if entry.legs != _NO_LEGS or entry.kind in _CROSSING}
        idle = {lane for lane in lanes if self._is_idle(lane)}
        taken = await self._store.write(lambda tx: self._absorb(tx, found, idle), durable=False)
        self.cursor = found[-1].sequence
        self._people.saw(taken.persons)
        self._outbox.confirmed(taken.confirmed)
        self._outbox.withdrawn(taken.withdrawn)
        self._outbox.offer(taken.rows)
        if taken.again:
            self._outbox.wake(in_doubt=True)
        self._on_taken(taken.ranks, taken.legs)
        if taken.adoptions:
            self._on_adoptions()

    # --- in the transaction ---

    def _absorb(self, tx: Transaction, found: Sequence[_Read], idle: Collection[str]) -> _Taken:
        taken = _Taken()
        reaches: list[Reach] = []
        new: list[LegRow] = []
        passed: dict[int, int] = {}
        for one in found:
            record = one.record
            if record is None:
                idmap.count_dead(tx)
                continue
            self._check_epoch(tx, record, taken)
            if (cursor := record.cursor.get(self._rail)) is not None:
                passed[record.partition] = cursor[0]
            for index, entry in enumerate(record.entries):
                rank = order_of(one.sequence, index)
                if entry.source == self._rail:
                    taken.confirmed.append(entry.event_id)
                own = self._take_in(tx, entry, rank, taken, reaches) if entry.kind in _FOLDED else None
                has_leg = own is not None or entry.legs != _NO_LEGS or is_group(entry.conversation)
                if has_leg and (row := self._leg(tx, entry, rank, one.at_ms, own)) is not None:
                    new.append(row)
                    taken.withdrawn += self._hear(tx, entry)
                if entry.people:
                    taken.persons.extend(entry.people)
                    taken.adoptions += adoption.note(tx, self._rail, entry.people)
        self._outbox.confirm(tx, taken.confirmed)
        for partition, sequence in passed.items():
            self._outbox.confirm_up_to(tx, partition=partition, sequence=sequence)
        reports.report_reaches(tx, self._outbox, self._rail, reaches)
        idmap.raise_state(tx, "cursor", found[-1].sequence)
        taken.legs = self._foresee(tx, new, idle)
        taken.rows = self._outbox.collect(tx)
        return taken

    def _take_in(self, tx: Transaction, entry: Entry, rank: int, taken: _Taken, reaches: list[Reach]) -> Leg | None:
        """A message of ours has its place; a reaction counts whether or not it goes to our rail.

        An edit made here: what we put there ourselves is no longer what is shown. The act that has to be done here once
        more although it was done here, if there is one: see `crossings`.
        """
        is_ours = entry.source == self._rail
        if entry.kind in groups.KINDS:
            groups.fold(tx, entry)
            return None
        if entry.kind == "message":
            reaches += self._settle(tx, entry, rank, taken) if is_ours else []
            return None
        event = decode_event(entry.event)
        if entry.actor is None or entry.outcome != "routed":
            return None
        if isinstance(event, Reaction):
            return Leg(act="react") if reactions.note(tx, event, entry.actor, rank, is_ours=is_ours) else None
        if isinstance(event, Edit):
            if is_ours:
                shown.changed_here(tx, event.target)
            is_crossed = crossings.note(tx, event.target, crossings.EDIT, is_ours=is_ours)
            return Leg(act="edit") if is_crossed else None
        return None

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
            ranks = {place.native_id: rank for place in places}
            tx.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", list(ranks.items()))
            taken.ranks.update(ranks)
        targets.release(tx, self._outbox, places)
        return idmap.release(tx, places)

    def _hear(self, tx: Transaction, entry: Entry) -> list[str]:
        """Somebody has got something on another rail: the events of ours that would tell the same."""
        if entry.kind != "receipt":
            return []
        seat = next((seat for seat in decode_seats(entry.seats) if seat.person == entry.actor), None)
        reader = accounts.node_for(tx, self._rail, seat) if seat is not None else None
        # A read says "delivered", too.
        return [] if reader is None else reports.hear(tx, self._outbox, self._rail, reader, entry)

    def _leg(self, tx: Transaction, entry: Entry, rank: int, routed_at_ms: int, own: Leg | None) -> LegRow | None:
        """The row for our leg, if there is one. Most entries are told by looking for our name in the bytes.

        `own`: a leg that the router did not give us.
        """
        leg = decode_legs(entry.legs).get(self._rail) if self._name_on_wire in bytes(entry.legs) else None
        is_apart = (leg is None or leg.act == "post") and apart.is_apart(tx, entry.conversation, self._capabilities)
        if leg is None:
            leg = self._own_leg(entry) if is_apart else own
        if leg is None:
            return None
        group = groups.packed(tx, entry.conversation) if leg.act == "group" or is_apart else NO_GROUP
        work = Work(
            source=entry.source,
            event=entry.event,
            actor=entry.actor,
            seats=entry.seats,
            leg=leg,
            refusal=entry.why,
            routed_at_ms=routed_at_ms,
            group=group,
            expires=_expiry(entry) if entry.vanishing else None,
        )
        new = LegRow(
            lane=_lane(entry),
            event_id=entry.event_id,
            act=leg.act,
            source=entry.source,
            conversation=entry.conversation,
            position=entry.position,
            rank=rank,
            payload=encode(work),
            taken_at_ms=self._now_ms(),
        )
        return legs.keep(tx, new)

    def _own_leg(self, entry: Entry) -> Leg | None:
        """What was done here, in a group that our rail cannot hold, has to reach its other threads here."""
        if entry.source != self._rail or entry.outcome != "routed" or entry.kind not in apart.OWN:
            return None
        return Leg(act=apart.OWN[entry.kind], why="the group's other threads here")

    def _check_epoch(self, tx: Transaction, record: Record, taken: _Taken) -> None:
        """A new epoch: an ingress store was rolled back, and what the log has not confirmed may be gone from it."""
        key = f"epoch.{record.partition}"
        if record.epoch > idmap.get_state(tx, key):
            self._outbox.publish_again(tx, partition=record.partition)
            taken.again = True
            idmap.raise_state(tx, key, record.epoch)


def _expiry(entry: Entry) -> Expiry | None:
    """When a message is to go, as was decided with it."""
    own = next((one for one in entry.vanishing if one.message == entry.event_id), None)
    return Expiry(at_ms=own.at_ms, after_read_s=own.after_read_s) if own is not None else None


def _lane(entry: Entry) -> str:
    return entry.conversation or entry.event_id
