"""The yardsticks for the router: its own loop without the routing logic, and a bare copy.

*The bare relay* is the router's own reader, intake, lane and committer; the next record is made while one is on its
way, as the router does, and every event is decoded as the router decodes it. Its records are the router's, byte for
byte (`compare` checks it). Only what is in them is not decided: who the people are, where it goes and which position
it has is known beforehand, so there are no look-ups, no plans, no state of conversations.

*The bare copy* is less than that loop: it waits for each record before it makes the next one, and there is no intake
that could be told of lanes that come and go, no lane that could be taken over, and no cursor over several sources.

Used by `bench.router`.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from bench.traffic import RAIL, Pair
from bus.commit import Committer
from bus.connection import Connection
from bus.stored import StoredMessage
from bus.subjects import log
from router.batch import ENTRY_BYTES, Decider, Draft, Waiting, understand
from router.core.fanout import Packed, Plans, pack, plan
from router.core.policy import Lookup
from router.originals import Originals
from router.snapshots import States
from schemas.codec import encode
from schemas.errors import NotUnderstood
from schemas.ids import ConversationId, EventId, PersonId
from schemas.log import VERSION, Conversation, Entry, Record


class Known(NamedTuple):
    """What there is to decide of a pair's messages."""

    actor: PersonId
    packed: Packed


def known_of(talk: Iterable[Pair]) -> list[Known]:
    """What would be decided of each pair's messages, but for the position."""
    return [Known(pair.one.id, pack(plan(RAIL, "post", pair.one, (pair.one, pair.other), {}))) for pair in talk]


def known_entry(message: StoredMessage, known: list[Known]) -> tuple[Entry, int]:
    """The entry of a message and about its size: the pairs speak in turn, so its sequence says whose it is."""
    event = understand(message)
    if isinstance(event, NotUnderstood):
        raise event
    turn, whose = divmod(message.sequence - 1, len(known))
    actor, packed = known[whose]
    entry = Entry(
        source=RAIL,
        event=msgspec.Raw(message.data),
        event_id=event.id,
        kind="message",
        outcome="routed",
        conversation=event.conversation,
        position=turn + 1,
        actor=actor,
        seats=packed.seats,
        legs=packed.legs,
    )
    return entry, ENTRY_BYTES + len(message.data) + packed.size_bytes


class RelayDecider(Decider):
    """What a lane has for the bare relay: the entries, with nothing decided."""

    def __init__(self, known: list[Known], *, partition: int, partitions: int, record_bytes: int) -> None:
        super().__init__(partition=partition, partitions=partitions, record_bytes=record_bytes)
        self._known, self._most_bytes = known, record_bytes

    def decide(
        self,
        batch: Iterable[Waiting],
        *,
        states: States,  # noqa: ARG002 - as the router's
        originals: Originals,  # noqa: ARG002
        flying: Mapping[ConversationId, Conversation],  # noqa: ARG002
        people: Lookup,  # noqa: ARG002
        plans: Plans,  # noqa: ARG002
    ) -> Draft:
        """The entries of as many as a record holds."""
        draft = Draft.empty()
        size_bytes = 0
        for source, message in batch:
            draft.last[source] = message
            entry, more_bytes = known_entry(message, self._known)
            draft.entries.append(entry)
            size_bytes += more_bytes
            if size_bytes >= self._most_bytes:
                break
        return draft


class BareCopy:
    """One partition of the bare copy."""

    def __init__(self, conn: Connection, partition: int, known: list[Known], *, batch: int, record_bytes: int) -> None:
        self.partition = partition
        self.queue: list[StoredMessage] = []
        self.work, self._room = asyncio.Event(), asyncio.Event()
        self._finished = False
        self._committer = Committer(conn, subject=log(partition), expected=0)
        self._known, self._batch, self._record_bytes = known, batch, record_bytes

    async def room(self) -> None:
        """Until it can take more."""
        if len(self.queue) >= 4 * self._batch:
            self._room.clear()
            await self._room.wait()

    def finish(self) -> None:
        """Nothing more comes."""
        self._finished = True
        self.work.set()

    async def run(self) -> None:
        """Copy what is queued until finished."""
        while not self._finished or self.queue:
            await self.work.wait()
            self.work.clear()
            while self.queue:
                await self._committer.commit(self._record())
                self._room.set()
            if self._finished:
                self.work.set()

    def _record(self) -> bytes:
        entries: list[Entry] = []
        size_bytes = 0
        for message in self.queue:
            entry, more_bytes = known_entry(message, self._known)
            entries.append(entry)
            size_bytes += more_bytes
            if size_bytes >= self._record_bytes:
                break
        last, self.queue = self.queue[len(entries) - 1], self.queue[len(entries) :]
        cursor = {RAIL: (last.sequence, EventId(last.event_id or ""))}
        return encode(Record(version=VERSION, partition=self.partition, epoch=0, cursor=cursor, entries=tuple(entries)))
