"""JetStream in memory: streams with everything of them that `bus/` uses. Pure but for the clock it is handed.

Held to the same tests as the real server (`test_backbone.py`). Not here: acknowledgements, limits by size, replicas.
Called by `wire.Server`; headers are as on the wire.
"""

import heapq
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from bus.stored import header

WRONG_LAST_SEQUENCE, NO_MESSAGE, NO_STREAM, NO_CONSUMER = 10071, 10037, 10059, 10014
BATCH_DUPLICATE = 10201
_NS = 1_000_000_000


class Refused(Exception):
    """What the API answers when it does not do it."""

    def __init__(self, code: int, err_code: int, description: str) -> None:
        super().__init__(description)
        self.error = {"code": code, "err_code": err_code, "description": description}


class Kept(NamedTuple):
    """One message as it is stored. `at_ns`: Unix nanoseconds."""

    sequence: int
    subject: bytes
    at_ns: int
    headers: bytes
    body: bytes


class Stream:
    """One stream. What has expired is taken out before anybody looks."""

    def __init__(self, config: dict[str, Any], now_ns: Callable[[], int]) -> None:
        self.config, self._now_ns = config, now_ns
        self.name: str = config["name"]
        self.last = 0
        self._first = 1
        self._messages: dict[int, Kept] = {}
        self._newest: dict[bytes, int] = {}
        self._ids: dict[str, tuple[int, int]] = {}
        """Message id -> sequence and time."""
        self._expiring: list[tuple[int, int]] = []
        self._window_ns = int(config.get("duplicate_window") or 120 * _NS)
        self._per_subject = int(config.get("max_msgs_per_subject") or -1)
        self._max_age_ns = int(config.get("max_age") or 0)

    def copy(self, now_ns: Callable[[], int]) -> "Stream":
        """Another one that begins where this one is now."""
        other = Stream(self.config, now_ns)
        other.last, other._first = self.last, self._first
        other._messages, other._newest, other._ids = dict(self._messages), dict(self._newest), dict(self._ids)
        other._expiring = list(self._expiring)
        return other

    # --- publishing ---

    def put(self, subject: bytes, headers: bytes, body: bytes) -> tuple[int, bool]:
        """Its sequence, and whether it had been stored before under its id. Raises `Refused`."""
        self._expire()
        self._fence(subject, headers)
        event_id = header(headers, b"Nats-Msg-Id") if headers else None
        if event_id is not None and (found := self.stored_as(event_id)) is not None:
            return found, True
        return self._store(subject, headers, body, event_id), False

    def _fence(self, subject: bytes, headers: bytes) -> None:
        expected = header(headers, b"Nats-Expected-Last-Subject-Sequence") if headers else None
        if expected is not None and int(expected) != self._newest.get(subject, 0):
            raise Refused(400, WRONG_LAST_SEQUENCE, f"wrong last sequence: {self._newest.get(subject, 0)}")
        expected = header(headers, b"Nats-Expected-Last-Sequence") if headers else None
        if expected is not None and int(expected) != self.last:
            raise Refused(400, WRONG_LAST_SEQUENCE, f"wrong last sequence: {self.last}")

    def stored_as(self, event_id: str) -> int | None:
        """Where a message id stands, while the window remembers it."""
        known = self._ids.get(event_id)
        if known is None or known[1] + self._window_ns <= self._now_ns():
            return None
        return known[0]

    def _store(self, subject: bytes, headers: bytes, body: bytes, event_id: str | None) -> int:
        now_ns = self._now_ns()
        self.last += 1
        if headers:
            if header(headers, b"Nats-Rollup") == "sub":
                self.purge(subject, before=self.last, keep=0)
            if lives := header(headers, b"Nats-TTL"):
                heapq.heappush(self._expiring, (now_ns + _duration_ns(lives), self.last))
        before = self._newest.get(subject)
        if self._per_subject == 1 and before is not None:
            self._messages.pop(before, None)
        self._messages[self.last] = Kept(self.last, subject, now_ns, headers, body)
        self._newest[subject] = self.last
        if event_id is not None:
            self._ids[event_id] = (self.last, now_ns)
        return self.last

    # --- reading ---

    @property
    def first(self) -> int:
        """The first sequence that is there; behind the last when there is none."""
        self._expire()
        while self._first <= self.last and self._first not in self._messages:
            self._first += 1
        return self._first

    def at(self, sequence: int) -> Kept | None:
        self._expire()
        return self._messages.get(sequence)

    def newest(self, subject: bytes) -> Kept | None:
        """The last message on a subject."""
        self._expire()
        sequence = self._newest.get(subject)
        return None if sequence is None else self._messages[sequence]

    def since(self, sequence: int, takes: Callable[[bytes], bool] | None) -> Iterator[Kept]:
        """In order, from a sequence on, those whose subject is taken (None: all)."""
        for number in range(max(sequence, self.first), self.last + 1):
            kept = self._messages.get(number)
            if kept is not None and (takes is None or takes(kept.subject)):
                yield kept

    def subjects(self) -> dict[bytes, int]:
        """Each subject that has messages, and how many."""
        counts: dict[bytes, int] = {}
        for kept in self.since(1, None):
            counts[kept.subject] = counts.get(kept.subject, 0) + 1
        return counts

    def __len__(self) -> int:
        self._expire()
        return len(self._messages)

    # --- taking away ---

    def purge(self, subject: bytes | None, *, before: int | None, keep: int) -> int:
        """Take out what stands before a sequence, all of it or but the last `keep`; how many they were."""
        gone = [kept.sequence for kept in self.since(1, None if subject is None else subject.__eq__)]
        gone = [number for number in gone if before is None or number < before]
        gone = gone[: len(gone) - keep] if keep else gone
        for number in gone:
            self.delete(number)
        return len(gone)

    def delete(self, sequence: int) -> bool:
        """Whether it was there."""
        kept = self._messages.pop(sequence, None)
        if kept is not None and self._newest.get(kept.subject) == sequence:
            earlier = [one.sequence for one in self._messages.values() if one.subject == kept.subject]
            if earlier:
                self._newest[kept.subject] = max(earlier)
            else:
                del self._newest[kept.subject]
        return kept is not None

    def roll_back(self, last: int) -> None:
        """A damaged store: what stands behind a sequence is gone, its numbers are given again, and nobody is told."""
        for number in range(last + 1, self.last + 1):
            self.delete(number)
        self.last = min(last, self.last)
        self._ids = {name: known for name, known in self._ids.items() if known[0] <= self.last}

    def _expire(self) -> None:
        expiring = self._expiring
        if expiring and expiring[0][0] <= self._now_ns():
            now_ns = self._now_ns()
            while expiring and expiring[0][0] <= now_ns:
                self.delete(heapq.heappop(expiring)[1])
        if self._max_age_ns and self._messages:
            oldest = next(iter(self._messages.values()))
            if oldest.at_ns + self._max_age_ns <= self._now_ns():
                self.delete(oldest.sequence)
                self._expire()


def _duration_ns(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]] * _NS


def matches(pattern: bytes) -> Callable[[bytes], bool]:
    """Whether a subject fits a pattern with ``*`` and ``>``."""
    if b"*" not in pattern and b">" not in pattern:
        return pattern.__eq__
    if pattern == b">":
        return lambda _: True
    wanted = pattern.split(b".")
    is_open = wanted[-1] == b">"
    head = wanted[:-1] if is_open else wanted

    def fits(subject: bytes) -> bool:
        tokens = subject.split(b".")
        if len(tokens) <= len(head) if is_open else len(tokens) != len(head):
            return False
        return all(want in (b"*", token) for want, token in zip(head, tokens, strict=False))

    return fits
