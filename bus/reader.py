"""Reading a stream from one's own cursor.

A consumer without acknowledgements is opened at cursor + 1; progress is only what the reader's owner has written down
with its effects. (A durable consumer's own idea of progress does not survive a killed server, and a highest-sequence
cursor over a durable consumer loses messages: 1,185 of 9,000 in one run.)

Pulling is one-shot: a request blocks until at least one message is there, takes what is there, and ends. The next
request is on its way while the caller works on the last answer. Used by partitions, bridges, ledger and exporter.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from bus.connection import Connection, Delivery, Inbox, NoAnswer, NoResponder, NotConnected
from bus.stored import StoredMessage

_SECOND_NS = 1_000_000_000
_EXPIRES_S = 2.0
_SILENCE_S = _EXPIRES_S + 1.5
"""A pull ends after `_EXPIRES_S` at the latest; longer silence means that it, or its answer, was lost."""

_FORGOTTEN_AFTER_S = 10
_PULL_BYTES = 16 * 1024 * 1024
_ACK = b"$JS.ACK."
_ACK_TOKENS = 9
_ENDS = (
    b"NATS/1.0 404",
    b"NATS/1.0 408",
    b"NATS/1.0 409 Batch Completed",
    b"NATS/1.0 409 Message Size Exceeds MaxBytes",
)
"""What ends a pull: nothing more now, time over, as many as were asked for, as many bytes."""


class ReaderLost(Exception):
    """The consumer, or part of what it sent, is gone. Open a new reader from your cursor."""


class HistoryGone(Exception):
    """Retention has taken messages that this cursor has not passed. `first_sequence` is the oldest still there."""

    def __init__(self, stream: str, *, after: int, first_sequence: int) -> None:
        super().__init__(
            f"{stream} begins at {first_sequence}; the cursor stands at {after}: what lay between may have been "
            "unread. Rebuild from a snapshot or a backup, or go on from there knowingly."
        )
        self.after, self.first_sequence = after, first_sequence


class RolledBack(Exception):
    """The stream ends before the cursor: its store was rolled back, damaged or replaced."""

    def __init__(self, stream: str, *, after: int, last_sequence: int) -> None:
        super().__init__(
            f"{stream} ends at {last_sequence}; the cursor stands at {after}. The store was rolled back or replaced: "
            "open a new epoch and have the bridges publish their unconfirmed rows again."
        )
        self.after, self.last_sequence = after, last_sequence


class Reader:
    """One consumer, read by one task. `pull` until it raises `ReaderLost`; then open another from your cursor."""

    def __init__(self, conn: Connection, *, stream: str, consumer: str, after: int, made_here: bool) -> None:
        self._conn, self._stream, self._consumer, self._made_here = conn, stream, consumer, made_here
        self._last_sequence, self._delivered = after, 0
        self._messages: deque[StoredMessage] = deque()
        self._names: dict[bytes, str] = {}
        self._requests: dict[int, bytes] = {}
        self._asked = False  # whether a pull is under way: until the server's mark of its end
        self._asked_s = 0.0
        self._trouble: str | None = None
        self._wake: asyncio.Future[None] | None = None
        self._inbox: Inbox | None = None
        self._forget = conn.on_lost(lambda: self._lose("the connection broke"))
        self._clock = asyncio.get_running_loop().time

    @classmethod
    async def open(
        cls, conn: Connection, *, stream: str, after: int, filters: Sequence[str] = (), durable: str | None = None
    ) -> "Reader":
        """Read on behind sequence `after` (0: from the beginning).

        Without `durable` a consumer is made that the server forgets ten seconds after its last pull. With it, the
        ready-made consumer of that name is reset to `after` + 1, and `filters` are its own.
        Raises `HistoryGone`, `RolledBack`, `ReaderLost` (the bus did not answer: try again), `ApiError`.
        """
        try:
            await _check_history(conn, stream, after)
            consumer = durable or f"r-{secrets.token_hex(8)}"
            reader = cls(conn, stream=stream, consumer=consumer, after=after, made_here=durable is None)
            try:
                reader._inbox = await conn.open_inbox(reader._take)
                if durable is None:
                    await conn.api(f"CONSUMER.CREATE.{stream}.{consumer}", _ephemeral(stream, consumer, after, filters))
                else:
                    await conn.api(f"CONSUMER.RESET.{stream}.{consumer}", {"seq": after + 1})
            except BaseException:
                await reader.close()
                raise
        except (NotConnected, NoAnswer, NoResponder) as error:
            raise ReaderLost(f"{stream}: cannot read: {error}") from error
        return reader

    async def pull(self, *, limit: int, wait_s: float = 2.0) -> list[StoredMessage]:
        """Up to `limit` messages in order; [] when none came within `wait_s`. Raises `ReaderLost`."""
        messages = self._messages
        deadline_s = self._clock() + wait_s
        while not messages and self._trouble is None:
            if not self._asked:
                await self._ask(limit)
            left_s = deadline_s - self._clock()
            if left_s <= 0:
                break
            await self._sleep(min(left_s, self._asked_s + _SILENCE_S - self._clock()))
            if not messages and self._asked and self._clock() >= self._asked_s + _SILENCE_S:
                self._lose("a pull was not answered")
        if self._trouble is not None:
            raise ReaderLost(f"{self._stream}: {self._trouble}. Open a reader from the cursor.")
        if len(messages) <= limit:
            found = list(messages)
            messages.clear()
        else:
            found = [messages.popleft() for _ in range(limit)]
        if found and not messages and not self._asked:
            await self._ask(limit)  # brings the next while the caller works on these
        return found

    async def close(self) -> None:
        """Let go of the consumer. A ready-made one stays, and forgets our outstanding pull."""
        self._forget()
        self._lose("it was closed")
        if self._inbox is not None:
            inbox, self._inbox = self._inbox, None
            await inbox.close()
            if self._made_here and self._conn.is_connected:
                with suppress(NotConnected):  # nor waited for: the server forgets it anyway
                    await self._conn.publish_core(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._consumer}", b"")

    async def _ask(self, limit: int) -> None:
        if self._trouble is not None or self._inbox is None:
            return
        self._asked, self._asked_s = True, self._clock()
        body = self._requests.get(limit)
        if body is None:
            body = self._requests[limit] = _pull_request(limit)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        try:
            await self._conn.publish_core(subject, body, reply=self._inbox.subject)
        except NotConnected:
            self._lose("the bus is away")

    async def _sleep(self, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._wake = wake = loop.create_future()
        timer = loop.call_later(max(wait_s, 0.0), _set, wake)
        try:
            await wake
        finally:
            timer.cancel()
            self._wake = None

    def _take(self, delivery: Delivery) -> None:
        """In the read loop: a message (it has an acknowledgement subject), or the server's mark that a pull ended.

        Not told apart by status: whoever publishes may put one into a message's headers.
        """
        if not delivery.reply.startswith(_ACK):
            self._end(delivery)
            return
        tokens = delivery.reply.split(b".")
        if len(tokens) != _ACK_TOKENS:
            self._lose("the server speaks another version of acknowledgements (js_ack_fc_v2 must stay off)")
            return
        sequence, delivered = int(tokens[5]), int(tokens[6])
        if delivered != self._delivered + 1 or sequence <= self._last_sequence:
            self._lose(f"delivery {delivered} came after {self._delivered} (sequence {sequence})")
            return
        self._delivered, self._last_sequence = delivered, sequence
        subject = self._names.get(delivery.subject)
        if subject is None:
            subject = self._names[delivery.subject] = delivery.subject.decode()
        self._messages.append(
            StoredMessage(subject, sequence, int(tokens[7]) // 1_000_000, delivery.body, delivery.headers)
        )
        self._wake_up()

    def _end(self, delivery: Delivery) -> None:
        if delivery.headers.startswith(_ENDS):
            self._asked = False
            self._wake_up()
        else:
            reason = delivery.headers[9:].partition(b"\r\n")[0].decode(errors="replace")
            self._lose(f"the server ended it: {reason}")

    def _lose(self, why: str) -> None:
        if self._trouble is None:
            self._trouble = why
            self._messages.clear()
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _pull_request(limit: int) -> bytes:
    return msgspec.json.encode(
        {"batch": limit, "expires": int(_EXPIRES_S * _SECOND_NS), "no_wait": True, "max_bytes": _PULL_BYTES}
    )


def _ephemeral(stream: str, name: str, after: int, filters: Sequence[str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "name": name,
        "ack_policy": "none",
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": after + 1,
        "replay_policy": "instant",
        "mem_storage": True,
        "num_replicas": 1,
        "inactive_threshold": _FORGOTTEN_AFTER_S * _SECOND_NS,
    }
    if len(filters) == 1:
        config["filter_subject"] = filters[0]
    elif filters:
        config["filter_subjects"] = list(filters)
    return {"stream_name": stream, "config": config, "action": "create"}


async def _check_history(conn: Connection, stream: str, after: int) -> None:
    state = (await conn.api(f"STREAM.INFO.{stream}"))["state"]
    if after > state["last_seq"]:
        raise RolledBack(stream, after=after, last_sequence=state["last_seq"])
    if after + 1 < state["first_seq"]:
        raise HistoryGone(stream, after=after, first_sequence=state["first_seq"])
