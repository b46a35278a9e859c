"""Consumers of the in-memory JetStream: pulled, never acknowledged, with a progress that a killed server forgets."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.jetstream import Kept, Stream

NO_MESSAGES = b"NATS/1.0 404 No Messages\r\n\r\n"
TIMEOUT = b"NATS/1.0 408 Request Timeout\r\n\r\n"
COMPLETED = b"NATS/1.0 409 Batch Completed\r\n\r\n"
DELETED = b"NATS/1.0 409 Consumer Deleted\r\n\r\n"
TOO_MANY_BYTES = b"NATS/1.0 409 Message Size Exceeds MaxBytes\r\n\r\n"

Send = Callable[[bytes, bytes, bytes, bytes], None]
"""Inbox, subject, acknowledgement subject or "", headers and body of what goes there: see `Consumer.__init__`."""


class Pull(NamedTuple):
    """A request that waits. Seconds of the loop."""

    inbox: bytes
    batch: int
    max_bytes: int
    until_s: float


class Consumer:
    """One consumer. `send(inbox, subject, reply, headers, body)`."""

    def __init__(
        self,
        stream: Stream,
        name: str,
        *,
        after: int,
        takes: Callable[[bytes], bool] | None,
        send: Callable[[bytes, bytes, bytes, bytes, bytes], None],
        is_durable: bool,
    ) -> None:
        self.stream, self.name, self.is_durable = stream, name, is_durable
        self._takes, self._send = takes, send
        self.after, self.delivered = after, 0
        self._waiting: deque[Pull] = deque()

    def reset(self, sequence: int) -> None:
        """Deliver from a sequence on, counting anew."""
        self.after, self.delivered = sequence - 1, 0

    def pull(self, request: Pull) -> None:
        """Serve a request with what there is, or keep it until something is."""
        self._waiting.append(request)
        self.serve()

    def serve(self) -> None:
        """Serve what waits, as far as there is something."""
        while self._waiting and self._give(self._waiting[0]):
            self._waiting.popleft()

    def _give(self, request: Pull) -> bool:
        left, left_bytes = request.batch, request.max_bytes
        for kept in self.stream.since(self.after + 1, self._takes):
            size_bytes = len(kept.body) + len(kept.headers) + len(kept.subject)
            if size_bytes > left_bytes:
                self._end(request, TOO_MANY_BYTES)
                return True
            left, left_bytes = left - 1, left_bytes - size_bytes
            self._deliver(request.inbox, kept)
            if not left:
                self._end(request, COMPLETED)
                return True
        if left < request.batch:
            self._end(request, NO_MESSAGES)
            return True
        return False

    def _deliver(self, inbox: bytes, kept: Kept) -> None:
        self.after, self.delivered = kept.sequence, self.delivered + 1
        reply = f"$JS.ACK.{self.stream.name}.{self.name}.1.{kept.sequence}.{self.delivered}.{kept.at_ns}.0"
        self._send(inbox, kept.subject, reply.encode(), kept.headers, kept.body)

    def _end(self, request: Pull, status: bytes) -> None:
        self._send(request.inbox, request.inbox, b"", status, b"")

    def expire(self, now_s: float) -> None:
        """Requests whose time is over are told so."""
        while self._waiting and self._waiting[0].until_s <= now_s:
            self._end(self._waiting.popleft(), TIMEOUT)

    def forget(self, has_interest: Callable[[bytes], bool]) -> None:
        """Requests whose inbox nobody listens to any more."""
        self._waiting = deque(pull for pull in self._waiting if has_interest(pull.inbox))

    def close(self) -> None:
        """Deleted: whoever waits is told."""
        while self._waiting:
            self._end(self._waiting.popleft(), DELETED)
