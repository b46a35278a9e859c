"""Publishing until acknowledged.

Every message carries its event id (``Nats-Msg-Id``), so publishing it again is harmless: within the stream's window a
second one is answered "duplicate" and not stored. Messages go out side by side and their acknowledgements come to
one inbox; what was not acknowledged when the connection broke, or in time, is sent again in order.

Many events of one rail go out as JetStream atomic batches instead: one sync of the disk for all of them (25,000 to
45,000 a second, against 5,000 one by one). A batch with a single duplicate in it is refused whole; then, and when its
outcome is unknown, its messages are published one by one under the same ids, before anything that comes after them.
Used by bridges (ingress, dead letters) and the operator's commands.
"""

import asyncio
import itertools
import secrets
from collections.abc import Iterable

import msgspec

from bus.connection import ApiError, Connection, Delivery, Inbox, NoAnswer, NoResponder, NotConnected

Item = tuple[str, bytes, str]
"""Subject, payload, event id."""

_AGAIN_AFTER_S = 3.0
_PAUSE_S, _FULL_PAUSE_S = 0.05, 0.25
_BATCH_FROM, _BATCH_MOST, _BATCH_BYTES = 64, 500, 4 * 1024 * 1024
"""A batch costs the server about 4 ms of staging, so it pays from about 32 messages on; at most 1,000 are allowed."""

_FULL = {10077, 10023, 10047}
"""The stream's limits, or the server's resources, are reached: it may be better later."""


class BusUnavailable(Exception):
    """The bus did not take it in time. It may or may not be stored: publish it again under the same id."""


class BusFull(BusUnavailable):
    """The stream has reached its limits and refuses (back-pressure). Not stored."""


class Ack(msgspec.Struct, frozen=True, gc=False):
    """Where the message stands; `duplicate` when it had been stored before under its id."""

    sequence: int
    duplicate: bool = False


class _Error(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct):
    seq: int = 0
    count: int = 0
    duplicate: bool = False
    error: _Error | None = None


_DECODER = msgspec.json.Decoder(_PubAck)


