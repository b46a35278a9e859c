"""The router daemon: which partitions are ours, and what runs for them.

Every third of a lease's time it sees who is there and which partitions are its share, lets go of what is another's, and
says in one write that it is there and what it holds, with those of its share that nobody else does. Each partition it
has runs as one task (`Lane`), fed by one intake a source. Leases only spread the work: that no two routers commit is
the fence's doing. Started by `trinario router run` and `up`.
"""

import asyncio
import gc
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from bus import dead, topology
from bus.commit import CommitUnknown, Fenced
from bus.config import ConfigurationError, Settings
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.health import HealthServer
from bus.keys import ensure_keys
from bus.kv import Bucket
from bus.leases import LeaseLost, Leases, assign
from bus.metrics import Sample
from bus.runtime import until_closed
from bus.spans import open_tracer
from bus.spans import samples as span_samples
from bus.subjects import DEAD, LOG, OPERATOR, RAILS, ingress_stream
from router.core.fanout import Plans
from router.dead import DeadLetters
from router.deadlines import Deadlines
from router.directory import Directory
from router.intake import Intake
from router.partition import Adrift, Lane, LogBehind, Shared
from router.people import People
from schemas.capabilities import Capabilities
from schemas.codec import decode_capabilities
from schemas.errors import NotUnderstood
from schemas.ids import RailName

_ROLE = "router"
_REFRESH_S = 2.0
_SNAPSHOT_S = 15.0
_LOOK_S = 10.0
_DRAIN_S = 5.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_AFTER_S = 0.1, 2.0, 10.0

_AWAY = (NotConnected, NoAnswer, NoResponder, ApiError)
"""The bus cannot do it now."""

_log = structlog.get_logger(__name__)


async def run(settings: Settings, *, ready: Callable[[dict[str, Any]], None]) -> None:
    """Route until cancelled, then drain. `ready` is told the health address once the bus is there.

    Raises `ConfigurationError`, `NotConnected`, `TopologyError`, `AddressTaken`, and `ConnectionClosed` when the bus is
    lost for good: whoever supervises starts it again.
    """
    quiet_collector()
    router = await build(settings)
    try:
        await router.run(ready)
    finally:
        await router.close()


def quiet_collector() -> None:
    """Have Python look for reference cycles less often.

    A batch makes thousands of values, none in a cycle; looking through them every 700 took a quarter of the time.
    """
    gc.set_threshold(50_000, 20, 20)


async def build(settings: Settings) -> "Router":
    """Connect, check that the bus is the one that is meant, and wire everything."""
    if settings.data is None or settings.nats.url is None:
        raise ConfigurationError(
            "The router needs `data` and `nats.url`. `trinario up` and `trinario router run` set both."
        )
    keys = ensure_keys(settings.data / "keys", [_ROLE])
    conn = await Connection.open(url=settings.nats.url, seed=keys[_ROLE].seed, name="router", role=_ROLE)
    try:
        await topology.check(conn, partitions=settings.router.partitions)
        return wire(settings, conn=conn, holder=_holder(settings.data))
    except BaseException:
        await conn.close()
        raise


def wire(settings: Settings, *, conn: Connection, holder: str) -> "Router":
    """A router on a connection, under this name among routers."""
    people = People(conn)
    shared = Shared(
        conn=conn,
        people=people,
        directory=Directory(conn, on_changed=people.drop),
        letters=DeadLetters(conn),
        plans=Plans(capabilities={}),
        sources=(*settings.rails, OPERATOR),
        partitions=settings.router.partitions,
        batch=settings.router.batch,
        record_bytes=settings.router.record_bytes,
        tracer=open_tracer(settings.tracing, service="trinario-router"),
    )
    leases = Leases(conn, holder=holder, ttl_s=settings.router.lease_s)
    return Router(shared=shared, leases=leases, port=settings.router.port)


def _holder(data: Path) -> str:
    """This installation's name among routers: kept, so that it gets the same share when it starts again."""
    path = data / "router.id"
    if not path.exists():
        path.write_text(f"router-{secrets.token_hex(6)}")
    return path.read_text().strip()


