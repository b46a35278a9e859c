"""The way between a client and the server in memory: where nats-py and the network stand otherwise.

A link carries lines both ways, in order, each for a while that is drawn by seed. When it is cut, what is on its way is
lost: a suffix of what was sent, never something out of the middle, as with TCP. The client may notice only later
(half-open), and then connects anew. `bus.connection.Connection` on top of it is the real one.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import nats.errors

from bus.connection import Delivery, Raw
from tests.simulation.clock import Process, VirtualLoop
from tests.simulation.server import Server

MAX_PAYLOAD_BYTES = 1024 * 1024
_RECONNECT_S = 0.2
_SLOWEST_S = 0.001


class Network:
    """All links. `chance` draws how long lines take."""

    def __init__(self, loop: VirtualLoop, server: Server, chance: random.Random) -> None:
        self.loop, self.server = loop, server
        self.draw = chance.random
        self.clients: list[SimClient] = []

    def client(self, process: Process) -> "SimClient":
        """What a process's `Connection` is opened with."""
        self.clients.append(SimClient(self, process))
        return self.clients[-1]


class SimLink:
    """One connection of one client, from its being made to its being cut."""

    def __init__(self, network: Network, client: "SimClient") -> None:
        self._network, self._client = network, client
        self.is_cut = False
        self._up_s = self._down_s = 0.0
        self.swallows = 0
        """How many of the next answers to the client get lost."""

    def send(self, take: Callable[..., None], *what: Any) -> None:
        """A line to the server."""
        if self.is_cut:
            return
        loop = self._network.loop
        self._up_s = max(loop.time() + self._network.draw() * _SLOWEST_S, self._up_s + 1e-9)
        loop.call_at(self._up_s, self._arrive, take, what, context=self._network.server.process.context)

    def _arrive(self, take: Callable[..., None], what: tuple[Any, ...]) -> None:
        if not self.is_cut and self._network.server.is_up:
            take(*what)

    def deliver(self, sid: int, subject: bytes, reply: bytes, headers: bytes, body: bytes) -> None:
        """A line to the client."""
        if self.is_cut:
            return
        if self.swallows and not reply.startswith(b"$JS.ACK."):
            self.swallows -= 1
            return
        loop, client = self._network.loop, self._client
        self._down_s = max(loop.time() + self._network.draw() * _SLOWEST_S, self._down_s + 1e-9)
        loop.call_at(
            self._down_s, client.receive, self, sid, subject, reply, headers, body, context=client.process.context
        )

    def cut(self, *, noticed_after_s: float) -> None:
        """What is on its way is lost. The server notices at once, the client after a while."""
        if self.is_cut:
            return
        self.is_cut = True
        self._network.server.gone(self)
        self._network.loop.call_later(noticed_after_s, self._client.lost, self, context=self._client.process.context)


class Subscription:
    """What `unsubscribe` is called on."""

    def __init__(self, client: "SimClient", sid: int, subject: bytes, callback: Any) -> None:
        self._id, self.subject, self.callback = sid, subject, callback
        self.queue: asyncio.Queue[CoreMsg] | None = None
        self.task: asyncio.Task[None] | None = None
        self._client = client

    async def unsubscribe(self) -> None:
        """Hear no more."""
        self._client.forget(self)


class CoreMsg:
    """As nats-py hands a message to a callback."""

    def __init__(self, subject: str, reply: str, data: bytes) -> None:
        self.subject, self.reply, self.data = subject, reply, data


