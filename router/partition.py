"""One partition: take it over, then read, decide, commit and fold until somebody else owns it.

The life of a `Lane`:

1. `Lane.take_over` reads the last record (cursor and epoch), folds what the log has since the checkpoint, and checks
   that the cursor still stands where it stood in every ingress stream (`recover`s if not).
2. `run` takes what the intake has queued, decides it as one record, commits the record, and only then believes it.
3. It ends with an exception: `Fenced` (somebody else has committed), `CommitUnknown`, `Adrift` (an ingress stream was
   rolled back under it) or the bus's own. Nothing it knows survives: the next owner takes over from the log.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

import msgspec
import structlog

from bus.commit import Committer
from bus.connection import Connection
from bus.metrics import sampled
from bus.spans import Tracer
from bus.stored import StoredMessage, last_of, message_at, read_range
from bus.subjects import LOG, ingress, ingress_stream, log
from router.anchors import START, Anchored, Cursor, Extent, check, event_ids_on_log, extent, stored_between
from router.batch import MOST_ENTRIES, Decider, Draft, Parked, Waiting, needs
from router.core.conversation import apply
from router.core.fanout import Plans
from router.counts import Counts
from router.dead import DeadLetters
from router.deadlines import set_deadlines
from router.directory import Directory
from router.originals import NotRead, Originals
from router.people import NotFetched, People
from router.snapshots import NotLoaded, States
from router.tracing import add_spans
from schemas.codec import decode_record, encode
from schemas.ids import PEOPLE_PARTITION, ConversationId, EventId
from schemas.log import VERSION, Conversation, Entry, Record

_QUEUE_BATCHES = 4
"""How many batches may wait in a lane before the intake stops pulling."""

_MOST_UNWRITTEN = 20_000
"""Conversations changed since their snapshot, above which a lane writes them before it goes on."""

_MARK_AFTER_SEQUENCES, _MARK_AFTER_S = 10_000, 3600.0
"""A lane that others' events pass by commits where it stands, so that retention does not seem to overtake it."""

_log = structlog.get_logger(__name__)


class Adrift(Exception):
    """An ingress stream no longer is what the lane's cursor was read from. Take the partition over anew."""


class LogBehind(Exception):
    """The log could not be read up to its last record (a replica is behind). Try again."""


class Shared(msgspec.Struct, kw_only=True):
    """What all lanes of a router share. `plans` is replaced when the rails' capabilities change."""

    conn: Connection
    people: People
    directory: Directory
    letters: DeadLetters
    plans: Plans
    sources: tuple[str, ...]
    partitions: int
    batch: int
    record_bytes: int
    counts: Counts = msgspec.field(default_factory=Counts)
    tracer: Tracer | None = None
    """None: tracing is off."""
    most_states: int = 50_000
    """Conversations a lane keeps in memory, beside those that have changed since their snapshot."""


class _Flight(msgspec.Struct, kw_only=True):
    """A record on its way."""

    draft: Draft
    committing: asyncio.Task[int]


_NOTHING = Draft.empty()
"""What is on its way when nothing is. Never written to."""


