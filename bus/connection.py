"""One connection to the bus.

It wraps nats-py and keeps its traps in here: nothing is buffered while disconnected, a
request fails at once when the connection is lost instead of waiting out its time, a message is measured against the
server's limit with its headers (the server would close the connection for good), a denied subject is logged, and a
connection that nats-py gave up sets `closed`, which is fatal to a daemon.

`generation` rises with every reconnect: whoever holds something of the server's (a consumer, an outstanding pull)
compares it, or registers with `on_lost`.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from bus.keys import inbox_prefix

Headers = Mapping[str, str]

_CONNECT_WITHIN_S = 3
_PING_EVERY_S, _PINGS_MISSED = 2, 2
_HEADER_LINE_BYTES = len(b"NATS/1.0\r\n\r\n")
_NO_RESPONDERS = b"NATS/1.0 503\r\n"
_PER_HEADER_BYTES = len(b": \r\n")

_log = structlog.get_logger(__name__)


class NotConnected(Exception):
    """The bus is away now; nothing was sent. nats-py goes on trying to reconnect."""


class NoAnswer(Exception):
    """The request may or may not have been carried out: no answer in time, or the connection broke meanwhile."""


class NoResponder(Exception):
    """Nobody, no stream and no service, takes this subject. Nothing was stored."""


class TooLarge(Exception):
    """The message with its headers is above the server's limit."""


class ApiError(Exception):
    """JetStream refused a call. `err_code` is the machine-readable reason (10071: wrong last sequence, ...)."""

    def __init__(self, subject: str, *, code: int, err_code: int, description: str) -> None:
        super().__init__(f"{subject}: {description} ({code}, error {err_code}).")
        self.code, self.err_code, self.description = code, err_code, description


class Delivery(msgspec.Struct, gc=False):
    """A message as it came off the wire; `headers` unparsed (see `bus.stored.header`)."""

    subject: bytes
    reply: bytes
    body: bytes
    headers: bytes

    @property
    def status(self) -> bytes:
        """The server's inline status, e.g. ``404``; empty for an ordinary message."""
        return self.headers[9:12] if self.headers.startswith(b"NATS/1.0 ") else b""


class CoreMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of core NATS, never stored."""

    subject: str
    body: bytes


Raw = Callable[[Delivery], None]


class RawClient(Client):
    """nats-py with a short cut for our own inboxes.

    nats-py parses every message's headers and passes it through a queue and a task: about 12 us a message. Inboxes
    registered in `raw` get the bytes at once instead (2 us), which is what reading and publishing at 45,000 a second
    stand on. `_process_msg` is private: nats-py is pinned to one minor version, and the tests of `bus` would tell.
    """

    def __init__(self) -> None:
        super().__init__()
        self.raw: dict[int, Raw] = {}

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        handler = self.raw.get(sid)
        if handler is None:
            await super()._process_msg(sid, subject, reply, data, headers)
            return
        try:
            handler(Delivery(bytes(subject), bytes(reply or b""), bytes(data), bytes(headers or b"")))
        except Exception:  # noqa: BLE001 - one that got out would end nats-py's read loop for good
            _log.exception("delivery.failed")


class Inbox:
    """A subject of our own below our inbox prefix; its handler is called in the read loop and must be quick."""

    def __init__(self, client: RawClient, subject: str, sid: int, close: Callable[[], Awaitable[None]]) -> None:
        self.subject = subject
        self._client, self._sid, self._close = client, sid, close

    async def close(self) -> None:
        """Listen no more. The server forgets requests whose inbox nobody listens to."""
        self._client.raw.pop(self._sid, None)
        await self._close()


class CoreSubscription:
    """A subscription of core NATS."""

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close

    async def close(self) -> None:
        await self._close()


class Connection:
    """Open it with `Connection.open`; close it with `close`."""

    def __init__(self, *, name: str, role: str, client: RawClient | None = None) -> None:
        self.name, self.role = name, role
        self.generation = 0
        self.closed = asyncio.Event()
        self._connected = asyncio.Event()
        self._client = client or RawClient()
        self._lost: dict[object, Callable[[], None]] = {}
        """In the order in which they were registered."""
        self._waiting: dict[bytes, asyncio.Future[Delivery]] = {}
        self._tokens = itertools.count(1)
        self._answers = ""
        self._closing = False

    @classmethod
    async def open(cls, *, url: str, seed: str, name: str, role: str, client: RawClient | None = None) -> "Connection":
        """Connect with an NKey seed. `url`: an address, or several of one cluster, separated by commas.

        `client`: what speaks to the server; the simulation has one whose server is in memory.
        Raises `NotConnected` naming the address when nobody (or a refusal) answers.
        """
        self = cls(name=name, role=role, client=client)
        try:
            await self._client.connect(
                servers=url.split(","),
                name=name,
                nkeys_seed_str=seed,
                inbox_prefix=inbox_prefix(role).encode(),
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]  # annotated int, used as seconds to sleep
                connect_timeout=_CONNECT_WITHIN_S,
                ping_interval=_PING_EVERY_S,
                max_outstanding_pings=_PINGS_MISSED,
                pending_size=0,
                drain_timeout=10,
                error_cb=self._on_error,
                disconnected_cb=self._on_disconnected,
                reconnected_cb=self._on_reconnected,
                closed_cb=self._on_closed,
            )
        except (OSError, nats.errors.Error, TimeoutError) as error:
            await self._client.close()
            raise NotConnected(f"No NATS at {url} lets {role} in: {error or type(error).__name__}.") from error
        self._connected.set()
        inbox = await self.open_inbox(self._on_answer, many=True)
        self._answers = inbox.subject.removesuffix("*")
        return self

    @property
    def client(self) -> Client:
        """The library's own connection: for `bus.service` only."""
        return self._client

    @property
    def is_connected(self) -> bool:
        """Whether the bus is there now, as far as is known."""
        return self._connected.is_set()

    @property
    def max_payload_bytes(self) -> int:
        """The server's limit for a message, headers included."""
        return int(self._client.max_payload)

    async def wait_connected(self, *, within_s: float) -> None:
        """Wait for a reconnect. Raises `NotConnected` when it takes longer, or never comes."""
        try:
            async with asyncio.timeout(within_s):
                await self._connected.wait()
        except TimeoutError as error:
            raise NotConnected(f"{self.name}: the bus did not come back within {within_s:g} s.") from error

    def on_lost(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` called whenever the connection breaks. The answer takes it back."""
        key = object()
        self._lost[key] = callback

        def take_back() -> None:
            self._lost.pop(key, None)

        return take_back

    async def publish_core(self, subject: str, body: bytes, *, headers: Headers | None = None, reply: str = "") -> None:
        """Send, at most once. Raises `NotConnected` and `TooLarge`."""
        self._check_size(subject, body, headers)
        task = asyncio.current_task()
        cancelled = task.cancelling() if task is not None else 0
        try:
            await self._client.publish(subject, body, reply=reply, headers=dict(headers) if headers else None)
            if task is not None and task.cancelling() > cancelled:
                raise asyncio.CancelledError  # nats-py's flush takes a cancellation for its own
        except (nats.errors.OutboundBufferLimitError, nats.errors.ConnectionClosedError) as error:
            raise NotConnected(f"{self.name}: the bus is away; {subject} was not sent.") from error

    async def subscribe_core(
        self, subject: str, handler: Callable[[CoreMessage], Awaitable[None]], *, queue: str = ""
    ) -> CoreSubscription:
        """Have `handler` called for each message, one at a time. Its errors are logged. Survives reconnects."""

        async def call(message: Msg) -> None:
            try:
                await handler(CoreMessage(subject=message.subject, body=message.data))
            except Exception:  # noqa: BLE001 - the handler's error must not end the subscription
                _log.exception("message.failed", subject=message.subject)

        subscription = await self._client.subscribe(subject, queue=queue, cb=call)
        return CoreSubscription(lambda: self._unsubscribe(subscription))

    async def serve_core(self, subject: str, handler: Callable[[bytes], Awaitable[bytes]]) -> CoreSubscription:
        """Answer requests, one at a time. A handler that fails leaves its caller without an answer; it is logged."""

        async def call(message: Msg) -> None:
            try:
                await self.publish_core(message.reply, await handler(message.data))
            except Exception:  # noqa: BLE001 - the handler's error must not end the subscription
                _log.exception("request.failed", subject=message.subject)

        subscription = await self._client.subscribe(subject, cb=call)
        return CoreSubscription(lambda: self._unsubscribe(subscription))

    async def open_inbox(self, handler: Raw, *, many: bool = False) -> Inbox:
        """A fresh subject of our own; with `many`, of every subject one token below it (it ends in ``*``)."""
        subject = self._client.new_inbox() + (".*" if many else "")
        subscription = await self._client.subscribe(subject, pending_msgs_limit=-1, pending_bytes_limit=0)
        self._client.raw[subscription._id] = handler  # noqa: SLF001 - nats-py has no other name for it
        return Inbox(
            self._client,
            subject,
            subscription._id,  # noqa: SLF001
            lambda: self._unsubscribe(subscription),
        )

    async def _unsubscribe(self, subscription: Any) -> None:
        if not self._client.is_closed:
            await subscription.unsubscribe()

    async def request(
        self, subject: str, body: bytes = b"", *, headers: Headers | None = None, wait_s: float = 5.0
    ) -> Delivery:
        """Send and wait for one answer. Raises `NotConnected`, `NoAnswer`, `NoResponder`, `TooLarge`."""
        token = b"%x" % next(self._tokens)
        future: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        try:
            await self.publish_core(subject, body, headers=headers, reply=self._answers + token.decode())
            async with asyncio.timeout(wait_s):
                answer = await future
        except TimeoutError as error:
            raise NoAnswer(f"{subject}: no answer within {wait_s:g} s (the outcome is unknown).") from error
        finally:
            self._waiting.pop(token, None)
        if answer.headers.startswith(_NO_RESPONDERS) and not answer.body:
            raise NoResponder(f"{subject}: nobody takes it. Is the topology in place (`trinario up` makes it)?")
        return answer

    async def api(self, subject: str, body: Mapping[str, Any] | None = None, *, wait_s: float = 5.0) -> dict[str, Any]:
        """A call of JetStream's API, e.g. ``STREAM.INFO.LOG``. Raises `ApiError` and what `request` does."""
        answer = await self.request(f"$JS.API.{subject}", msgspec.json.encode(body) if body else b"", wait_s=wait_s)
        decoded: dict[str, Any] = msgspec.json.decode(answer.body)
        raise_api_error(subject, decoded)
        return decoded

    async def close(self) -> None:
        """Send what is waiting, then close."""
        self._closing = True
        if self._client.is_connected:
            try:
                await self._client.flush(timeout=2)
            except (nats.errors.Error, OSError, TimeoutError):
                _log.debug("connection.flush_failed", name=self.name)
        await self._client.close()

    def _check_size(self, subject: str, body: bytes, headers: Headers | None) -> None:
        size_bytes = len(body)
        if headers:
            size_bytes += _HEADER_LINE_BYTES + sum(
                len(key) + len(value.encode()) + _PER_HEADER_BYTES for key, value in headers.items()
            )
        if size_bytes > self._client.max_payload:
            raise TooLarge(
                f"{subject}: {size_bytes} bytes with headers; the server takes {self._client.max_payload}. "
                "Send large content by reference (media), or raise nats.max_payload_bytes."
            )

    def _on_answer(self, delivery: Delivery) -> None:
        future = self._waiting.get(delivery.subject.rpartition(b".")[2])
        if future is not None and not future.done():
            future.set_result(delivery)

    async def _on_error(self, error: Exception) -> None:
        text = str(error)
        if "permissions violation" in text.lower():
            _log.error("permission.denied", name=self.name, role=self.role, reason=text)
        elif not self._closing:
            _log.debug("connection.error", name=self.name, reason=text or type(error).__name__)

    async def _on_disconnected(self) -> None:
        self._connected.clear()
        if not self._closing:
            _log.warning("connection.lost", name=self.name)
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(NoAnswer(f"{self.name}: the connection broke (the outcome is unknown)."))
        for callback in list(self._lost.values()):
            callback()

    async def _on_reconnected(self) -> None:
        self.generation += 1
        self._connected.set()
        _log.info("connection.restored", name=self.name, generation=self.generation)

    async def _on_closed(self) -> None:
        self._connected.clear()
        self.closed.set()
        if not self._closing:
            _log.critical("connection.closed", name=self.name, reason=str(self._client.last_error))


def raise_api_error(subject: str, answer: Mapping[str, Any]) -> None:
    """Raise `ApiError` when JetStream's JSON answer is an error."""
    if error := answer.get("error"):
        raise ApiError(
            subject,
            code=error.get("code", 0),
            err_code=error.get("err_code", 0),
            description=error.get("description", "no reason given"),
        )
