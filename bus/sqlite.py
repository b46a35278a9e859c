"""The house's SQLite: one file, one writer whose callers share commits, and a reader beside it.

A commit with `synchronous=FULL` costs one sync of the disk, about 180 us of CPU and more of waiting, whether it
holds one row or hundreds. So all writes that wait at one moment share one ``BEGIN IMMEDIATE ... COMMIT``; each has
its own savepoint, so that one that fails is rolled back alone. Every write is on disk when `Store.write` returns,
unless its caller said that it may follow later: then it is carried out at once (every later write sees it) and reaches
the disk with the next write that must, in the order in which they came, or after `LATER_S`. That is for what would
be done again in the same way after a crash. Used by bridges and the ledger.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import aiosqlite
import structlog

T = TypeVar("T")
Migrations = Mapping[int, str]
"""Version -> the SQL that leads there from the version before."""

Parameters = Iterable[Any] | Mapping[str, Any]

LATER_S = 0.05
"""How long a write that need not be on disk at once may be without."""

_BUSY_MS = 5000
_BATCH = 512
_PRAGMAS = (
    f"busy_timeout = {_BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "secure_delete = ON",
    "trusted_schema = OFF",
)
_log = structlog.get_logger(__name__)


class StoreError(Exception):
    """The file cannot be used."""


class StoreDamaged(StoreError):
    """SQLite's own check of the file failed; nothing was changed."""


class StoreTooNew(StoreError):
    """The file was written by a newer version of this program."""


class _Write(Generic[T]):
    """One caller's function, and what came of it."""

    __slots__ = ("done", "durable", "error", "function", "must_succeed", "value")

    def __init__(
        self, function: Callable[[sqlite3.Connection], T], done: "asyncio.Future[None]", *, durable: bool
    ) -> None:
        self.function, self.done, self.durable = function, done, durable
        self.must_succeed = False
        self.value: T | None = None
        self.error: BaseException | None = None


class _GroupConnection(sqlite3.Connection):
    """A connection whose `commit` first runs all waiting writes.

    aiosqlite runs each call in its thread: one hop there and back for every statement. Its supported way to run
    more in one hop is sqlite3's own `factory`: aiosqlite calls `commit` of whatever class it was given. So one `await
    connection.commit()` is one hop, one transaction and one sync for all the writes that waited.
    """

    group: "list[_Write[Any]]"
    """The writes of the next hop: put here by `Store`, which touches it only while none is under way."""

    must_commit: bool
    """Whether this hop ends with a commit, even if nothing in it has to be on disk."""

    lost: BaseException | None
    """Why writes that had been reported as carried out did not reach the disk."""

    def commit(self) -> None:
        writes, had_before = self.group, self.in_transaction
        try:
            if writes and not had_before:
                self.execute("BEGIN IMMEDIATE")
            for write in writes:
                self._run(write)
            if self.must_commit or any(write.durable for write in writes):
                super().commit()
        except BaseException as error:  # noqa: BLE001 - each caller is told, below
            if self.in_transaction:
                self.rollback()
            if had_before:
                self.lost = error
            for write in writes:
                write.error = write.error or error

    def _run(self, write: "_Write[Any]") -> None:
        self.execute("SAVEPOINT one_write")
        try:
            write.value = write.function(self)
        except Exception as error:  # its own caller's error: the others' writes go on
            write.error = error
            if not self.in_transaction:  # SQLite gave up the whole transaction (disk full, I/O error)
                raise
            self.execute("ROLLBACK TO one_write")
        self.execute("RELEASE one_write")


