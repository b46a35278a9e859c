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
from bus.stored import StoredMessage, last_of, message_at, read_range
from bus.subjects import LOG, ingress, ingress_stream, log
from router.anchors import START, Anchored, Cursor, Extent, check, event_ids_on_log, extent, stored_between
from router.batch import MOST_ENTRIES, Decider, Draft, Inbound, needs, understand
from router.core.conversation import apply
from router.core.fanout import Plans
from router.dead import DeadLetters
from router.directory import Directory
from router.people import NotFetched, People
from router.snapshots import NotLoaded, States
from schemas.codec import decode_record, encode
from schemas.ids import PEOPLE_PARTITION, EventId
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
    most_states: int = 50_000
    """Conversations a lane keeps in memory, beside those that have changed since their snapshot."""


class Lane:
    """One partition while it is ours."""

    def __init__(self, shared: Shared, partition: int, *, last: StoredMessage | None, states: States) -> None:
        record = decode_record(last.data) if last is not None else None
        self.partition, self.states = partition, states
        self.epoch = record.epoch if record is not None else 0
        self.cursor: dict[str, Cursor] = dict(record.cursor) if record is not None else {}
        self._shared = shared
        self._committer = Committer(
            shared.conn, subject=log(partition), expected=last.sequence if last is not None else 0
        )
        self._decider = Decider(partition=partition, partitions=shared.partitions, record_bytes=shared.record_bytes)
        self._queue: deque[Inbound] = deque()
        self._queued: dict[str, StoredMessage] = {}
        self._passed: dict[str, Cursor] = {}
        self._work, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._adrift: str | None = None
        self._recovering: str | None = None
        self._committed_s = time.monotonic()
        self.events = 0

    @classmethod
    async def take_over(cls, shared: Shared, partition: int) -> "Lane":
        """Read where the partition stands. Raises what the bus raises, and `LogBehind`."""
        last = await last_of(shared.conn, LOG, log(partition))
        states = States(shared.conn, partition=partition, most=shared.most_states)
        lane = cls(shared, partition, last=last, states=states)
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
        changed: dict[str, Conversation] = {}
        for entry in routed:
            before = changed.get(entry.conversation) or self.states.get(entry.conversation)
            if before is not None and before.sequence >= sequence:
                continue  # its snapshot is newer
            after = apply(before, entry)
            if after is not None:
                changed[entry.conversation] = after
        self.states.fold(changed.values(), sequence=sequence)
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
            self._queue.extend(understand(source, message) for message in fresh)
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
        idle_s = time.monotonic() - self._committed_s
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
        return len(self._queue)

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
                while self._queue:
                    await self._commit_some()
                if self._is_far():
                    await self._commit(Draft.empty())
        finally:
            self._room.set()

    async def _commit_some(self) -> None:
        batch, shared = list(islice(self._queue, MOST_ENTRIES)), self._shared
        while True:
            try:
                draft = self._decider.decide(batch, states=self.states, people=shared.people, plans=shared.plans)
                break
            except (NotFetched, NotLoaded) as missing:
                await self._fetch(batch, missing)
        for inbound in draft.parked:
            await self._park(inbound)
        await self._commit(draft)

    async def _fetch(self, batch: Sequence[Inbound], missing: NotFetched | NotLoaded) -> None:
        """Have everything in memory that the batch needs. While all is there already, nobody asks what it needs."""
        conversations, parties = needs(batch)
        await self.states.load(conversations)
        for conversation in conversations:
            if state := self.states.get(conversation):
                parties.update(state.members)
        if isinstance(missing, NotFetched):
            parties.add(missing.party)
        await self._shared.people.prefetch(parties)

    async def _park(self, inbound: Inbound) -> None:
        event_id = inbound.event_id()
        await self._shared.letters.post(inbound.source, inbound.message, event_id=event_id, why=inbound.why)
        _log.error(
            "event.parked",
            partition=self.partition,
            source=inbound.source,
            sequence=inbound.message.sequence,
            event_id=event_id,
        )

    async def _commit(self, draft: Draft) -> None:
        """Commit what was decided; then, and only then, it is so."""
        count = len(draft.entries)
        cursor = self._cursor_after(count)
        sequence = await self._put(draft.entries, cursor, self.epoch)
        for _ in range(count):
            self._queue.popleft()
        if len(self._queue) < _QUEUE_BATCHES * self._shared.batch:
            self._room.set()
        self.cursor = cursor
        self.events += count
        self.states.fold(draft.states.values(), sequence=sequence)
        if draft.people:
            await self._shared.directory.apply([(sequence, draft.people)], upto=sequence)
        if self.states.unwritten >= _MOST_UNWRITTEN:
            await self.states.flush()

    async def _put(self, entries: Sequence[Entry], cursor: dict[str, Cursor], epoch: int) -> int:
        record = Record(version=VERSION, partition=self.partition, epoch=epoch, cursor=cursor, entries=tuple(entries))
        committed = await self._committer.commit(encode(record))
        self._committed_s = time.monotonic()
        return committed.sequence

    def _cursor_after(self, count: int) -> dict[str, Cursor]:
        """Where the first `count` queued messages bring the cursor; when that is all, where the intake has passed."""
        cursor = dict(self.cursor)
        last = {inbound.source: inbound.message for inbound in islice(self._queue, count)}
        cursor.update((source, (message.sequence, EventId(message.event_id or ""))) for source, message in last.items())
        if count == len(self._queue):
            for source, passed in self._passed.items():
                cursor[source] = max(cursor.get(source, START), passed)
        if self._recovering is not None:
            cursor.pop(self._recovering, None)
            if self._recovering in self.cursor:
                cursor[self._recovering] = self.cursor[self._recovering]
        return cursor

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
            self._queue.extend(
                inbound
                for inbound in (understand(source, message) for message in messages)
                if inbound.event_id() not in known
            )
            while self._queue:
                await self._commit_some()
        self._recovering = None
        last = await message_at(self._shared.conn, ingress_stream(source), has.last) if has.last else None
        self._passed[source] = (has.last, EventId((last.event_id if last is not None else None) or ""))
        self.cursor.pop(source, None)
        await self._commit(Draft.empty())
