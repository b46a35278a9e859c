"""One rail's bridge: wired, started, kept going. Called by `trinario bridge run` and `trinario up`.

It starts whether or not the bus and the rail are there: the port answers at once (webhooks with 503 until the bus is
there), and the rest follows as it can. Killed at any point, it goes on from its SQLite file.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from sqlite3 import Connection as Transaction
from typing import Any

import aiohttp
import structlog

from bridges.kit import crossings, idmap, quotes, reports, targets
from bridges.kit.accounts import Accounts
from bridges.kit.adoption import Adopter
from bridges.kit.contract import Translator
from bridges.kit.counts import Counts
from bridges.kit.files import Files
from bridges.kit.groups import Natives
from bridges.kit.hold import Hold
from bridges.kit.intake import Intake
from bridges.kit.live import Live
from bridges.kit.logreader import LogReader
from bridges.kit.media_links import MediaLinks
from bridges.kit.orders import OrderTeller
from bridges.kit.outbox import AWAY, Outbox
from bridges.kit.outlet import Outlet
from bridges.kit.people import People
from bridges.kit.presence import Attendance
from bridges.kit.rail import RailClient
from bridges.kit.redrive import Redriver
from bridges.kit.resolve import Resolver
from bridges.kit.routes import Routes
from bridges.kit.state import STATES, Standing, standing
from bridges.kit.steps import Foreseen
from bridges.kit.subscribing import Subscriber
from bridges.kit.uploads import Uploader
from bus import topology
from bus.config import BridgeSettings, ConfigurationError, RailSettings, Settings
from bus.connection import ApiError, Connection
from bus.health import HealthServer
from bus.keys import bridge_role, ensure_keys
from bus.kv import Bucket
from bus.media import MediaStore
from bus.metrics import Sample
from bus.publish import Publisher
from bus.runtime import until_closed
from bus.spans import Tracer, open_tracer
from bus.spans import samples as span_samples
from bus.sqlite import Store
from bus.subjects import RAILS
from schemas.codec import encode
from schemas.ids import RailName

_log = structlog.get_logger(__name__)

CONTENTS = (Path(__file__).parent / "contents.sql").read_text()
GROUPS = (Path(__file__).parent / "groups.sql").read_text()
SCHEMA = (Path(__file__).parent / "schema.sql").read_text() + CONTENTS + quotes.ABSENT + GROUPS + crossings.TABLE
SCHEMA_VERSION = 6
MIGRATIONS = {2: CONTENTS, 3: idmap.GIVE_RECEIPTS_TIME, 4: quotes.ABSENT, 5: GROUPS, 6: crossings.TABLE}
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
READY_WITHIN_S = 20.0
CALL_WITHIN_S = 30.0

Ready = Callable[[dict[str, Any]], None]


def wall_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Bridge:
    """The parts of a running bridge, and how it is doing."""

    def __init__(
        self,
        *,
        translator: Translator,
        conn: Connection,
        store: Store,
        client: RailClient,
        partner_secret: str,
        partitions: int,
        ours: BridgeSettings,
        public_url: str,
        folder: Path,
        tracer: Tracer | None,
        now_ms: Callable[[], int] = wall_ms,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        rail = translator.rail
        self.rail, self._translator, self._conn, self._store, self._client = rail, translator, conn, store, client
        self.counts = Counts()
        self._tracer = tracer
        self.people = People(conn=conn)
        self.accounts = Accounts(translator=translator, store=store, client=client, people=self.people)
        self.publisher = Publisher(conn)
        self.outbox = Outbox(rail=rail, partitions=partitions, store=store, conn=conn, publisher=self.publisher)
        self.results = reports.ResultsCourier(rail=rail, store=store, outbox=self.outbox)
        self.orders = OrderTeller(translator=translator, client=client, store=store)
        self.adopter = Adopter(translator=translator, client=client, store=store, accounts_=self.accounts)
        self.groups = Natives()
        media = MediaStore(conn, writer=rail)
        self.links = MediaLinks(
            store=media, secret=partner_secret, base_url=public_url, keep_s=ours.link_keep_s, now_ms=now_ms
        )
        files = Files(store=media, client=client, translator=translator, folder=folder, max_bytes=ours.media_max_bytes)
        self.outlet = Outlet(
            translator=translator,
            client=client,
            store=store,
            outbox=self.outbox,
            accounts=self.accounts,
            results=self.results,
            orders=self.orders,
            partitions=partitions,
            now_ms=now_ms,
            deadline_s=ours.deadline_s,
            link_for=self.links.link_for,
            uploader=Uploader(translator=translator, client=client, store=store, media=media, now_ms=now_ms),
            quotes=quotes.Quotes(conn),
            groups=self.groups,
            counts=self.counts,
            tracer=tracer,
        )
        self.subscriber = Subscriber(
            translator=translator, client=client, store=store, outbox=self.outbox, outlet=self.outlet
        )
        self.log = LogReader(
            capabilities=translator.capabilities,
            conn=conn,
            store=store,
            outbox=self.outbox,
            people=self.people,
            is_idle=self.outlet.is_idle,
            foresee=self.outlet.foresee,
            on_taken=self._on_taken,
            on_adoptions=self.adopter.wake,
            now_ms=now_ms,
        )
        self.attendance = Attendance(
            translator=translator,
            conn=conn,
            store=store,
            client=client,
            accounts_=self.accounts,
            people=self.people,
            partitions=partitions,
            clock_s=clock_s,
            now_ms=now_ms,
        )
        self.live = Live(
            translator=translator,
            conn=conn,
            store=store,
            client=client,
            accounts_=self.accounts,
            people=self.people,
            partitions=partitions,
            clock_s=clock_s,
            attendance=self.attendance,
        )
        self.hold = Hold(rail=rail, conn=conn, clock_s=clock_s)
        self.intake = Intake(
            translator=translator,
            secrets=(partner_secret,),
            verify_token=self.subscriber.verify_token,
            partitions=partitions,
            store=store,
            outbox=self.outbox,
            accounts_=self.accounts,
            groups_=self.groups,
            results=self.results,
            files=files,
            hold=self.hold,
            live=self.live,
            now_ms=now_ms,
            counts=self.counts,
            tracer=tracer,
        )
        self.resolver = Resolver(rail=rail, secrets=(partner_secret,), accounts=self.accounts, people=self.people)
        self.redriver = Redriver(
            rail=rail,
            conn=conn,
            store=store,
            outbox=self.outbox,
            intake=self.intake,
            people=self.people,
            on_leg=self.outlet.leg_put_back,
            now_ms=now_ms,
            clock_s=clock_s,
        )
        self.dead, self.unmatched = 0, 0
        self._now_ms = now_ms

    def _on_taken(self, ranks: Mapping[str, int], legs: Sequence[Foreseen]) -> None:
        self.orders.add(ranks)  # first: legs may rest on them
        self.outlet.legs_added(legs)

    def standing(self) -> Standing:
        """The bridge's state, and why it is in it."""
        return standing(
            has_subscribed=self.subscriber.has_subscribed.is_set(),
            bus_is_there=self._conn.is_connected,
            trouble=self.outlet.trouble,
            put_off_since_ms=self.outlet.put_off_since_ms,
            unsigned_at_ms=self.counts.unsigned_at_ms,
            taken_at_ms=self.counts.taken_at_ms,
            now_ms=self._now_ms(),
        )

    def status(self) -> dict[str, Any]:
        """What ``/status`` shows."""
        now = self.standing()
        return {
            "rail": self.rail,
            "state": now.state,
            "why": now.why,
            "pending": self.outlet.pending + self.outbox.pending,
            "legs": self.outlet.pending,
            "outbox": self.outbox.pending,
            "lag_ms": self.outlet.lag_ms(),
            "dead": self.dead,
            "unmatched": self.unmatched,
            "log_cursor": self.log.cursor,
        }

    def samples(self) -> Iterator[Sample]:
        """What ``/metrics`` shows."""
        rail, now = self.rail, self.standing()
        yield Sample("trinario_bus_connected", self._conn.is_connected)
        for state in STATES:
            yield Sample("trinario_bridge_state", state == now.state, (rail, state))
        yield Sample("trinario_bridge_legs_pending", self.outlet.pending, (rail,))
        yield Sample("trinario_bridge_outbox_pending", self.outbox.pending, (rail,))
        yield Sample("trinario_bridge_lag_seconds", self.outlet.lag_ms() / 1000, (rail,))
        yield Sample("trinario_bridge_log_sequence", self.log.cursor, (rail,))
        yield Sample("trinario_bridge_dead", self.dead, (rail,))
        yield Sample("trinario_bridge_dropped", self.unmatched, (rail, "unmatched"))
        yield Sample("trinario_bridge_redriven", self.redriver.count, (rail,))
        yield from self.counts.samples(rail)
        yield from span_samples(self._tracer)

    async def run(self, *, callback: str) -> None:
        """Until cancelled, or until something breaks that only a new start repairs."""
        await self._store.write(self.groups.load)
        await self.outlet.count()
        listening = [await self.redriver.listen(), await self.hold.listen()]
        try:
            await self._run_parts(callback)
        finally:
            for one in listening:
                await one.close()

    async def _run_parts(self, callback: str) -> None:
        async with asyncio.TaskGroup() as tasks:
            for part in (
                self.people.watch(),
                self.outbox.run(),
                self.results.run(),
                self.orders.run(),
                self.adopter.run(),
                self.outlet.run(),
                self.intake.arrivals.run(),
                self.log.run(),
                self.subscriber.run(callback),
                self.live.run(),
                self.attendance.run(),
                self._tell_capabilities(),
                self._count(),
                until_closed(self._conn),
                self._store.failure(),
                *([self._tracer.run()] if self._tracer is not None else []),
            ):
                tasks.create_task(part)

    # --- the bus ---

    async def _tell_capabilities(self) -> None:
        """Once the bus takes it; the router does without until then."""
        while True:
            try:
                await Bucket(self._conn, RAILS).put(self.rail, encode(self._translator.capabilities))
            except (ApiError, *AWAY) as error:
                _log.warning("capabilities.not_told", rail=self.rail, reason=str(error))
                await asyncio.sleep(LONGEST_PAUSE_S)
            else:
                return

    async def _count(self) -> None:
        """What was given up, and what was about messages that we do not know."""
        while True:
            self.dead, self.unmatched = await self._store.write(self._look, durable=False)
            await asyncio.sleep(1)

    def _look(self, tx: Transaction) -> tuple[int, int]:
        targets.give_up(tx, self.rail, self._now_ms())
        targets.count(tx, idmap.forget_receipts(tx, self._now_ms()))
        return idmap.get_state(tx, "dead"), idmap.get_state(tx, "unmatched")


