"""The one WebSocket of a page: everything that happens, for every account that the page shows.

The page says ``{"do": "follow", "as": HANDLE}`` or ``"unfollow"``, and ``{"do": "map", "on": bool}``. It is told

    {"type": "rail", "as", "state": "open" | "lost" | "refused"}   whether the account's rail is listened to; after
                                                                   every "open" the page fetches what it has missed
    {"type": "happened", "as", "event"}                            what the rail says (docs/rail-api.md)
    {"type": "entries"} and {"type": "stations"}                   the line map (see `linemap`)
    {"type": "people"}                                             who is who has changed

When a page is slow, its queue fills and its rails are not read; a rail cuts off who falls 1,000 events behind, the
console connects again, and the page fetches.
"""

import asyncio
from typing import Any

import aiohttp
import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from bus import subjects
from bus.connection import CoreMessage
from schemas.errors import TrinarioError
from schemas.handles import Handle, parse, rail_of
from trinario.console.buslink import BusAway, BusLink
from trinario.console.linemap import LineMap
from trinario.place import Running
from trinario.sessions import Sessions

_HEARTBEAT_S = 20.0
_BACKLOG = 1000
_MOST_FOLLOWED = 64
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0
_MAP = "map"

_log = structlog.get_logger(__name__)


class Wish(msgspec.Struct, frozen=True, kw_only=True, rename={"as_": "as"}):
    """What a page asks for."""

    do: str
    as_: str = ""
    on: bool = True


class Sockets:
    """The handler. `stop` closes all pages' sockets, so that the daemon can drain."""

    def __init__(self, *, running: Running, sessions: Sessions, link: BusLink, http: aiohttp.ClientSession) -> None:
        self._running, self._sessions, self._link, self._http = running, sessions, link, http
        self._open: set[web.WebSocketResponse] = set()

    @property
    def count(self) -> int:
        """Pages connected now."""
        return len(self._open)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one page until either side ends."""
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=16 * 1024)
        await socket.prepare(request)
        self._open.add(socket)
        try:
            await _Page(
                socket=socket, running=self._running, sessions=self._sessions, link=self._link, http=self._http
            ).serve()
        finally:
            self._open.discard(socket)
        return socket

    async def stop(self) -> None:
        """Tell every page that we go."""
        for socket in list(self._open):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"The console stops")


class _Page:
    """One page's socket and what runs for it."""

    def __init__(
        self,
        *,
        socket: web.WebSocketResponse,
        running: Running,
        sessions: Sessions,
        link: BusLink,
        http: aiohttp.ClientSession,
    ) -> None:
        self._socket, self._running, self._sessions, self._link, self._http = socket, running, sessions, link, http
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=_BACKLOG)
        self._wishes: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(self._send()), group.create_task(self._hear_of_people())]
            try:
                async for frame in self._socket:
                    if frame.type is WSMsgType.TEXT:
                        self._grant(group, frame.data)
            finally:
                for task in [*helpers, *self._wishes.values()]:
                    task.cancel()

    def _grant(self, group: asyncio.TaskGroup, text: str) -> None:
        try:
            wish = msgspec.json.decode(text, type=Wish)
            key = _MAP if wish.do == "map" else parse(wish.as_)
        except (msgspec.MsgspecError, UnicodeError, RecursionError, TrinarioError):
            return  # not from our page, or a newer one's: nothing to do
        wanted = wish.do == "follow" or (wish.do == "map" and wish.on)
        running = self._wishes.get(key)
        if running is not None and (running.done() or not wanted):
            self._wishes.pop(key).cancel()
            running = None
        if wanted and running is None and len(self._wishes) < _MOST_FOLLOWED:
            self._wishes[key] = group.create_task(self._show_map() if key == _MAP else self._follow(Handle(key)))

    async def _show_map(self) -> None:
        await LineMap(link=self._link, running=self._running, push=self._queue.put).run()

    async def _send(self) -> None:
        while not self._socket.closed:
            frame = msgspec.json.encode(await self._queue.get())
            try:
                await self._socket.send_str(frame.decode())
            except ConnectionError:
                return

    async def _hear_of_people(self) -> None:
        """Tell the page when who is who has changed, as far as the bus tells us; a hint, which may get lost."""
        while True:
            try:
                connection = self._link.connection
            except BusAway:
                await asyncio.sleep(_LONGEST_PAUSE_S)
                continue
            subscription = await connection.subscribe_core(subjects.PEOPLE_CHANGED, self._people_changed)
            await self._queue.put({"type": "people"})  # what has changed before we could hear of it
            try:
                await connection.closed.wait()
            finally:
                await subscription.close()

    async def _people_changed(self, _: CoreMessage) -> None:
        await self._queue.put({"type": "people"})

    async def _follow(self, handle: Handle) -> None:
        """Listen to an account's rail, again after every loss. Ends when the rail does not know the session."""
        session, url = self._sessions.find(handle), self._running.rails.get(rail_of(handle))
        if session is None or url is None:
            await self._say(handle, "refused")
            return
        pause_s = _FIRST_PAUSE_S
        while True:
            began_s = asyncio.get_running_loop().time()
            try:
                if not await self._listen(handle, f"{url}/client/v1/ws", session.token):
                    await self._say(handle, "refused")
                    return
            except (aiohttp.ClientError, TimeoutError):
                _log.debug("rail.lost", rail=rail_of(handle))
            await self._say(handle, "lost")
            steady = asyncio.get_running_loop().time() - began_s > _LONGEST_PAUSE_S
            pause_s = _FIRST_PAUSE_S if steady else min(pause_s * 2, _LONGEST_PAUSE_S)
            await asyncio.sleep(pause_s)

    async def _listen(self, handle: Handle, url: str, token: str) -> bool:
        """Until the rail closes; False when it does not know the session. Raises what aiohttp raises."""
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._http.ws_connect(url, headers=headers, heartbeat=_HEARTBEAT_S) as socket:
                await self._say(handle, "open")
                async for frame in socket:
                    if frame.type is WSMsgType.TEXT:
                        event = msgspec.Raw(frame.data.encode())
                        await self._queue.put({"type": "happened", "as": handle, "event": event})
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                return False
            raise
        return True

    async def _say(self, handle: Handle, state: str) -> None:
        await self._queue.put({"type": "rail", "as": handle, "state": state})