class Store:
    """An open file. Make it with `Store.open`."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self.path = path
        self._grouping: _GroupConnection
        self._writer, self._reader = writer, reader
        self._waiting: deque[_Write[Any]] = deque()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing, self._is_due = False, False
        self._timer: asyncio.TimerHandle | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.commits = 0
        self.writes = 0

    @classmethod
    async def open(cls, path: Path, *, schema_sql: str, version: int, migrations: Migrations | None = None) -> "Store":
        """Open or make the file, check it, bring it to `version`. Raises `StoreDamaged`, `StoreTooNew`, `StoreError`.

        `schema_sql` makes a new file of this version. The version is kept in ``user_version``.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = await _connect(path, factory=_GroupConnection)
        try:
            await _check(path, writer)
            await _migrate(path, writer, schema_sql, version, migrations or {})
            reader = await _connect(path, "query_only = ON")
        except BaseException:
            await writer.close()
            raise
        store = cls(path, writer, reader)
        # aiosqlite has no public name for the connection that our factory made.
        store._grouping = cast("_GroupConnection", writer._conn)  # noqa: SLF001
        store._grouping.must_commit, store._grouping.lost = False, None
        store._task = asyncio.create_task(store._commit_groups(), name=f"store {path.name}")
        return store

    async def write(self, function: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """Run `function` in the writer's thread, in the shared transaction; its answer once that is on disk.

        It must not commit, and must leave no cursor open. If it raises, only its own changes are undone, and only
        this caller sees the error. If this caller is cancelled, the write may or may not happen.

        Not `durable`: the answer comes once it is carried out. It is for what may be forgotten by a crash, together
        with all that came after it. Should the disk refuse it in the end, `failure` raises.
        """
        write = self._put(function, durable=durable)
        self._wake.set()
        await write.done
        if write.error is not None:
            raise write.error
        return cast("T", write.value)

    def later(self, function: Callable[[sqlite3.Connection], object]) -> None:
        """`write`, not durable, without waiting: it goes along with the next write, or after `LATER_S`.

        It must not fail: if it does, `failure` raises.
        """
        self._put(function, durable=False).must_succeed = True
        self._set_timer()

    def _put(self, function: Callable[[sqlite3.Connection], T], *, durable: bool) -> "_Write[T]":
        if self._closing or self._failed.done():
            raise StoreError(f"{self.path} is closed.")
        write = _Write(function, asyncio.get_running_loop().create_future(), durable=durable)
        self._waiting.append(write)
        return write

    async def failure(self) -> None:
        """Run beside what uses the store: raises `StoreError` when writes not durable were refused by the disk."""
        await asyncio.shield(self._failed)

    async def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        """Rows of what was committed when the query began. Waits for no write."""
        return list(await self._reader.execute_fetchall(sql, cast("Iterable[Any]", parameters)))

    async def backup(self, target: Path) -> None:
        """A copy of the file as it is now, while it goes on being used."""
        async with aiosqlite.connect(target) as copy:
            await self._reader.backup(copy)

    async def close(self) -> None:
        """Finish the waiting writes and close the file."""
        if self._task is None:
            return
        self._closing = True
        self._wake.set()
        task, self._task = self._task, None
        await task
        if self._timer is not None:
            self._timer.cancel()
        self._failed.cancel()
        await self._reader.close()
        await self._writer.close()

    async def _commit_groups(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting or self._is_due or self._closing:
                await self._commit_group()
                if self._closing and not self._waiting:
                    return

    async def _commit_group(self) -> None:
        grouping = self._grouping
        writes = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        grouping.group, grouping.must_commit, self._is_due = writes, self._is_due or self._closing, False
        await self._writer.commit()
        self.writes += len(writes)
        if grouping.in_transaction:
            self._set_timer()
        else:
            self.commits += 1
        for write in writes:
            if not write.done.done():  # its caller may have been cancelled
                write.done.set_result(None)
            if write.must_succeed and write.error is not None:
                grouping.lost = grouping.lost or write.error
        if grouping.lost is not None and not self._failed.done():
            _log.critical("store.lost", path=self.path.name, reason=repr(grouping.lost))
            self._failed.set_exception(
                StoreError(f"{self.path}: what was done last could not be written ({grouping.lost}). Start it again.")
            )

    def _set_timer(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATER_S, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._is_due = None, True
        self._wake.set()


async def _connect(path: Path, *pragmas: str, **more: Any) -> aiosqlite.Connection:
    # isolation_level None: transactions are begun by us, never by the driver.
    connection = await aiosqlite.connect(path, isolation_level=None, **more)
    connection.row_factory = sqlite3.Row
    try:
        for pragma in (*_PRAGMAS, *pragmas):
            await connection.execute_fetchall(f"PRAGMA {pragma}")
    except BaseException as error:
        await connection.close()  # a thread that nobody stops keeps the process from ending
        if isinstance(error, sqlite3.DatabaseError):
            raise _damaged(path, str(error)) from error
        raise
    return connection


def _damaged(path: Path, why: str) -> StoreDamaged:
    return StoreDamaged(
        f"{path} is damaged ({why}). It was left as it is. Put the latest backup in its place, or move it away "
        "(with its -wal and -shm files) and let it be rebuilt from the bus."
    )


async def _check(path: Path, connection: aiosqlite.Connection) -> None:
    try:
        rows = list(await connection.execute_fetchall("PRAGMA quick_check(3)"))
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    found = "; ".join(str(row[0]) for row in rows).replace("\n", " ")
    if found != "ok":
        raise _damaged(path, found)


async def _migrate(
    path: Path, connection: aiosqlite.Connection, schema_sql: str, version: int, migrations: Migrations
) -> None:
    found = next(iter(await connection.execute_fetchall("PRAGMA user_version")))[0]
    empty = not list(await connection.execute_fetchall("SELECT 1 FROM sqlite_schema LIMIT 1"))
    if found > version:
        raise StoreTooNew(f"{path} has version {found}, this program knows up to {version}. Update the program.")
    steps = (
        [(version, schema_sql)] if empty else [(step, migrations.get(step)) for step in range(found + 1, version + 1)]
    )
    for step, sql in steps:
        if sql is None:
            raise StoreError(f"{path} has version {found} and there is no migration to {step}. Use a release between.")
        # executescript commits what is open before it begins: so the transaction is part of the script.
        await connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\n;PRAGMA user_version = {step};\nCOMMIT;")
        _log.info("store.migrated", path=path.name, version=step)