async def run(settings: Settings, *, translator: Translator, ready: Ready) -> None:
    """Run a rail's bridge until cancelled. `ready` is called with ``{"name", "rail", "url"}`` once it serves.

    Raises `ConfigurationError`, `AddressTaken`, `StoreError`, `TopologyError`.
    """
    rail = translator.rail
    theirs, ours = _rail_settings(settings, rail)
    routes, running = Routes(), list[Bridge]()
    async with AsyncExitStack() as stack:
        health = _health(rail, ours, routes, running)
        await health.start()
        stack.push_async_callback(health.stop)
        conn = await _connect(settings, rail)
        stack.push_async_callback(conn.close)
        await topology.check(conn, partitions=settings.router.partitions)
        callback = ours.url or health.url
        bridge = await _build(
            stack, settings, theirs, ours, translator=translator, conn=conn, public_url=ours.public_url or callback
        )
        routes.use(
            webhook=bridge.intake.webhook,
            handshake=bridge.intake.handshake,
            resolve=bridge.resolver.resolve,
            media=bridge.links.serve,
        )
        running.append(bridge)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(bridge.run(callback=callback))
                await _soon(bridge.subscriber.has_subscribed)
                _log.info("bridge.started", rail=rail, state=bridge.standing().state)
                ready({"name": f"bridge-{rail}", "rail": rail, "url": health.url})
        finally:
            # Nobody new comes in, who is in is told 503, and only then is what they stand on taken away.
            routes.use()
            await health.stop()