class Lane:
    """One partition while it is ours."""

    def __init__(
        self, shared: Shared, partition: int, *, last: StoredMessage | None, states: States, decider: Decider
    ) -> None:
        record = decode_record(last.data) if last is not None else None
        self.partition, self.states = partition, states
        self._originals = Originals(shared.conn, partition=partition)
        self.epoch = record.epoch if record is not None else 0
        self.cursor: dict[str, Cursor] = dict(record.cursor) if record is not None else {}
        self._shared = shared
        self._committer = Committer(
            shared.conn, subject=log(partition), expected=last.sequence if last is not None else 0
        )
        self._decider = decider
        self._queue: deque[Waiting] = deque()
        self._queued: dict[str, StoredMessage] = {}
        self._taken: dict[str, Cursor] = dict(self.cursor)
        """Where the last decided record leaves the cursor; `cursor` is where the last stored one does."""
        self._passed: dict[str, Cursor] = {}
        self.flying = 0
        """Events in the record on its way."""
        self._work, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._adrift: str | None = None
        self._recovering: str | None = None
        self._clock_s = asyncio.get_running_loop().time
        self._committed_s = self._clock_s()
        self.events = 0

    @classmethod
    async def take_over(cls, shared: Shared, partition: int, *, decider: Decider | None = None) -> "Lane":
        """Read where the partition stands. Raises what the bus raises, and `LogBehind`.

        `decider`: the bench's relay runs a lane that decides nothing.
        """
        last = await last_of(shared.conn, LOG, log(partition))
        states = States(shared.conn, partition=partition, most=shared.most_states)
        decider = decider or Decider(
            partition=partition, partitions=shared.partitions, record_bytes=shared.record_bytes
        )
        lane = cls(shared, partition, last=last, states=states, decider=decider)
        await lane._fold_log(last.sequence if last is not None else 0)
        if partition == PEOPLE_PARTITION and last is not None:
            await shared.directory.catch_up(last.sequence)
        for source in shared.sources:
            has = await extent(shared.conn, source)
            why = await check(shared.conn, source, lane.cursor.get(source, START), has)
            if why != "holds":
                await lane.recover(source, has, why)
        return lane

    async def _fold_log(self, last_sequence: int) -> None:
        """The states since the checkpoint, as the log says."""
        states, sequence = self.states, await self.states.checkpoint()
        if sequence > last_sequence:
            # Positions go on from the snapshots, so none is given twice; what the log lost is for an operator to see.
            _log.critical("log.rolled_back", partition=self.partition, checkpoint=sequence, last=last_sequence)
        while sequence < last_sequence:
            found = await read_range(self._shared.conn, LOG, first=sequence + 1, subject_filter=log(self.partition))
            if not found:
                raise LogBehind(f"{log(self.partition)} has no record behind {sequence}; expected {last_sequence}.")
            for message in found:
                await self._fold_record(decode_record(message.data).entries, message.sequence)
            sequence = found[-1].sequence
        states.folded = max(states.folded, last_sequence)

    async def _fold_record(self, entries: Sequence[Entry], sequence: int) -> None:
        routed = [entry for entry in entries if entry.outcome == "routed"]
        await self.states.load({entry.conversation for entry in routed})
        changed: dict[ConversationId, Conversation] = {}
        for entry in routed:
            before = changed.get(entry.conversation) or self.states.get(entry.conversation)
            if before is not None and before.sequence >= sequence:
                continue  # its snapshot is newer
            after = apply(before, entry)
            if after is not None:
                changed[entry.conversation] = after
        self.states.fold(changed, sequence=sequence)
        if self.states.unwritten >= _MOST_UNWRITTEN:
            await self.states.flush()

    def position(self, source: str) -> Cursor:
        """Up to where the lane has been given a source's messages: what it has queued, passed or committed."""
        positions = [self.cursor.get(source, START), self._passed.get(source, START)]
        if queued := self._queued.get(source):
            positions.append((queued.sequence, EventId(queued.event_id or "")))
        return max(positions)

    def offer(self, source: str, messages: Sequence[StoredMessage]) -> None:
        """Queue messages of this partition, in order; those it has had (a reader was opened anew) are skipped."""
        taken = self.position(source)[0]
        fresh = (
            [message for message in messages if message.sequence > taken] if messages[0].sequence <= taken else messages
        )
        if fresh:
            self._queue.extend([Waiting(source, message) for message in fresh])
            self._queued[source] = fresh[-1]
            self._work.set()
            if len(self._queue) >= _QUEUE_BATCHES * self._shared.batch:
                self._room.clear()

    def pass_by(self, source: str, cursor: Cursor) -> None:
        """Everything of this partition up to here has been offered."""
        self._passed[source] = max(cursor, self._passed.get(source, START))
        if not self._queue and self._is_far():
            self._work.set()

    def _is_far(self) -> bool:
        """Whether so much has passed by since the cursor was committed that it should be committed as it is."""
        behind = max(
            (passed[0] - self.cursor.get(source, START)[0] for source, passed in self._passed.items()), default=0
        )
        idle_s = self._clock_s() - self._committed_s
        return behind >= _MARK_AFTER_SEQUENCES or (behind > 0 and idle_s >= _MARK_AFTER_S)

    async def room(self) -> None:
        """Until the lane can take more. A lane that ended has room for anything."""
        await self._room.wait()

    def set_adrift(self, why: str) -> None:
        """Have `run` end."""
        self._adrift = why
        self._work.set()

    @property
    def pending(self) -> int:
        """Events queued and not committed."""
        return len(self._queue) + self.flying

    @property
    def oldest_at_ms(self) -> int | None:
        """When the oldest pending event was stored."""
        return self._queue[0].message.at_ms if self._queue else None

    async def run(self) -> None:
        """Decide and commit for as long as the partition is ours."""
        try:
            while True:
                await self._work.wait()
                if self._adrift is not None:
                    raise Adrift(self._adrift)
                self._work.clear()
                await self._drain()
                if self._is_far():
                    await self._mark()
        finally:
            self._room.set()

    async def _drain(self) -> None:
        """Commit all that is queued. Under load the next record is decided while one is on its way.

        It is decided on what that one will have done, which is so once it is stored; and if it is not stored, the lane
        ends and nothing that was decided counts.
        """
        flight: _Flight | None = None
        try:
            while self._queue or flight is not None:
                draft = None
                if flight is None or self._is_worth_deciding(flight.draft):
                    draft = await self._decide_some(flight.draft if flight is not None else _NOTHING)
                if flight is not None:
                    landing, flight = flight, None
                    await self._land(landing)
                if draft is not None:
                    flight = self._take_off(draft)
        finally:
            if flight is not None:
                flight.committing.cancel()
                await asyncio.gather(flight.committing, return_exceptions=True)

    def _is_worth_deciding(self, flying: Draft) -> bool:
        """Enough is queued for a record, and it does not depend on persons whom the directory has yet to be told of."""
        return len(self._queue) >= self._shared.batch // 2 and not flying.people

    async def _decide_some(self, flying: Draft) -> Draft:
        """Decide what is queued, or as much as a record holds, after what is on its way; take it off the queue."""
        batch, shared = list(islice(self._queue, MOST_ENTRIES)), self._shared
        while True:
            try:
                draft = self._decider.decide(
                    batch,
                    states=self.states,
                    originals=self._originals,
                    flying=flying.states,
                    people=shared.people,
                    plans=shared.plans,
                )
                break
            except (NotFetched, NotLoaded, NotRead) as missing:
                await self._fetch(batch, missing)
        for parked in draft.parked:
            await self._park(parked)
        if draft.deadlines:
            await set_deadlines(shared.conn, self.partition, draft.deadlines)
        self._take(draft)
        return draft

    def _take(self, draft: Draft) -> None:
        """Its events leave the queue; what the record will say of the cursor is where that leaves us."""
        queue = self._queue
        taken = [queue.popleft() for _ in draft.entries]
        draft.arrived_at_ms = [taken[index].message.at_ms for index in sampled(range(len(taken)))]
        if self._shared.tracer is not None:
            draft.traced_at_ms = [one.message.at_ms for one in taken]
        for source, message in draft.last.items():
            self._taken[source] = (message.sequence, EventId(message.event_id or ""))
        if not self._queue:
            for source, passed in self._passed.items():
                self._taken[source] = max(self._taken.get(source, START), passed)
        if len(self._queue) < _QUEUE_BATCHES * self._shared.batch:
            self._room.set()
        draft.cursor = dict(self._taken)
        if self._recovering is not None:
            draft.cursor.pop(self._recovering, None)
            if self._recovering in self.cursor:
                draft.cursor[self._recovering] = self.cursor[self._recovering]

    def _take_off(self, draft: Draft) -> "_Flight":
        self.flying = len(draft.entries)
        return _Flight(draft=draft, committing=asyncio.create_task(self._put(draft)))

    async def _land(self, flight: "_Flight") -> None:
        """The record is stored; now, and only now, what it says is so."""
        sequence, draft = await flight.committing, flight.draft
        self.flying = 0
        self.cursor = draft.cursor
        self.events += len(draft.entries)
        if self._shared.tracer is not None:
            add_spans(self._shared.tracer, draft, partition=self.partition, now_ms=time.time_ns() // 1_000_000)
        self._shared.counts.landed(draft.entries, draft.arrived_at_ms, time.time_ns() // 1_000_000)
        self.states.fold(draft.states, sequence=sequence)
        if draft.people:
            await self._shared.directory.apply([(sequence, draft.people)], upto=sequence)
        if self.states.unwritten >= _MOST_UNWRITTEN:
            await self.states.flush()

    async def _fetch(self, batch: Sequence[Waiting], missing: NotFetched | NotLoaded | NotRead) -> None:
        """Have everything in memory that the batch needs. While all is there already, nobody asks what it needs."""
        needed = needs(batch)
        parties = needed.parties
        await self.states.load(needed.conversations)
        for conversation in needed.conversations:
            if state := self.states.get(conversation):
                parties.update(state.members)
        await self._originals.load(needed.ranks, last=self.states.folded)
        for rank in needed.ranks:
            if (original := self._originals.get(rank)) is not None and original.actor is not None:
                parties.add(original.actor)
        if isinstance(missing, NotFetched):
            parties.add(missing.party)
        await self._shared.people.prefetch(parties)

    async def _park(self, parked: Parked) -> None:
        source, message = parked.waiting
        await self._shared.letters.post(source, message, event_id=parked.event_id, why=parked.why)
        _log.error(
            "event.parked",
            partition=self.partition,
            source=source,
            sequence=message.sequence,
            event_id=parked.event_id,
        )

    async def _mark(self) -> None:
        """Commit where we stand, with nothing decided."""
        draft = Draft.empty()
        self._take(draft)
        await self._land(self._take_off(draft))

    async def _put(self, draft: Draft) -> int:
        record = Record(
            version=VERSION,
            partition=self.partition,
            epoch=self.epoch,
            cursor=draft.cursor,
            entries=tuple(draft.entries),
        )
        committed = await self._committer.commit(encode(record))
        self._committed_s = self._clock_s()
        return committed.sequence

    async def recover(self, source: str, has: Extent, why: Anchored) -> None:
        """Route what the stream has and the log has not, in a new epoch, and stand at the stream's end.

        Until the last record of this the cursor stays where it does not hold, so that an owner who dies on the way
        leaves it to the next, who finds the events already routed in the log. Not covered: what the stream has lost
        before it was read; its bridge publishes it again when it sees the epoch.
        """
        self.epoch += 1
        _log.critical(
            "ingress.damaged",
            partition=self.partition,
            source=source,
            why=why,
            epoch=self.epoch,
            cursor=self.cursor.get(source, START)[0],
            first=has.first,
            last=has.last,
        )
        known = await event_ids_on_log(self._shared.conn, self.partition, source)
        self._recovering = source
        async for messages in stored_between(self._shared.conn, ingress(source, self.partition), source, has):
            waiting = [Waiting(source, message) for message in messages]
            self._queue.extend([one for one in waiting if one.event_id() not in known])
            await self._drain()
        self._recovering = None
        last = await message_at(self._shared.conn, ingress_stream(source), has.last) if has.last else None
        self._passed[source] = (has.last, EventId((last.event_id if last is not None else None) or ""))
        self.cursor.pop(source, None)
        self._taken.pop(source, None)
        await self._mark()
