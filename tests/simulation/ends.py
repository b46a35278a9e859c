"""Both ends of the bus in its simulation: what a bridge is to the backbone, and what its rail shows.

It publishes what it was given, in order, until it is acknowledged, and follows the log from a cursor that is kept with
its effects: the rules of the bus's readers. Its `Disk` outlives it. What it writes down (texts as rails show them, when
a rail had what) is all that the checker is given.
"""

import asyncio
from itertools import pairwise

import msgspec

from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.publish import BusUnavailable, Publisher
from bus.reader import Reader, ReaderLost
from bus.subjects import LOG, log_consumer
from schemas.codec import decode_event, decode_legs, decode_record
from schemas.content import Text
from schemas.events import Message
from schemas.ids import ConversationId
from schemas.log import Entry
from tests.checker.history import Line, Marked, Shown
from tests.simulation.people import ACCOUNTS, PAIRS, WHO, Item

AWAY = (NotConnected, NoAnswer, NoResponder, ApiError, BusUnavailable)
_PAUSE_S, _WITHIN_S = 0.2, 4.0


class Disk:
    """What is left when it is killed."""

    def __init__(self, cursor: int) -> None:
        self.outbox: list[Item] = []
        self.cursor = cursor
        self.entries = 0
        """Of the log, read so far."""
        self.lines: dict[ConversationId, list[tuple[str, str, int]]] = {pair: [] for pair in PAIRS}
        """Text, author and position of what the rail shows, in its order."""
        self.read_up_to: dict[tuple[ConversationId, str], int] = {}
        self.marked: list[Marked] = []
        self.accepted: dict[str, float] = {}
        """Event id -> loop time at which the bus had it."""


class End:
    """One rail's end, from its start to its being killed."""

    def __init__(self, rail: str, disk: Disk, conn: Connection) -> None:
        self.rail, self.disk, self._conn = rail, disk, conn
        self._publisher = Publisher(conn)
        self._wake = asyncio.Event()
        self._wake.set()

    def wake(self) -> None:
        """There is something on the disk to be published."""
        self._wake.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish())
            group.create_task(self._follow())

    async def _publish(self) -> None:
        clock_s, disk = asyncio.get_running_loop().time, self.disk
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := disk.outbox[:3]:
                try:
                    await self._publisher.publish_many(batch, within_s=_WITHIN_S)
                except AWAY:
                    await asyncio.sleep(_PAUSE_S)
                    continue
                del disk.outbox[: len(batch)]
                disk.accepted.update((event_id, clock_s()) for _, _, event_id in batch)

    async def _follow(self) -> None:
        disk, durable = self.disk, log_consumer(self.rail)
        while True:
            try:
                reader = await Reader.open(self._conn, stream=LOG, after=disk.cursor, durable=durable)
                try:
                    while True:
                        for message in await reader.pull(limit=10, wait_s=5.0):
                            await asyncio.sleep(0)  # killed here, it has read this and not taken it
                            self._take(decode_record(message.data).entries, message.sequence)
                finally:
                    await reader.close()
            except (ReaderLost, *AWAY):
                await asyncio.sleep(_PAUSE_S)

    def _take(self, entries: tuple[Entry, ...], sequence: int) -> None:
        """Effects and cursor, in one go."""
        disk = self.disk
        for entry in entries:
            disk.entries += 1
            if entry.outcome != "routed" or (entry.source != self.rail and self.rail not in decode_legs(entry.legs)):
                continue
            if entry.kind == "message":
                event = decode_event(entry.event)
                assert isinstance(event, Message)
                assert isinstance(event.content, Text)
                author = WHO.get(entry.actor, "nobody") if entry.actor else "nobody"
                disk.lines[entry.conversation].append((event.content.body, author, entry.position))
            elif entry.kind == "receipt" and entry.actor in WHO:
                self._mark(entry.conversation, WHO[entry.actor], entry.position)
        disk.cursor = sequence

    def _mark(self, conversation: ConversationId, who: str, position: int) -> None:
        """The rail's own rule: what is told of a marker is what it shows."""
        disk = self.disk
        disk.read_up_to[conversation, who] = position
        if (who, self.rail) in ACCOUNTS:
            peer = next(one for one in PAIRS[conversation] if one != who)
            disk.marked.append(Marked(owner=who, peer=peer, rail=self.rail, read=position))


def shown(rail: str, disk: Disk) -> list[Shown]:
    """What the apps of all accounts of a rail show in the end."""
    found = []
    for conversation, pair in PAIRS.items():
        for owner, peer in (pair, pair[::-1]):
            if (owner, rail) not in ACCOUNTS:
                continue
            lines = tuple(
                Line(
                    text=text,
                    author=author,
                    is_read=author == owner or position <= disk.read_up_to.get((conversation, owner), 0),
                )
                for text, author, position in disk.lines[conversation]
            )
            found.append(Shown(owner=owner, peer=peer, rail=rail, lines=lines))
    return found


def positions_wrong(rail: str, disk: Disk) -> list[str]:
    """Conversations whose positions do not rise line by line: a position was given twice."""
    wrong = []
    for conversation, lines in disk.lines.items():
        given = [position for _, _, position in lines]
        if any(later <= earlier for earlier, later in pairwise(given)):
            wrong.append(f"{' and '.join(PAIRS[conversation])} on {rail}: {given}")
    return wrong


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked for: kept by the world, judged in the end."""

    who: str
    rail: str
    whom: str
    text: str
    event_id: str
    at_s: float