async def _build(
    stack: AsyncExitStack,
    settings: Settings,
    theirs: RailSettings,
    ours: BridgeSettings,
    *,
    translator: Translator,
    conn: Connection,
    public_url: str,
) -> Bridge:
    folder = _data(settings) / "bridges"
    path = folder / f"{translator.rail}.db"
    store = await Store.open(path, schema_sql=SCHEMA, version=SCHEMA_VERSION, migrations=MIGRATIONS)
    stack.push_async_callback(store.close)
    timeout = aiohttp.ClientTimeout(total=CALL_WITHIN_S, connect=5)
    session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
    return Bridge(
        translator=translator,
        conn=conn,
        store=store,
        client=RailClient(session=session, url=theirs.url or "", token=theirs.partner_token or ""),
        partner_secret=theirs.partner_secret or "",
        partitions=settings.router.partitions,
        ours=ours,
        public_url=public_url,
        folder=folder / f"{translator.rail}-files",
        tracer=open_tracer(settings.tracing, service=f"trinario-bridge-{translator.rail}"),
    )


def _health(rail: RailName, ours: BridgeSettings, routes: Routes, running: list[Bridge]) -> HealthServer:
    def status() -> dict[str, Any]:
        return running[0].status() if running else _starting(rail)

    return HealthServer(
        name=f"bridge-{rail}",
        port=ours.port,
        ready=lambda: bool(running) and running[0].standing().is_ready,
        status=status,
        metrics=lambda: running[0].samples() if running else (),
        routes=routes.all(),
    )


