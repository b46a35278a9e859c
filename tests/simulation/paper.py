"""A bridge's SQLite without threads, with what a kill takes: writes that need not be on disk at once may be gone.

Stands where `bus.sqlite.Store` stands. Writes that wait at one moment share a commit a little later, as there; what was
written "later" stays in the open transaction until something durable comes, and a kill rolls it back.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from tests.simulation.clock import VirtualLoop

T = TypeVar("T")
_LATER_S = 0.05


class Paper:
    """One bridge's store, from its start to its being killed; the file (`db`) outlives it."""

    def __init__(self, db: sqlite3.Connection, loop: VirtualLoop, draw: Callable[[], float]) -> None:
        self._db, self._loop, self._draw = db, loop, draw
        self._waiting: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any] | None, bool]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_dead = False

    async def write(self, function: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        done: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.append((function, done, durable))
        self._set_timer(self._draw() * 0.001)
        found: T = await done
        return found

    def later(self, function: Callable[[sqlite3.Connection], object]) -> None:
        self._waiting.append((function, None, False))
        self._set_timer(_LATER_S)

    async def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        return self._db.execute(sql, tuple(parameters)).fetchall()

    async def failure(self) -> None:
        """The disk never refuses."""
        await self._loop.create_future()

    def kill(self) -> None:
        """What was not committed is gone."""
        self._is_dead = True
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _set_timer(self, wait_s: float) -> None:
        when_s = self._loop.time() + wait_s
        if self._timer is not None and self._timer.when() <= when_s:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(when_s, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._is_dead:
            return
        waiting, self._waiting = self._waiting, []
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")
        for function, done, _ in waiting:
            self._db.execute("SAVEPOINT one_write")
            try:
                found = function(self._db)
            except Exception as error:  # its caller's
                self._db.execute("ROLLBACK TO one_write")
                self._db.execute("RELEASE one_write")
                if done is None:
                    raise
                if not done.done():
                    done.set_exception(error)
                continue
            self._db.execute("RELEASE one_write")
            if done is not None and not done.done():
                done.set_result(found)
        if not waiting or any(durable for _, _, durable in waiting) or all(done is None for _, done, _ in waiting):
            self._db.execute("COMMIT")
        else:
            self._set_timer(_LATER_S)
