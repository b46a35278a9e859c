"""SQLite without threads: a bridge's store in memory, each write a transaction of its own, done at once."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


class Desk:
    """Stands where `bus.sqlite.Store` stands. What it holds outlives the bridge that wrote it, as a file would."""

    def __init__(self, schema: str) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.executescript(schema)

    def do(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """All of it, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            found = function(self.db)
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return found

    async def write(self, function: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:  # noqa: ARG002 - memory is as good as this disk is
        return self.do(function)

    def later(self, function: Callable[[sqlite3.Connection], object]) -> None:
        self.do(function)

    async def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        return self.db.execute(sql, tuple(parameters)).fetchall()
