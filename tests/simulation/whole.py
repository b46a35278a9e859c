"""The whole federation on one virtual clock: three rails, three bridges, two routers and the backbone, all real code.

Added to the bus's world (`world`): each rail's store, acts and Platform API with its webhooks, and the whole bridge
(intake, outbox, log reader, outlet, couriers) as `Bridge.run` starts it, on a SQLite that loses at a kill what was
not committed. Not real are what lies below nats-py, HTTP's sockets, SQLite's threads, and the subscription's handshake.
Alice is on all three rails, Bob on two, Carla on one. Called by `whole_runs`.
"""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from bridges.catalogue import discover
from bridges.kit.daemon import SCHEMA, Bridge
from bus import topology
from bus.config import BridgeSettings, RailSettings, RouterSettings, Settings
from bus.publish import Publisher
from bus.subjects import LOG, OPERATOR, ingress, ingress_stream, log
from schemas.codec import decode_record, encode
from schemas.events import Link
from schemas.handles import Handle
from schemas.ids import PEOPLE_PARTITION, RailName, event_id
from schemas.log import Seat
from tests.simulation.federation import ADDRESSES, RAILS
from tests.simulation.paper import Paper
from tests.simulation.rail import SECRET, SimRail
from tests.simulation.server import Server
from tests.simulation.sites import Site
from tests.simulation.world import Daemon, Stage, connection

PARTITIONS = 2
_WAITING = (
    "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM legs), (SELECT count(*) FROM held),"
    " (SELECT count(*) FROM orders)"
)
"""A bridge's rows that are work to be done."""
SETTINGS = Settings(
    rails={rail: RailSettings() for rail in RAILS}, router=RouterSettings(partitions=PARTITIONS, batch=4)
)


class Before:
    """A federation in which everybody is known and nothing has been said: what its runs begin with."""

    def __init__(self, empty: dict[str, sqlite3.Connection], folder: Path) -> None:
        self.empty, self.folder = empty, folder
        self.server: Server | None = None
        self.rails: dict[str, sqlite3.Connection] = {}
        self.bridges: dict[str, sqlite3.Connection] = {}
        self.accounts: dict[tuple[str, str], str] = {}


class Whole(Stage):
    """All of it."""

    def __init__(self, seed: int, before: Before) -> None:
        super().__init__(seed, SETTINGS, before.server)
        self._draw = random.Random(seed + 3).random
        self._folder = before.folder
        self.accounts = dict(before.accounts)
        self.sites: dict[str, Site] = {}
        self.papers: dict[str, Paper] = {}
        self.files: dict[str, sqlite3.Connection] = {}
        for rail in RAILS:
            there = SimRail(rail, before.rails.get(rail, before.empty[rail]), self.now_ms)
            self.sites[rail] = Site(there, self.loop, self._draw)
            self.files[rail] = sqlite3.connect(":memory:", isolation_level=None)
            if rail in before.bridges:
                before.bridges[rail].backup(self.files[rail])
            else:
                self.files[rail].executescript(SCHEMA)
            self.daemons[f"bridge-{rail}"] = BridgeDaemon(self, rail, self._bridge(rail))
            self.daemons[f"rail-{rail}"] = Daemon(self, f"rail-{rail}", self._rail(rail))

    def now_ms(self) -> int:
        """Everybody's clock."""
        return self.server.now_ns() // 1_000_000

    def _rail(self, rail: str) -> Callable[[Daemon], Awaitable[None]]:
        async def work(daemon: Daemon) -> None:
            assert daemon.process is not None
            self.sites[rail].process = daemon.process
            await self.sites[rail].deliver()

        return work

    def _bridge(self, rail: str) -> Callable[[Daemon], Awaitable[None]]:
        async def work(daemon: Daemon) -> None:
            site = self.sites[rail]
            self.papers[rail] = Paper(self.files[rail], self.loop, self._draw)
            conn = await daemon.connect()
            site.bridge, site.bridge_process = self._make(rail, conn, self.papers[rail]), daemon.process
            try:
                await site.bridge.run(callback="http://127.0.0.1:9")
            finally:
                site.bridge = None
                await conn.close()

        return work

    def _make(self, rail: str, conn: Any, paper: Paper) -> Bridge:
        return Bridge(
            translator=discover()[rail],
            conn=conn,
            store=cast("Any", paper),
            client=cast("Any", self.sites[rail]),
            partner_secret=SECRET,
            partitions=PARTITIONS,
            ours=BridgeSettings(),
            public_url="http://127.0.0.1:9",
            folder=self._folder / rail,
            tracer=None,
            now_ms=self.now_ms,
            clock_s=self.loop.time,
        )

    def start(self) -> None:
        for daemon in self.daemons.values():
            daemon.start()

    def post(self, who: str, rail: str, whom: str, text: str) -> None:
        """Into the app: the rail has it."""
        self.sites[rail].rail.post(self.accounts[who, rail], self.accounts[whom, rail], text, None)

    def read(self, who: str, rail: str, whom: str) -> None:
        """Somebody looks at a thread."""
        self.sites[rail].rail.read(self.accounts[who, rail], self.accounts[whom, rail])

    def is_quiet(self) -> bool:
        """Whether nobody has anything left to do that they know of."""
        return self.server.is_up and self._is_routed() and all(map(self._is_done, RAILS))

    def _is_routed(self) -> bool:
        """Whether the log has all that came in."""
        streams = self.server.streams
        for partition in range(PARTITIONS):
            last = streams[LOG].newest(log(partition).encode())
            cursor = decode_record(last.body).cursor if last is not None else {}
            for source in (*RAILS, OPERATOR):
                newest = streams[ingress_stream(source)].newest(ingress(source, partition).encode())
                if newest is not None and cursor.get(RailName(source), (0, ""))[0] < newest.sequence:
                    return False
        return True

    def _is_done(self, rail: str) -> bool:
        site, ours = self.sites[rail], self.files[rail]
        if site.bridge is None or site.rail.waiting():
            return False
        is_idle = not any(ours.execute(_WAITING).fetchone())
        return is_idle and bool(site.bridge.log.cursor >= self.server.streams[LOG].last)


