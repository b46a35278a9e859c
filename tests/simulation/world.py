"""The bus's world: two real routers, the in-memory backbone, and an end for each rail, on one virtual clock.

Real are the router daemon (leases, intakes, lanes, decider, commits, snapshots, directory, deadlines) and everything of
`bus/` above nats-py. Each runs as a process of the loop: it can be stopped at any await and go on (a zombie), be killed
there and started again, lose its connection, or an answer. Called by `runs`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, cast

from bridges.catalogue import discover
from bus import topology
from bus.config import RailSettings, RouterSettings, Settings
from bus.connection import Connection
from bus.kv import Bucket
from bus.publish import Publisher
from bus.subjects import LOG, OPERATOR, ingress_stream
from bus.subjects import RAILS as CAPABILITIES
from router.daemon import Router, wire
from schemas.codec import encode
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.ends import AWAY, Disk, End, Written
from tests.simulation.people import PARTITIONS, RAILS, conversation, introductions, read, written
from tests.simulation.server import Server
from tests.simulation.wire import Network, SimClient

ROUTERS = ("router-a", "router-c")
SETTINGS = Settings(
    rails={rail: RailSettings() for rail in RAILS}, router=RouterSettings(partitions=PARTITIONS, batch=4)
)
_AGAIN_S = 0.5
_ALL_SOURCES = (*RAILS, OPERATOR)


class Daemon:
    """A process that is started again when it ends, as `trinario up` does."""

    def __init__(self, world: "Stage", name: str, work: Callable[["Daemon"], Awaitable[None]]) -> None:
        self.world, self.name, self._work = world, name, work
        self.process: Process | None = None
        self.client: SimClient | None = None
        self.deaths = 0

    def start(self) -> None:
        self.process = Process(self.name)
        self.world.processes.append(self.process)
        self.world.loop.create_task(self._supervise(), context=self.process.context)

    async def _supervise(self) -> None:
        while True:
            try:
                await self._work(self)
            except* AWAY:
                self.deaths += 1
            await asyncio.sleep(_AGAIN_S)

    async def connect(self) -> Connection:
        """A connection of its own."""
        assert self.process is not None
        self.client = self.world.network.client(self.process)
        return await connection(self.client, self.name)

    def kill(self) -> None:
        """Nothing of it runs any more, and its connection is gone."""
        assert self.process is not None
        self.process.is_dead = True
        self.world.loop.stop_process(self.process)
        self.cut(0.0)

    def stop(self) -> None:
        """SIGSTOP."""
        assert self.process is not None
        self.world.loop.stop_process(self.process)

    def go_on(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.world.loop.resume_process(self.process)

    def cut(self, noticed_after_s: float) -> None:
        """Its connection breaks."""
        if self.client is not None and self.client.link is not None:
            self.client.link.cut(noticed_after_s=noticed_after_s)

    def swallow(self, lines: int) -> None:
        """The next lines to it are lost, and nothing else."""
        if self.client is not None and self.client.link is not None:
            self.client.link.swallows += lines


async def connection(client: SimClient, name: str) -> Connection:
    """The product's connection over a client in memory."""
    return await Connection.open(url="", seed="", name=name, role=name, client=cast("Any", client))


class Stage:
    """What every world stands on: a loop, a server, the network, and daemons. `before`: stores it begins with."""

    def __init__(self, seed: int, settings: Settings, before: Server | None) -> None:
        self.loop, self.settings = VirtualLoop(seed), settings
        self.processes: list[Process] = []
        """Every one that ever was."""
        self.server = Server(self.loop, random.Random(seed + 1))
        self.network = Network(self.loop, self.server, random.Random(seed + 2))
        if before is not None:
            self.server.clock_ns = before.now_ns() + 60 * 1_000_000_000
            self.server.copy_from(before)
        self.routers: list[Router] = []
        """Every one that ever was."""
        self.daemons = {name: Daemon(self, name, route) for name in ROUTERS}

    def close(self) -> None:
        """End everything, in order, so that nothing is left to the garbage collector."""
        loop = self.loop
        for client in self.network.clients:
            client.is_closed = True
        for process in self.processes:
            process.is_dead = False
            loop.resume_process(process)
        for _ in range(20):
            left = [task for task in asyncio.all_tasks(loop) if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=1))
        loop.close()


