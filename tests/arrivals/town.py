"""Three rails, three bridges, a router and NATS, all real; on each rail somebody who writes to a reader on the others.

So whatever is sent from a rail can be looked at on both others at once: on the one that was written to, and on the one
that looks on.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import aiosqlite
import msgspec

from bus import keys, topology
from bus.connection import Connection
from bus.server import EmbeddedServer
from bus.stored import read_range
from bus.subjects import LOG
from router.ledger.service import Asking
from schemas.codec import decode_event, decode_record
from schemas.events import LegResult, Message, Results
from tests.integration.bridges.conftest import Phone, World
from tests.integration.bridges.test_linked import link
from tests.integration.conftest import PARTITIONS, RAILS, Bus
from tests.must import eventually

WRITERS = {"whatsapp": "+393331112222", "messenger": "alice.bianchi", "instagram": "@alice"}
READERS = {
    "whatsapp": {"messenger": "bob.rossi", "instagram": "@bob"},
    "messenger": {"whatsapp": "+393334445555", "instagram": "@bob_r"},
    "instagram": {"whatsapp": "+393334446666", "messenger": "bob.r"},
}
"""Writer's rail -> the reader's accounts."""

Shown = dict[str, Any]


class Log:
    """What the log has said so far, by what the rails call things."""

    def __init__(self, conn: Connection) -> None:
        self.conn, self._next, self._reading = conn, 1, asyncio.Lock()
        self.messages: dict[tuple[str, str], str] = {}
        """Rail and native id -> event id."""
        self.about: dict[tuple[str, str, str], list[str]] = {}
        """Rail, kind and the message's event id -> the events, in order."""
        self.results: dict[tuple[str, str], LegResult] = {}
        """Rail and event id -> what became of it there."""

    async def read_on(self) -> None:
        """Take in what is new."""
        async with self._reading:
            while found := await read_range(self.conn, LOG, first=self._next, subject_filter="log.*"):
                for stored in found:
                    self._take(stored.data)
                self._next = found[-1].sequence + 1

    def _take(self, data: bytes) -> None:
        for entry in decode_record(data).entries:
            event = decode_event(entry.event)
            if isinstance(event, Results):
                self.results |= {(entry.source, result.event): result for result in event.results}
            elif isinstance(event, Message):
                self.messages[entry.source, event.native_id] = event.id
            elif target := getattr(event, "target", ""):
                self.about.setdefault((entry.source, entry.kind, target), []).append(event.id)


class Town:
    """Everything that runs, and everybody's phones."""

    def __init__(self, world: World, log: Log) -> None:
        self.world, self.log = world, log
        self.writers: dict[str, Phone] = {}
        self.readers: dict[str, dict[str, Phone]] = {}

    async def settle(self, operator: Connection) -> None:
        """Everybody registers; each reader's two accounts are linked, and what is sent reaches both."""
        for rail, address in WRITERS.items():
            self.writers[rail] = await self.world.register_as(rail, address, name="Alice")
            self.readers[rail] = {
                other: await self.world.register_as(other, its, name="Bob") for other, its in READERS[rail].items()
            }
        for readers in self.readers.values():
            one, other = readers.values()
            await link(self.world, operator, one.handle, other.handle)
        for rail in RAILS:
            await eventually(lambda rail=rail: self._reaches_both(rail))

    async def _reaches_both(self, rail: str) -> None:
        native_id = await self.writers[rail].send(self.address(rail), "Hello?")
        await self.results(rail, await self.message(rail, native_id), within_s=2)

    def address(self, rail: str, to: str = "") -> str:
        """Whom the writer of a rail writes to: the reader's account on the rail `to`, or any of them."""
        readers = self.readers[rail]
        return str((readers[to] if to else next(iter(readers.values()))).handle)

    async def message(self, rail: str, native_id: str) -> str:
        """The event id of what was written on a rail."""

        async def there() -> str:
            await self.log.read_on()
            assert (rail, native_id) in self.log.messages, (rail, native_id)
            return self.log.messages[rail, native_id]

        return await eventually(there)

    async def done_to(self, rail: str, kind: str, target: str, times: int = 1) -> str:
        """The event id of what was done on a rail to a message, the so-manyeth of its kind."""

        async def there() -> str:
            await self.log.read_on()
            found = self.log.about.get((rail, kind, target), [])
            assert len(found) >= times, (rail, kind, found)
            return found[times - 1]

        return await eventually(there)

    async def results(self, rail: str, event: str, *, within_s: float = 60) -> dict[str, LegResult]:
        """What became of an event on both other rails."""

        async def there() -> dict[str, LegResult]:
            await self.log.read_on()
            found = {other: self.log.results.get((other, event)) for other in self.readers[rail]}
            assert all(found.values()), (rail, event, found)
            return {other: result for other, result in found.items() if result is not None}

        return await eventually(there, within_s=within_s)

    async def inbox(self, rail: str, other: str) -> dict[str, Shown]:
        """What the reader sees on another rail, by native id, in order."""
        found = await self.readers[rail][other].inbox(self.writers[rail].handle)
        return {message["native_id"]: message for message in found}

    async def with_ledger(self) -> Connection:
        """A ledger runs (from the first time on), and has read all there is; a connection to ask it by."""
        if "ledger" not in self.world.running:
            await self.world.start_ledger()
        asking = Asking(self.log.conn)

        async def has_read_all() -> None:
            assert (await asking("status"))["pending"] == 0

        await eventually(has_read_all)
        return self.log.conn

    async def age(self, rail: str, native_ids: list[str], *, days: int) -> None:
        """These messages were written that much earlier, as the rail has it."""
        async with aiosqlite.connect(self.world.folder / "rails" / f"{rail}.sqlite3", timeout=30) as db:
            marks = ",".join("?" * len(native_ids))
            sql = f"UPDATE messages SET at_ms = at_ms - ? WHERE native_id IN ({marks})"  # noqa: S608 - question marks
            await db.execute(sql, (days * 86_400_000, *native_ids))
            await db.commit()


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Town]:
    """A town in a folder, until left."""
    pairs = keys.ensure_keys(folder / "keys", keys.all_roles(RAILS))
    server = EmbeddedServer(folder=folder / "nats", keys=pairs, rails=RAILS)
    async with contextlib.AsyncExitStack() as opened:
        await server.start()
        opened.push_async_callback(server.stop)
        admin = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="town", role="admin")
        opened.push_async_callback(admin.close)
        await topology.ensure(admin, rails=RAILS, partitions=PARTITIONS)
        http = await opened.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
        world = World(bus=Bus(server=server, keys=pairs, folder=folder), folder=folder, http=http)
        opened.push_async_callback(world.stop)
        await world.start(*RAILS)
        town = Town(world, Log(admin))
        await town.settle(admin)
        yield town


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader sees on one rail of what was sent or done: whole messages, and what the bridge says is lost."""

    messages: tuple[Shown, ...]
    lost: tuple[str, ...]
    is_same: bool
    """It is what the writer sees."""
    is_whole: bool
    """It is the writer's words, to the letter, in so many messages."""
