"""A rail as a server: everything wired, one HTTP port, its own SQLite.

`RailServer` is the way in for whoever runs a rail; ``python -m rails`` runs one alone.
"""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import structlog
from aiohttp import web

from rails.kit import bodies, media, messages
from rails.kit.acts import Acts
from rails.kit.addressing import Addressing
from rails.kit.answers import refusal as client_refusal
from rails.kit.client_api import ClientApi
from rails.kit.content_api import ContentApi
from rails.kit.expiring import Expiring
from rails.kit.faults import FaultPlan, Faults
from rails.kit.fetching import Fetcher
from rails.kit.files import Files
from rails.kit.graph import GraphApi
from rails.kit.groups_api import GroupsApi
from rails.kit.hub import Hub
from rails.kit.links import MediaLinks
from rails.kit.media_api import MediaApi
from rails.kit.metrics import Metrics
from rails.kit.model import Refused, Why
from rails.kit.openapi import document
from rails.kit.outbox import ascii_json
from rails.kit.presence_api import PresenceApi
from rails.kit.rail import Rail
from rails.kit.store import Store, Tx
from rails.kit.subscriptions import Subscriptions
from rails.kit.timers_api import TimersApi
from rails.kit.webhooks import Webhooks
from rails.kit.websocket import WebSockets

log = structlog.get_logger(__name__)

CLEANING_EVERY_MIN = 60
SWEEPING_EVERY_S = 60.0
STOP_WITHIN_S = 5.0


class RailSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rail keeps its data and listens (port 0: a free one), and its one federation partner's credentials.

    `public_url`: how others reach it, if not at `host` and `port`. `allow_private_links`: files by link are fetched
    from private addresses, too.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    partner_token: str
    partner_secret: str
    public_url: str | None = None
    allow_private_links: bool = False


class RailServer:
    """One rail, running between `start` and `stop`. `url` is known after `start`."""

    def __init__(self, *, rail: Rail, settings: RailSettings) -> None:
        if not settings.partner_token or not settings.partner_secret:
            raise ValueError("partner_token and partner_secret: expected texts that are not empty")
        self.rail = rail
        self.url = ""
        self._settings = settings
        self._tasks: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Open the store and listen. Raises `StoreDamaged`, or `OSError` when the port is taken."""
        self._stopping.clear()
        self._ready = asyncio.get_running_loop().create_future()
        self._tasks = asyncio.create_task(self._run(self._ready), name=f"rail-{self.rail.name}")
        await asyncio.wait({self._tasks, self._ready}, return_when=asyncio.FIRST_COMPLETED)
        if self._tasks.done():
            tasks, self._tasks = self._tasks, None
            try:
                await tasks
            except* OSError as errors:  # a port that is taken is said plainly, not as a group
                raise errors.exceptions[0] from None

    async def wait(self) -> None:
        """Until the rail has stopped; raises what ended it, if it was not `stop`."""
        if self._tasks is not None:
            await asyncio.shield(self._tasks)

    async def stop(self) -> None:
        """Take no more, finish what was taken, close the store. Harmless when not running."""
        if self._tasks is None:
            return
        self._stopping.set()
        tasks, self._tasks = self._tasks, None
        await tasks

    async def _run(self, ready: "asyncio.Future[None]") -> None:
        settings = self._settings
        built: list[Webhooks] = []
        hub = Hub()

        def on_commit(tx: Tx) -> None:
            for account_id, event in tx.pushes:
                hub.push(account_id, event)
            for target in tx.wakes:
                built[0].wake(target)
            if tx.updates:
                built[0].partner.offer(tx.updates)

        store = Store(path=settings.data_dir / f"{self.rail.name}.sqlite3", on_commit=on_commit)
        try:
            await store.open()
            await self._serve(store, hub, built, ready)
        finally:
            await store.shut()
        log.info("rail.stopped", rail=self.rail.name)

    async def _serve(self, store: Store, hub: Hub, built: list[Webhooks], ready: "asyncio.Future[None]") -> None:
        settings = self._settings
        async with asyncio.TaskGroup() as tasks, aiohttp.ClientSession() as http:
            writing = tasks.create_task(store.run())
            files = Files(folder=settings.data_dir / "media", store=store)
            files.open()
            app, webhooks, expiring = build(
                rail=self.rail, settings=settings, store=store, hub=hub, http=http, origin=lambda: self.url, files=files
            )
            built.append(webhooks)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_WITHIN_S)
            await runner.setup()
            try:
                site = web.TCPSite(runner, settings.host, settings.port)
                await site.start()
                self.url = settings.public_url or _own_url(site, settings)
                background = [tasks.create_task(one) for one in (webhooks.run(), _clean(store, files), expiring.run())]
                log.info("rail.started", rail=self.rail.name, url=self.url)
                ready.set_result(None)
                await self._stopping.wait()
                for task in background:
                    task.cancel()
            finally:
                hub.close()
                await runner.cleanup()
                await store.close()
            await writing


def _own_url(site: web.TCPSite, settings: RailSettings) -> str:
    server = site._server  # noqa: SLF001 - the one way to learn which free port was taken
    port = server.sockets[0].getsockname()[1] if isinstance(server, asyncio.Server) else settings.port
    return f"http://{settings.host}:{port}"


async def _clean(store: Store, files: Files) -> None:
    """Now and then: old keys and uploads go. Every minute: files that nobody needs any more."""

    def forget(tx: Tx) -> None:
        messages.forget_old_keys(tx, _now_ms())
        media.forget_old_uploads(tx, _now_ms())

    for minute in itertools.count():
        try:
            if minute % CLEANING_EVERY_MIN == 0:
                await store.write(forget)
            if await store.read(lambda tx: media.has_due(tx, now_ms=_now_ms())):
                await files.sweep(now_ms=_now_ms())
        except Refused as no:  # the disk is full or slow: the next minute will do
            log.warning("cleaning.put_off", rail_error=no.text)
        await asyncio.sleep(SWEEPING_EVERY_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def build(
    *,
    rail: Rail,
    settings: RailSettings,
    store: Store,
    hub: Hub,
    http: aiohttp.ClientSession,
    origin: Callable[[], str],
    files: Files,
) -> tuple[web.Application, Webhooks, Expiring]:
    """The rail's HTTP application on an open store, and what is to be run: its couriers, and the end of messages.

    `origin`: its own address.
    """
    links = MediaLinks(secret=settings.partner_secret, origin=origin, now_ms=_now_ms)
    acts = Acts(rail=rail, is_listening=hub.is_listening, now_ms=_now_ms, links=links)
    faults = Faults()
    metrics = Metrics(rail=rail.name)
    secret = settings.partner_secret
    webhooks = Webhooks(store=store, acts=acts, http=http, faults=faults, metrics=metrics, partner_secret=secret)
    graph = GraphApi(
        store=store,
        acts=acts,
        subscriptions=Subscriptions(store=store, acts=acts, webhooks=webhooks, http=http),
        faults=faults,
        metrics=metrics,
        partner_token=settings.partner_token,
        partner_secret=secret,
        files=files,
        fetcher=Fetcher(files=files, allow_private=settings.allow_private_links),
    )
    addressing = Addressing(store=store, rail=rail, http=http, partner_secret=secret)
    client = ClientApi(store=store, acts=acts, addressing=addressing, metrics=metrics)
    groups = GroupsApi(store=store, acts=acts, addressing=addressing, metrics=metrics)
    media_api = MediaApi(store=store, acts=acts, files=files, metrics=metrics, partner_token=settings.partner_token)
    content = ContentApi(store=store, acts=acts, metrics=metrics)
    timers = TimersApi(store=store, acts=acts, addressing=addressing, metrics=metrics)
    sockets = WebSockets(store=store, acts=acts, hub=hub)
    operator = _Operator(store=store, hub=hub, faults=faults, metrics=metrics, token=settings.partner_token)
    described = ascii_json(document(rail)).encode("ascii")

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    app = web.Application(client_max_size=bodies.BATCH_BYTES, middlewares=[_no_500])
    app.add_routes(client.routes())
    app.add_routes(groups.routes())
    app.add_routes(content.routes())
    app.add_routes(timers.routes())
    app.add_routes(PresenceApi(store=store, acts=acts, metrics=metrics).routes())
    app.add_routes(media_api.routes())
    app.add_routes(operator.routes())
    app.router.add_get("/client/v1/ws", sockets.handle)
    app.router.add_get("/client/openapi.json", openapi)
    app.router.add_route("*", r"/v{version:\d{1,3}\.\d{1,3}}{tail:(/.*)?}", graph.handle)
    # As on the platforms, a path may leave the version out; published clients do.
    app.router.add_route("*", r"/{tail:(?!client/|federation/).*}", graph.handle)
    return app, webhooks, Expiring(store=store, acts=acts)


@web.middleware
async def _no_500(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Text that no encoding can carry is the client's mistake, wherever it surfaces."""
    try:
        return await handler(request)
    except (UnicodeError, OverflowError) as error:
        return client_refusal(Refused(Why.BAD_REQUEST, f"A value cannot be stored: {error}"))