class World(Stage):
    """The bus and both its ends."""

    def __init__(self, seed: int, before: Server | None = None) -> None:
        super().__init__(seed, SETTINGS, before)
        self.written: list[Written] = []
        self._counts = dict.fromkeys(("alice", "bob", "carla"), 0)
        self.expected = self.ingested()
        log_end = self.server.streams[LOG].last if before is not None else 0
        self.disks = {rail: Disk(log_end) for rail in RAILS}
        self.ends: dict[str, End] = {}
        for rail in RAILS:
            self.daemons[f"bridge-{rail}"] = Daemon(self, f"bridge-{rail}", self._end_of(rail))

    def _end_of(self, rail: str) -> Callable[[Daemon], Awaitable[None]]:
        async def work(daemon: Daemon) -> None:
            conn = await daemon.connect()
            self.ends[rail] = End(rail, self.disks[rail], conn)
            try:
                await self.ends[rail].run()
            finally:
                await conn.close()

        return work

    def ingested(self) -> int:
        """Events on the bus, of all sources."""
        return sum(self.server.streams[ingress_stream(source)].last for source in _ALL_SOURCES if self.server.streams)

    # --- people ---

    def write(self, who: str, rail: str, whom: str) -> None:
        """Into the app: the rail has it, and its end is told as soon as it runs."""
        self._counts[who] += 1
        text = f"{who}-{self._counts[who]}"
        item = written(who, rail, whom, text)
        self.written.append(Written(who=who, rail=rail, whom=whom, text=text, event_id=item[2], at_s=self.loop.time()))
        self._put(rail, item)

    def read(self, who: str, rail: str, whom: str) -> None:
        """Somebody looks at all that is shown to them."""
        lines = self.disks[rail].lines[conversation(who, whom)]
        if lines:
            self._put(rail, read(who, rail, whom, lines[-1][2]))

    def _put(self, rail: str, item: tuple[str, bytes, str]) -> None:
        disk = self.disks[rail]
        if item[2] in disk.accepted or item in disk.outbox:
            return  # a second look at the same lines
        disk.outbox.append(item)
        if rail in self.ends:
            self.ends[rail].wake()

    # --- the run ---

    def start(self) -> None:
        for daemon in self.daemons.values():
            daemon.start()

    def is_quiet(self) -> bool:
        """Whether everything that was put in is in the log, and everybody has read it."""
        if any(disk.outbox for disk in self.disks.values()):
            return False
        awaited = self.ingested() - self.expected
        return all(disk.entries >= awaited for disk in self.disks.values())


async def route(daemon: Daemon) -> None:
    """A router, as its daemon runs it."""
    router = wire(daemon.world.settings, conn=await daemon.connect(), holder=daemon.name)
    daemon.world.routers.append(router)
    try:
        await router.work(lambda: None)
    finally:
        await router.close()


def template() -> Server:
    """A server on which everybody is known and nothing has been said."""
    world = World(0)

    async def settle() -> None:
        conn = await connection(world.network.client(world.loop.main), "admin")
        await topology.ensure(conn, rails=RAILS, partitions=PARTITIONS)
        for rail, translator in discover().items():
            await Bucket(conn, CAPABILITIES).put(rail, encode(translator.capabilities))
        world.start()
        publisher = Publisher(conn)
        for number, (_, item) in enumerate(introductions(), 1):
            await publisher.publish(*item)
            while world.disks[RAILS[0]].entries < number:  # noqa: ASYNC110 - time jumps here
                await asyncio.sleep(0.1)
        await asyncio.sleep(20)  # the routers write their snapshots
        await conn.close()

    world.loop.run_until_complete(settle())
    world.close()
    return world.server
