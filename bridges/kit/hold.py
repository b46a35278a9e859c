"""Webhooks on hold: for a while the rail keeps what happens to itself, so that a backup has it in one place.

`trinario backup` asks for it: what a rail had handed over before is on the bus, and what it has not handed over it has
still in its outbox. Held webhooks are answered 503, and come again. A hold ends by itself, should nobody lift it.
"""

import asyncio
from collections.abc import Callable

import structlog

from bus import subjects
from bus.connection import Connection, CoreSubscription
from schemas.ids import RailName

LONGEST_S = 300.0
_SETTLED_WITHIN_S = 10.0

_log = structlog.get_logger(__name__)


class Hold:
    """One bridge's. `enter` and `leave` stand around each webhook."""

    def __init__(self, *, rail: RailName, conn: Connection, clock_s: Callable[[], float]) -> None:
        self._rail, self._conn, self._clock_s = rail, conn, clock_s
        self._until_s = 0.0
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def enter(self) -> bool:
        """Whether a webhook may be taken now. If so, `leave` when it is done."""
        if self._clock_s() < self._until_s:
            return False
        self._inside += 1
        self._empty.clear()
        return True

    def leave(self) -> None:
        """A webhook is done with."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    async def listen(self) -> CoreSubscription:
        """Answer from now on, until the answer is closed. Asked with seconds, as digits; 0 lifts it."""
        return await self._conn.serve_core(subjects.hold(self._rail), self._answer)

    async def _answer(self, body: bytes) -> bytes:
        if not body.isdigit() or len(body) > 4:
            return b"expected seconds, as digits"
        for_s = min(float(body), LONGEST_S)
        self._until_s = self._clock_s() + for_s
        _log.info("webhooks.held", rail=self._rail, for_s=for_s)
        try:
            async with asyncio.timeout(_SETTLED_WITHIN_S):
                await self._empty.wait()
        except TimeoutError:
            return b"webhooks are still under way"
        return b""