class _Flight:
    """The messages of one call, and what is known of each."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.acks: list[Ack | None] = [None] * len(items)
        self.left = len(items)
        self.in_flight = 0
        self.full = False
        self.refused: ApiError | None = None
        self.changed = asyncio.Event()


class Publisher:
    """Publishes on one connection. `max_in_flight` bounds what waits for acknowledgement, over all calls."""

    def __init__(self, conn: Connection, *, max_in_flight: int = 1024, within_s: float = 10.0) -> None:
        self._conn, self._within_s = conn, within_s
        self._slots = asyncio.Semaphore(max_in_flight)
        self._pending: dict[bytes, tuple[_Flight, int]] = {}
        self._tokens = itertools.count(1)
        self._inbox: Inbox | None = None
        self._opening, self._batching = asyncio.Lock(), asyncio.Lock()
        self._forget = conn.on_lost(self._on_lost)

    async def publish(self, subject: str, payload: bytes, event_id: str, *, within_s: float | None = None) -> Ack:
        """Publish one message. Raises `BusUnavailable`, `BusFull`, `TooLarge`, `ApiError` (refused for good)."""
        return (await self.publish_many([(subject, payload, event_id)], within_s=within_s))[0]

    async def publish_many(self, items: Iterable[Item], *, within_s: float | None = None) -> list[Ack]:
        """Publish several side by side; their acks in the same order. Raises as `publish`, when all are tried."""
        flights = [_Flight(part) for part in _parts(list(items))]
        wait_s = self._within_s if within_s is None else within_s
        try:
            async with asyncio.timeout(wait_s):
                for flight in flights:  # one after the other: the order of the items is kept
                    if len(flight.items) < _BATCH_FROM or not await self._deliver_batch(flight):
                        await self._deliver(flight)
        except TimeoutError as error:
            raise _not_taken(flights, wait_s) from error
        return [ack for flight in flights for ack in flight.acks if ack is not None]

    async def close(self) -> None:
        """Listen for acknowledgements no more."""
        self._forget()
        if self._inbox is not None:
            inbox, self._inbox = self._inbox, None
            await inbox.close()

    async def _deliver_batch(self, flight: _Flight) -> bool:
        """All or none in one commit. False: refused, or not known; publishing one by one finds out."""
        batch, last = secrets.token_hex(8), len(flight.items)
        try:
            async with self._batching:  # one at a time: the server allows 50 a stream over all publishers
                for number, (subject, payload, event_id) in enumerate(flight.items, 1):
                    headers = {"Nats-Msg-Id": event_id, "Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                    if number < last:
                        await self._conn.publish_core(subject, payload, headers=headers)
                    else:
                        headers["Nats-Batch-Commit"] = "1"
                        answer = await self._conn.request(subject, payload, headers=headers, wait_s=_AGAIN_AFTER_S)
        except (NotConnected, NoAnswer, NoResponder):
            return False
        ack = _DECODER.decode(answer.body)
        if ack.error is not None or ack.count != last:
            return False
        first = ack.seq - last + 1  # a batch is stored without anything in between
        flight.acks = [Ack(first + index) for index in range(last)]
        flight.left = 0
        return True

    async def _deliver(self, flight: _Flight) -> None:
        while flight.left:
            flight.full = False
            tokens: list[bytes] = []
            try:
                await self._send_unacknowledged(flight, tokens)
                await self._settle(flight)
            except NotConnected:
                await asyncio.sleep(_PAUSE_S)
                await self._conn.wait_connected(within_s=self._within_s + 60)
            finally:
                self._drop(tokens)
            if flight.refused is not None:
                raise flight.refused
            if flight.left:
                await asyncio.sleep(_FULL_PAUSE_S if flight.full else _PAUSE_S)

    async def _send_unacknowledged(self, flight: _Flight, tokens: list[bytes]) -> None:
        inbox = await self._listen()
        stem = inbox.subject.removesuffix("*")
        for index, (subject, payload, event_id) in enumerate(flight.items):
            if flight.acks[index] is not None:
                continue
            await self._slots.acquire()
            token = b"%x" % next(self._tokens)
            self._pending[token] = (flight, index)
            flight.in_flight += 1
            tokens.append(token)
            await self._conn.publish_core(
                subject, payload, headers={"Nats-Msg-Id": event_id}, reply=stem + token.decode()
            )

    async def _settle(self, flight: _Flight) -> None:
        """Until every message of this round is answered, or nothing has come for a while."""
        while flight.in_flight:
            flight.changed.clear()
            try:
                async with asyncio.timeout(_AGAIN_AFTER_S):
                    await flight.changed.wait()
            except TimeoutError:
                return

    def _drop(self, tokens: list[bytes]) -> None:
        for token in tokens:
            if found := self._pending.pop(token, None):
                self._free(found[0])

    def _free(self, flight: _Flight) -> None:
        self._slots.release()
        flight.in_flight -= 1
        flight.changed.set()

    async def _listen(self) -> Inbox:
        async with self._opening:
            if self._inbox is None:
                self._inbox = await self._conn.open_inbox(self._on_ack, many=True)
            return self._inbox

    def _on_lost(self) -> None:
        """No acknowledgement of the broken connection will come: the round is over for all of them."""
        pending, self._pending = self._pending, {}
        for flight, _ in pending.values():
            self._free(flight)

    def _on_ack(self, delivery: Delivery) -> None:
        found = self._pending.pop(delivery.subject.rpartition(b".")[2], None)
        if found is None:
            return
        flight, index = found
        self._free(flight)
        if not delivery.body:  # 503: no stream takes the subject (yet, if the server has just started)
            return
        answer = _DECODER.decode(delivery.body)
        if answer.error is None:
            flight.acks[index] = Ack(answer.seq, answer.duplicate)
            flight.left -= 1
        elif answer.error.err_code in _FULL:
            flight.full = True
        else:
            error = answer.error
            flight.refused = ApiError(
                flight.items[index][0], code=error.code, err_code=error.err_code, description=error.description
            )


def _parts(items: list[Item]) -> list[list[Item]]:
    """As atomic batches where that pays and is allowed (one rail's ingress), else all in one part."""
    stems = {item[0].rpartition(".")[0] for item in items}
    if len(items) < _BATCH_FROM or len(stems) > 1 or not stems.pop().startswith("in."):
        return [items] if items else []
    parts: list[list[Item]] = [[]]
    size_bytes = 0
    for item in items:
        size_bytes += len(item[1])
        if len(parts[-1]) == _BATCH_MOST or (size_bytes > _BATCH_BYTES and parts[-1]):
            parts.append([])
            size_bytes = len(item[1])
        parts[-1].append(item)
    return parts


def _not_taken(flights: list[_Flight], wait_s: float) -> BusUnavailable:
    left = [flight for flight in flights if flight.left]
    full = any(flight.full for flight in left)
    kind, why = (BusFull, "the stream is full") if full else (BusUnavailable, "no acknowledgement")
    return kind(
        f"{sum(flight.left for flight in left)} of {sum(len(flight.items) for flight in flights)} messages (the first "
        f"on {left[0].items[0][0]}) were not taken within {wait_s:g} s: {why}. Publish them again under the same ids."
    )
