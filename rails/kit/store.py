"""A rail's SQLite: one writer with group commit, one reader, and the checks at the door.

Every change is a function that runs inside a transaction on the writer's own thread. Functions that wait at the same
moment share one transaction and one fsync, each in a savepoint of its own, so one that fails takes nothing with it.
Nobody is told that something happened before it is on disk: results, pushes to sockets and wakes of webhook couriers
are handed out after the commit.

On aiosqlite, whose threads run one function a hop here, not one statement (`_Connection`).
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import structlog

from rails.kit.migrations import MIGRATIONS
from rails.kit.model import Refused, Update, Why

T = TypeVar("T")
log = structlog.get_logger(__name__)

SCHEMA_VERSION = 6

QUEUE_LENGTH = 4096
LATER_S = 0.05
"""How long a change that may be forgotten by a crash waits for others to share a commit with."""

BATCH_LENGTH = 256


class StoreDamaged(Exception):
    """The file is not a sound store of this rail; the text names it and the way out."""


class Tx:
    """One function's view of a transaction: the connection, and what is to happen once it is on disk."""

    __slots__ = ("db", "pushes", "updates", "wakes")

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.pushes: list[tuple[str, dict[str, Any]]] = []
        self.wakes: set[str] = set()
        self.updates: list[Update] = []

    def push(self, account_id: str, event: dict[str, Any]) -> None:
        """Tell the account's open sockets, after the commit."""
        self.pushes.append((account_id, event))

    def one(self, sql: str, *values: Any) -> Any:
        return self.db.execute(sql, values).fetchone()

    def all(self, sql: str, *values: Any) -> list[Any]:
        return self.db.execute(sql, values).fetchall()

    def run(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self.db.execute(sql, values)


class _Job:
    __slots__ = ("change", "done", "error", "result", "tx")

    def __init__(self, change: Callable[[Tx], Any], done: "asyncio.Future[Any]") -> None:
        self.change = change
        self.done = done
        self.tx: Tx | None = None
        self.result: Any = None
        self.error: Exception | None = None


class _Connection(sqlite3.Connection):
    """A connection whose `commit` runs the next function that waits for it, when one does.

    aiosqlite hops to its thread and back for every statement. Its supported way to have more done in one hop is
    sqlite3's own `factory`: it calls `commit` of whatever class it was given, in the order in which it was asked.
    """

    waiting: "deque[Callable[[sqlite3.Connection], None]]"

    def commit(self) -> None:
        if self.waiting:
            self.waiting.popleft()(self)
        else:
            super().commit()


class _Thread:
    """One aiosqlite connection, and functions run on its thread."""

    def __init__(
        self, connection: aiosqlite.Connection, waiting: "deque[Callable[[sqlite3.Connection], None]]"
    ) -> None:
        self._connection, self._waiting = connection, waiting

    @classmethod
    async def open(cls, path: Path) -> "_Thread":
        waiting: deque[Callable[[sqlite3.Connection], None]] = deque()

        def make(*args: Any, **more: Any) -> _Connection:
            made = _Connection(*args, **more)
            made.waiting = waiting
            return made

        connection = await aiosqlite.connect(
            path,
            isolation_level=None,
            cached_statements=512,
            factory=make,
        )
        return cls(connection, waiting)

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """What `function` returns or raises, run on the connection's thread."""
        answers: list[T] = []
        self._waiting.append(lambda db: answers.append(function(db)))
        await self._connection.commit()
        return answers[0]

    async def close(self) -> None:
        await self._connection.close()


class Store:
    """The rail's file. `on_commit` gets each committed function's pushes and wakes, on the loop, in commit order."""

    def __init__(self, *, path: Path, on_commit: Callable[[Tx], None]) -> None:
        self._path = path
        self._on_commit = on_commit
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue(maxsize=QUEUE_LENGTH)
        self._later: list[_Job] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writer: _Thread | None = None
        self._reader: _Thread | None = None

    async def open(self) -> None:
        """Open, check and migrate. Raises `StoreDamaged`."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._writer = await _Thread.open(self._path)
        try:
            await self._writer.call(lambda db: check(db, self._path))
            self._reader = await _Thread.open(self._path)
            await self._reader.call(configure)
        except BaseException:
            await self.shut()
            raise

    async def run(self) -> None:
        """Write what is queued until `close` is called."""
        if self._writer is None:
            raise RuntimeError("The store was never opened: call open() before run()")
        closing = False
        while not closing:
            jobs: list[_Job] = []
            job = await self._jobs.get()
            while job is not None:
                jobs.append(job)
                if len(jobs) >= BATCH_LENGTH or self._jobs.empty():
                    break
                job = self._jobs.get_nowait()
            closing = job is None
            later, self._later = self._later, []
            jobs = [*later, *jobs]
            if jobs:
                await self._writer.call(self._committing(jobs))
                self._hand_out(jobs)

    async def write(self, change: Callable[[Tx], T]) -> T:
        """Run `change` in a transaction and wait until it is on disk. A full queue is `busy`: try again."""
        job = _Job(change, asyncio.get_running_loop().create_future())
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            raise Refused(Why.BUSY, f"{QUEUE_LENGTH} changes are waiting for the disk; try again in a second") from None
        result: T = await job.done
        return result

    def later(self, change: Callable[[Tx], object]) -> None:
        """Run `change` with the next transaction, or after `LATER_S`. A crash, or a disk that is full, may lose it."""
        self._later.append(_Job(change, asyncio.get_running_loop().create_future()))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LATER_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        if self._later and not self._jobs.full():
            self._jobs.put_nowait(self._later.pop())

    async def read(self, question: Callable[[Tx], T]) -> T:
        """Ask the last committed state."""
        reader = self._reader
        if reader is None:
            raise Refused(Why.BUSY, "The store is closed; the rail is starting or stopping")
        return await reader.call(lambda db: question(Tx(db)))

    async def close(self) -> None:
        """Finish what is queued, then let `run` end."""
        if self._timer is not None:
            self._timer.cancel()
        await self._jobs.put(None)

    async def shut(self) -> None:
        """Close the connections, after `run` has ended."""
        for connection in (self._writer, self._reader):
            if connection is not None:
                await connection.close()
        self._writer = self._reader = None

    def _committing(self, jobs: list[_Job]) -> Callable[[sqlite3.Connection], None]:
        return lambda db: self._commit(db, jobs)

    def _commit(self, db: sqlite3.Connection, jobs: list[_Job]) -> None:
        try:
            db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                _run_in_savepoint(db, job)
            db.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - whatever the disk says, those who wait must hear it
            if db.in_transaction:
                db.execute("ROLLBACK")
            log.error("store.commit_failed", path=str(self._path), error=repr(error))  # noqa: TRY400 - the text says it all
            for job in jobs:
                job.error = job.error or Refused(Why.BUSY, f"The store could not write ({error}); try again later")

    def _hand_out(self, jobs: list[_Job]) -> None:
        for job in jobs:
            if job.error is None and job.tx is not None:
                self._on_commit(job.tx)
            if job.done.cancelled():
                continue
            if job.error is not None:
                job.done.set_exception(job.error)
                job.done.exception()  # nobody may be waiting
            else:
                job.done.set_result(job.result)


def _run_in_savepoint(db: sqlite3.Connection, job: _Job) -> None:
    db.execute("SAVEPOINT job")
    try:
        job.tx = Tx(db)
        job.result = job.change(job.tx)
    except sqlite3.OperationalError:
        raise  # the disk's word concerns the whole batch
    except Exception as error:  # noqa: BLE001 - handed to the one who asked
        job.error = error
        db.execute("ROLLBACK TO job")
    db.execute("RELEASE job")


def run_apart(tx: Tx, change: Callable[[Tx], T]) -> T:
    """Run `change` inside `tx` so that its failure leaves the rest of `tx` standing."""
    inner = Tx(tx.db)
    tx.db.execute("SAVEPOINT part")
    try:
        result = change(inner)
    except Refused:
        tx.db.execute("ROLLBACK TO part")
        tx.db.execute("RELEASE part")
        raise
    tx.db.execute("RELEASE part")
    tx.pushes.extend(inner.pushes)
    tx.wakes |= inner.wakes
    tx.updates.extend(inner.updates)
    return result


def configure(db: sqlite3.Connection) -> None:
    """The house's settings: every commit is on disk before it is reported."""
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA cache_size = -32768")  # KiB
    db.execute("PRAGMA wal_autocheckpoint = 4000")


def check(db: sqlite3.Connection, path: Path) -> None:
    """See that the file is sound and of this version, made when absent. Raises `StoreDamaged`."""
    way_out = (
        "stop the rail, then restore this file (with its -wal and -shm) from a backup, or move it away to start empty"
    )
    try:
        configure(db)
        verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict == "ok":
            _migrate(db, path)
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(f"{path} is not a sound SQLite file ({error}); {way_out}") from error
    if verdict != "ok":
        raise StoreDamaged(f"{path} is damaged ({verdict}); {way_out}")
    path.chmod(0o600)


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone()
    if known is None:
        schema = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
        db.executescript(f"BEGIN IMMEDIATE;\n{schema}\nCOMMIT;")
    version = int(db.execute("SELECT version FROM schema_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise StoreDamaged(f"{path} has schema {version}, this program knows {SCHEMA_VERSION}: run the newer program")
    # A table is made anew where SQLite cannot alter it, which references to it would forbid. Checked below.
    db.execute("PRAGMA foreign_keys = OFF")
    for step in range(version + 1, SCHEMA_VERSION + 1):
        db.executescript(f"BEGIN IMMEDIATE;\n{MIGRATIONS[step]}\nUPDATE schema_version SET version = {step};\nCOMMIT;")
    db.execute("PRAGMA foreign_keys = ON")
    if version < SCHEMA_VERSION and (broken := db.execute("PRAGMA foreign_key_check").fetchone()) is not None:
        raise StoreDamaged(f"{path}: a row of {broken[0]} names a row that is not there")