class BridgeDaemon(Daemon):
    """A bridge's process: a kill takes what its file had not committed."""

    def __init__(self, whole: Whole, rail: str, work: Callable[[Daemon], Awaitable[None]]) -> None:
        super().__init__(whole, f"bridge-{rail}", work)
        self._whole, self._rail = whole, rail

    def kill(self) -> None:
        super().kill()
        if self._rail in self._whole.papers:
            self._whole.papers[self._rail].kill()
        self._whole.sites[self._rail].bridge = None


def settled(empty: dict[str, sqlite3.Connection], folder: Path) -> Before:
    """People register, their accounts are linked, and everybody has a ghost where they have no account."""
    before = Before(empty, folder)
    whole = Whole(0, before)

    async def settle() -> None:
        conn = await connection(whole.network.client(whole.loop.main), "admin")
        await topology.ensure(conn, rails=RAILS, partitions=PARTITIONS)
        whole.start()
        for who, addresses in ADDRESSES.items():
            for rail, address in addresses.items():
                before.accounts[who, rail] = whole.sites[rail].rail.register(address, who.title()).id
        await _rest(whole)
        publisher = Publisher(conn)
        for who, addresses in ADDRESSES.items():
            handles = [Handle(f"{rail}:{address}") for rail, address in addresses.items()]
            for other in handles[1:]:
                event = Link(id=event_id(OPERATOR, "link", "", handles[0], other), handles=(handles[0], other))
                await publisher.publish(ingress(OPERATOR, PEOPLE_PARTITION), encode(event), event.id)
                await _rest(whole)
            for rail in set(RAILS) - set(addresses):
                bridge = whole.sites[rail].bridge
                person = await bridge.people.person(await bridge.people.whose(handles[0]))
                assert person is not None
                seat = Seat(person=person.id, name=person.name, handles=person.handles())
                context = whole.sites[rail].bridge_process.context
                before.accounts[who, rail] = await whole.loop.create_task(
                    bridge.accounts.find_node(seat), context=context
                )
        await asyncio.sleep(20)  # the routers write their snapshots
        await conn.close()

    whole.loop.run_until_complete(settle())
    before.server = whole.server
    for rail in RAILS:
        if whole.files[rail].in_transaction:
            whole.files[rail].execute("COMMIT")
        before.rails[rail], before.bridges[rail] = whole.sites[rail].rail.db, whole.files[rail]
    whole.close()
    return before


async def _rest(whole: Whole) -> None:
    await asyncio.sleep(1)
    while not whole.is_quiet():  # noqa: ASYNC110 - time jumps here
        await asyncio.sleep(0.2)