class SimClient:
    """Stands where nats-py's client stands below a `Connection`."""

    def __init__(self, network: Network, process: Process) -> None:
        self._network, self.process = network, process
        self.raw: dict[int, Raw] = {}
        self.max_payload = MAX_PAYLOAD_BYTES
        self.link: SimLink | None = None
        self.is_closed, self.is_connected = False, False
        self.last_error: Exception | None = None
        self._subscriptions: dict[int, Subscription] = {}
        self._numbers, self._inboxes = itertools.count(1), itertools.count(1)
        self._tell: dict[str, Callable[[], Awaitable[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._prefix = ""

    async def connect(self, *, inbox_prefix: bytes, **options: Any) -> None:
        self._tell = {name: options[name] for name in ("disconnected_cb", "reconnected_cb", "closed_cb")}
        self._prefix = f"{inbox_prefix.decode()}.{len(self._network.clients)}"
        if not self._network.server.is_up:
            raise nats.errors.NoServersError
        self._link_up()

    def _link_up(self) -> None:
        self.link = SimLink(self._network, self)
        self.is_connected = True
        self._network.server.links[self.link] = None
        for subscription in self._subscriptions.values():
            self.link.send(self._network.server.subscribe, self.link, subscription._id, subscription.subject)

    # --- what a `Connection` calls ---

    def new_inbox(self) -> str:
        return f"{self._prefix}.{next(self._inboxes)}"

    async def publish(
        self, subject: str, body: bytes = b"", reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        if self.is_closed:
            raise nats.errors.ConnectionClosedError
        if not self.is_connected or self.link is None:
            raise nats.errors.OutboundBufferLimitError
        raw = b""
        if headers:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            raw = f"NATS/1.0\r\n{lines}\r\n".encode()
        self.link.send(self._network.server.publish, subject.encode(), reply.encode(), raw, body)

    async def subscribe(self, subject: str, *, cb: Any = None, **_: Any) -> Subscription:
        subscription = Subscription(self, next(self._numbers), subject.encode(), cb)
        self._subscriptions[subscription._id] = subscription
        if cb is not None:
            subscription.queue = asyncio.Queue()
            subscription.task = asyncio.create_task(self._call(subscription))
        if self.link is not None:
            self.link.send(self._network.server.subscribe, self.link, subscription._id, subscription.subject)
        return subscription

    async def flush(self, timeout: float = 10) -> None:
        """Nothing is buffered."""

    async def close(self) -> None:
        self.is_closed, self.is_connected = True, False
        if self.link is not None and not self.link.is_cut:
            self.link.is_cut = True
            self._network.server.gone(self.link)
        for subscription in list(self._subscriptions.values()):
            self.forget(subscription)
        if self._tell:
            await self._tell["closed_cb"]()

    # --- what comes ---

    async def _call(self, subscription: Subscription) -> None:
        assert subscription.queue is not None
        while True:
            await subscription.callback(await subscription.queue.get())

    def forget(self, subscription: Subscription) -> None:
        self._subscriptions.pop(subscription._id, None)
        if subscription.task is not None:
            subscription.task.cancel()
        if self.link is not None:
            self.link.send(self._network.server.unsubscribe, self.link, subscription._id, subscription.subject)

    def receive(self, link: SimLink, sid: int, *line: bytes) -> None:
        """`line`: subject, reply, headers and body."""
        if link is not self.link or link.is_cut:
            return
        subject, reply, headers, body = line
        handler = self.raw.get(sid)
        if handler is not None:
            handler(Delivery(subject, reply, body, headers))
        elif (subscription := self._subscriptions.get(sid)) is not None and subscription.queue is not None:
            subscription.queue.put_nowait(CoreMsg(subject.decode(), reply.decode(), body))

    def lost(self, link: SimLink) -> None:
        """The connection is found to be broken."""
        if link is not self.link or self.is_closed:
            return
        self.is_connected, self.link = False, None
        self._start(self._reconnect())

    async def _reconnect(self) -> None:
        await self._tell["disconnected_cb"]()
        while not self.is_connected and not self.is_closed:
            await asyncio.sleep(_RECONNECT_S * (0.5 + self._network.draw()))
            if self._network.server.is_up and not self.is_closed:
                self._link_up()
                await self._tell["reconnected_cb"]()

    def _start(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