async def _soon(event: asyncio.Event) -> None:
    """Wait for the rail, but not for ever: a bridge whose rail is away is up all the same."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await event.wait()
    except TimeoutError:
        return


async def _connect(settings: Settings, rail: RailName) -> Connection:
    url = settings.nats.url
    if url is None:
        raise ConfigurationError("nats.url is not set. Name the bus, or start everything with `trinario up`.")
    role = bridge_role(rail)
    key = ensure_keys(_data(settings) / "keys", [role])[role]
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await Connection.open(url=url, seed=key.seed, name=role, role=role)
        except AWAY as error:
            _log.warning("bus.unreachable", rail=rail, reason=str(error))
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _data(settings: Settings) -> Path:
    if settings.data is None:
        raise ConfigurationError("data is not set. Name the data folder (`--data`, TRINARIO_DATA).")
    return settings.data


def _rail_settings(settings: Settings, rail: RailName) -> tuple[RailSettings, BridgeSettings]:
    found, ours = settings.rails.get(rail), settings.bridges.get(rail)
    if found is None or ours is None:
        raise ConfigurationError(f"rails.{rail} and bridges.{rail} are not set. Name the rail's url and credentials.")
    for name in ("url", "partner_token", "partner_secret"):
        if not getattr(found, name):
            raise ConfigurationError(f"rails.{rail}.{name} is not set. The rail's operator knows it.")
    return found, ours


def _starting(rail: RailName) -> dict[str, Any]:
    return {"rail": rail, "state": "starting", "why": "bus_away", "pending": 0, "lag_ms": 0, "dead": 0}