class _Operator:
    """Health, metrics, and the switch for faults."""

    def __init__(self, *, store: Store, hub: Hub, faults: Faults, metrics: Metrics, token: str) -> None:
        self._store = store
        self._hub = hub
        self._faults = faults
        self._metrics = metrics
        self._token = token

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._show_metrics),
            web.route("*", "/federation/faults", self._set_faults),
        ]

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(2):
                await self._store.read(lambda tx: tx.one("SELECT 1"))
        except (Refused, TimeoutError):
            return web.json_response({"ready": False}, status=503)
        return web.json_response({"ready": True})

    async def _show_metrics(self, _: web.Request) -> web.Response:
        backlog = await self._store.read(lambda tx: tx.one("SELECT count(*) FROM outbox")[0])
        last = await self._store.read(lambda tx: tx.one("SELECT coalesce(max(arrival), 0) FROM messages")[0])
        gauges = {"webhook_backlog": backlog, "messages_stored": last, "open_sockets": self._hub.open_sockets}
        return web.Response(text=self._metrics.text(gauges))

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            await self._change_faults(request)
        except Refused as no:
            return client_refusal(no)
        return web.json_response(self._faults.shown())

    async def _change_faults(self, request: web.Request) -> None:
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            raise Refused(Why.UNAUTHORISED, "Expected Authorization: Bearer <partner token>")
        match request.method:
            case "PUT":
                raw = await bodies.read_limited(request)
                try:
                    self._faults.set(msgspec.json.decode(raw, type=FaultPlan))
                except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
                    raise Refused(Why.BAD_REQUEST, f"The fault plan: {error}") from error
            case "DELETE":
                self._faults.clear()
            case "GET":
                pass
            case _:
                raise Refused(Why.BAD_REQUEST, "Expected GET, PUT or DELETE")
