"""The console daemon: the page, its calls and its WebSocket on one port of this machine.

Started by `trinario up` and `trinario console run`. It needs the data folder (sessions, the login key) and the rails'
addresses; the bus may come and go.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp import web

from bus.config import Settings
from bus.health import AddressTaken
from bus.metrics import Exporter, Sample
from trinario.console.answers import answered, refused
from trinario.console.assets import Assets, collected
from trinario.console.buslink import BusAway, BusLink
from trinario.console.gate import Gate, mark
from trinario.console.letters import Letters
from trinario.console.login import VALID_S, Login, address, forget_key, kept_key
from trinario.console.people import People
from trinario.console.proxy import RailProxy
from trinario.console.sights import Sights
from trinario.console.sockets import Sockets
from trinario.failures import Misconfigured
from trinario.place import Place
from trinario.ports import HOST
from trinario.sessions import Sessions
from trinario.settings import addresses

_BODY_BYTES = 1024 * 1024
_ANSWER_WITHIN_S = 20.0

_log = structlog.get_logger(__name__)


async def run(settings: Settings, *, ready: Callable[[dict[str, Any]], None]) -> None:
    """Serve the page until cancelled. `settings` must be complete (`trinario.settings`).

    `ready` is told ``{"name": "console", "url": <with the login key behind #>}``: it is for the terminal of whoever
    started us, and for no log. Raises `Misconfigured`, and `AddressTaken` when the port is in use.
    """
    if settings.data is None:
        raise Misconfigured("No data folder is set. Name one with --data or TRINARIO_DATA.")
    place, link = Place(data=settings.data), BusLink.of(settings)
    timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
            group.create_task(link.run())
            console = Console(settings=settings, place=place, link=link, http=http)
            async with console.serving(settings.console.port):
                ready({"name": "console", "url": console.url})
                await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        forget_key(place)
        raise


class Console:
    """Everything wired. `url` is known while `serving`."""

    def __init__(self, *, settings: Settings, place: Place, link: BusLink, http: aiohttp.ClientSession) -> None:
        running, sessions = addresses(settings), Sessions(place)
        self._place, self._link = place, link
        self._login = Login(key=kept_key(place))
        self._gate = Gate(login=self._login)
        self._sockets = Sockets(running=running, sessions=sessions, link=link, http=http)
        self._parts = (
            RailProxy(rails=running.rails, sessions=sessions, http=http),
            People(rails=running.rails, place=place),
            Sights(link=link),
            Letters(place=place),
        )
        self._assets = Assets(collected())
        self._exporter = Exporter(self.samples)
        self.url = ""

    def app(self) -> web.Application:
        """The application. Its routes are in one place: here, and the parts' own."""
        app = web.Application(middlewares=[self._gate.check], client_max_size=_BODY_BYTES)
        app.on_response_prepare.append(mark)
        for part in self._parts:
            app.add_routes(part.routes())
        app.add_routes(
            [
                web.post("/api/login", self._log_in),
                web.delete("/api/login", self._log_out),
                web.get("/api/ws", self._sockets.handle),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._healthz),
                web.get("/status", self._show_status),
                web.get("/metrics", self._show_metrics),
                web.get("/{path:.*}", self._assets.serve),
            ]
        )
        return app

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Listen; at the end, tell the pages and close."""
        runner = web.AppRunner(self.app(), access_log=None, handle_signals=False, shutdown_timeout=3.0)
        await runner.setup()
        try:
            await self._listen(runner, port)
            yield
        finally:
            await self._sockets.stop()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, port: int) -> None:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            raise AddressTaken("console", HOST, port) from error
        found: int = runner.addresses[0][1]
        self._gate.open_at(found)
        self.url = address(self._place, port=found)

    async def _log_in(self, request: web.Request) -> web.Response:
        """``{"key"}`` -> the session cookie."""
        try:
            key = msgspec.json.decode(await request.read(), type=dict[str, str]).get("key", "")
        except msgspec.MsgspecError:
            key = ""
        value = self._login.redeem(key)
        if value is None:
            _log.warning("login.refused")
            return refused(401, "unauthorised", "This is not the key. Open the address that `trinario up` prints.")
        answer = answered({})
        answer.set_cookie(self._gate.cookie, value, max_age=VALID_S, httponly=True, samesite="Strict", path="/")
        return answer

    async def _log_out(self, _: web.Request) -> web.Response:
        answer = answered({})
        answer.del_cookie(self._gate.cookie, path="/")
        return answer

    def status(self) -> Mapping[str, Any]:
        """How the console is doing."""
        try:
            is_joined = self._link.connection.is_connected
        except BusAway:
            is_joined = False
        return {"pages": self._sockets.count, "bus": "connected" if is_joined else "away"}

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _show_status(self, _: web.Request) -> web.Response:
        return answered(self.status())

    async def _show_metrics(self, request: web.Request) -> web.Response:
        text, content_type = self._exporter.written(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    def samples(self) -> Iterator[Sample]:
        """What ``/metrics`` shows."""
        yield Sample("trinario_ready", 1)
        yield Sample("trinario_bus_connected", self.status()["bus"] == "connected")
        yield Sample("trinario_console_pages", self._sockets.count)