class Router:
    """All partitions that this process owns."""

    def __init__(self, *, shared: Shared, leases: Leases, port: int = 0) -> None:
        self._shared, self._leases = shared, leases
        self._lanes: dict[int, Lane] = {}
        self._owners: dict[int, asyncio.Task[None]] = {}
        self._leaving: set[int] = set()
        self._released = asyncio.Event()
        self._intakes = [
            Intake(shared.conn, source=source, lanes=self._lanes, partitions=shared.partitions, batch=shared.batch)
            for source in shared.sources
        ]
        self._deadlines = Deadlines(shared.conn)
        self._health = HealthServer(
            name="router", port=port, ready=lambda: bool(self._lanes), status=self.status, metrics=self.samples
        )

    def status(self) -> Mapping[str, Any]:
        """What `trinario status` shows. `partitions`: owned and taken over; `pending`: read and not committed."""
        oldest = [at_ms for lane in self._lanes.values() if (at_ms := lane.oldest_at_ms) is not None]
        return {
            "partitions": len(self._lanes),
            "pending": sum(lane.pending for lane in self._lanes.values()),
            "lag_ms": max(0, int(time.time() * 1000) - min(oldest)) if oldest else 0,
            "events": sum(lane.events for lane in self._lanes.values()),
            "epoch": max((lane.epoch for lane in self._lanes.values()), default=0),
            "routers": self._shared.counts.routers,
            "twin": self._leases.has_twin,
        }

    def samples(self) -> Iterator[Sample]:
        """The same numbers, and more, for Prometheus."""
        now = self.status()
        yield Sample("trinario_bus_connected", self._shared.conn.is_connected)
        yield Sample("trinario_router_partitions", now["partitions"])
        yield Sample("trinario_router_pending", now["pending"])
        yield Sample("trinario_router_lag_seconds", now["lag_ms"] / 1000)
        yield Sample("trinario_router_epoch", now["epoch"])
        yield from self._shared.counts.samples()
        yield from span_samples(self._shared.tracer)

    async def run(self, ready: Callable[[dict[str, Any]], None]) -> None:
        """Until cancelled, or the connection is closed for good."""
        await self._health.start()
        await self.work(lambda: ready({"name": "router", "url": self._health.url}))

    async def work(self, ready: Callable[[], None]) -> None:
        """`run` without its health port."""
        await self._shared.people.start()
        await self._refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(until_closed(self._shared.conn))
            group.create_task(self._deadlines.run())
            if self._shared.tracer is not None:
                group.create_task(self._shared.tracer.run())
            for intake in self._intakes:
                group.create_task(intake.run())
            group.create_task(self._every(_REFRESH_S, self._refresh))
            group.create_task(self._every(_SNAPSHOT_S, self._snapshot))
            group.create_task(self._every(_LOOK_S, self._look))
            group.create_task(self._keep_sharing(group))
            ready()

    async def close(self) -> None:
        """Close what is open; a lease that could not be given up runs out."""
        await self._health.stop()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await self._leases.leave()
        except (TimeoutError, *_AWAY):
            _log.debug("router.left_silently")
        await self._deadlines.close()
        await self._shared.letters.close()
        await self._shared.people.close()
        await self._shared.conn.close()

    async def _every(self, pause_s: float, step: Callable[[], Any]) -> None:
        """Do it again and again. The bus being away is no reason to stop: it comes back."""
        while True:
            try:
                await step()
            except _AWAY as error:
                _log.warning("router.bus_away", reason=str(error))
            await asyncio.sleep(pause_s)

    async def _refresh(self) -> None:
        """Notice changes of people and of rails' capabilities that were not heard of."""
        await self._shared.people.refresh()
        rails = [source for source in self._shared.sources if source != OPERATOR]
        found = await Bucket(self._shared.conn, RAILS).get_many(rails)
        capabilities: dict[RailName, Capabilities] = {}
        for rail, entry in found.items():
            try:
                capabilities[RailName(rail)] = decode_capabilities(entry.value)
            except NotUnderstood:
                _log.error("capabilities.not_understood", rail=rail)
        if capabilities != self._shared.plans.capabilities:
            self._shared.plans = Plans(capabilities=capabilities)

    async def _look(self) -> None:
        """How full the streams are and what is dead; for the metrics, which no hot path pays for."""
        counts, conn = self._shared.counts, self._shared.conn
        none = {(stage, source): 0 for stage in ("intake", "router", "outlet") for source in self._shared.sources}
        counts.dead = {**none, **await dead.counts(conn)}
        names = [LOG, DEAD, *(ingress_stream(source) for source in self._shared.sources)]
        counts.streams = {name: await topology.filling(conn, name) for name in names}

    async def _snapshot(self) -> None:
        for lane in list(self._lanes.values()):
            await lane.states.flush()

    async def _keep_sharing(self, group: asyncio.TaskGroup) -> None:
        """A round every third of the lease's time; sooner when something was let go of, since others wait for it."""
        while True:
            self._released.clear()
            try:
                await self._share(group)
            except _AWAY as error:
                _log.warning("router.bus_away", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(self._leases.ttl_s / 3):
                    await self._released.wait()

    async def _share(self, group: asyncio.TaskGroup) -> None:
        """One round: let go of what is another's share, renew the lease, and begin with what of ours nobody holds.

        Who is new only says so at first, and looks again: others may be starting at the same time.
        """
        held = await self._leases.holders()
        members = {*held, self._leases.holder}
        self._shared.counts.routers = len(members)
        share = set(assign(members, self._shared.partitions)[self._leases.holder])
        for partition in set(self._owners) - share:
            self._let_go(partition)
        others = {one for holder, partitions in held.items() if holder != self._leases.holder for one in partitions}
        is_known = self._leases.holder in held
        new = share - others - set(self._owners) if is_known else set()
        try:
            await self._leases.hold({*self._owners, *new})
        except LeaseLost as error:
            if self._owners:
                _log.warning("lease.lost", reason=str(error), partitions=sorted(self._owners))
            for partition in list(self._owners):
                self._let_go(partition)
            return
        if not is_known:
            self._released.set()
        for partition in new:
            self._owners[partition] = group.create_task(self._own(partition))

    def _let_go(self, partition: int) -> None:
        """Once: a second cancellation would break off what it still has to write."""
        if partition in self._owners and partition not in self._leaving:
            self._leaving.add(partition)
            self._owners[partition].cancel()

    async def _own(self, partition: int) -> None:
        """Run a partition, taking it over anew whenever it ends, until cancelled; then let go of it in order."""
        pause_s = _FIRST_PAUSE_S
        clock_s = asyncio.get_running_loop().time
        try:
            while True:
                began_s = clock_s()
                await self._own_once(partition)
                pause_s = _FIRST_PAUSE_S if clock_s() - began_s > _STEADY_AFTER_S else pause_s * 2
                await asyncio.sleep(min(pause_s, _LONGEST_PAUSE_S))
                await self._shared.conn.wait_connected(within_s=3600)
        finally:
            self._owners.pop(partition)
            self._leaving.discard(partition)
            self._released.set()

    async def _own_once(self, partition: int) -> None:
        try:
            lane = await Lane.take_over(self._shared, partition)
            self._lanes[partition] = lane
            self._tell_intakes()
            _log.info("partition.taken_over", partition=partition, epoch=lane.epoch, sequence=lane.states.folded)
            await lane.run()
        except (Fenced, CommitUnknown, Adrift, LogBehind, *_AWAY) as error:
            self._shared.counts.let_go[type(error).__name__] += 1
            _log.warning("partition.let_go", partition=partition, reason=str(error))
        except Exception:  # noqa: BLE001 - one partition's trouble must not stop the others; it is logged, and tried again
            _log.exception("partition.failed", partition=partition)
        finally:
            if partition in self._lanes:
                lane = self._lanes.pop(partition)
                self._tell_intakes()
                await self._flush(lane)

    async def _flush(self, lane: Lane) -> None:
        """Save the next owner some folding; what is not written, it folds."""
        try:
            async with asyncio.timeout(_DRAIN_S):
                await lane.states.flush()
        except (TimeoutError, *_AWAY):
            _log.warning("snapshot.left_out", partition=lane.partition)

    def _tell_intakes(self) -> None:
        for intake in self._intakes:
            intake.lanes_changed()
