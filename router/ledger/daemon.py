"""The ledger daemon: one SQLite file, kept up with the log, and the questions about it.

Started by `trinario ledger run` and `up`. A file that is damaged, of another version, or made from another log is put
aside and made anew: there is nothing in it that the log does not have.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import structlog

from bus import topology
from bus.config import ConfigurationError, Settings
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.health import HealthServer
from bus.keys import LEDGER, ensure_keys
from bus.metrics import Sample
from bus.runtime import until_closed
from bus.service import CannotAnswer, Service
from bus.sqlite import Store, StoreError
from router.ledger import service
from router.ledger.losses import Losses
from router.ledger.projector import OtherLog, Projector, last_sequence
from router.ledger.queries import Queries
from router.ledger.store import delete, open_store

FILE = "ledger.db"
_LOOK_EVERY_S = 2.0
NICE = 10
_AWAY = (NotConnected, NoAnswer, NoResponder, ApiError)

_log = structlog.get_logger(__name__)


def path_in(data: Path) -> Path:
    """Where the ledger of a data folder is."""
    return data / LEDGER / FILE


def yield_to_others() -> None:
    """Leave the CPU to the daemons that carry messages: nobody waits for the ledger. Only in a process of its own."""
    os.nice(NICE)


async def run(settings: Settings, *, ready: Callable[[dict[str, Any]], None]) -> None:
    """Keep the ledger and answer, until cancelled. `ready` is told the health address once questions are answered.

    Raises `ConfigurationError`, `NotConnected`, `TopologyError`, `AddressTaken`, and `ConnectionClosed` when the bus is
    lost for good: whoever supervises starts it again.
    """
    ledger = await build(settings)
    try:
        await ledger.run(ready)
    finally:
        await ledger.close()


async def build(settings: Settings) -> "Ledger":
    """Connect, check that the bus is the one that is meant, and wire everything."""
    if settings.data is None or settings.nats.url is None:
        raise ConfigurationError(
            "The ledger needs `data` and `nats.url`. `trinario up` and `trinario ledger run` set both."
        )
    lock = _take_lock(path_in(settings.data).parent)
    keys = ensure_keys(settings.data / "keys", [LEDGER])
    try:
        conn = await Connection.open(url=settings.nats.url, seed=keys[LEDGER].seed, name=LEDGER, role=LEDGER)
    except NotConnected:
        lock.close()
        raise
    try:
        await topology.check(conn, partitions=settings.router.partitions)
        path = path_in(settings.data)
        return Ledger(conn=conn, path=path, search=settings.ledger.search, port=settings.ledger.port, lock=lock)
    except BaseException:
        await conn.close()
        lock.close()
        raise


def _take_lock(folder: Path) -> TextIO:
    """An open file that is locked for as long as it is open, however its holder ends. Raises `ConfigurationError`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / ".lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ConfigurationError(
            f"Another ledger keeps {folder}. One is enough: stop it, or name another data folder for this one."
        ) from None
    return lock


class Ledger:
    """One file and its daemon."""

    def __init__(
        self, *, conn: Connection, path: Path, search: bool, port: int = 0, lock: TextIO | None = None
    ) -> None:
        """`lock`: held until it is closed, so that the file is nobody else's."""
        self._conn, self._path, self._search, self._lock = conn, path, search, lock
        self._open: tuple[Queries, Losses] | None = None
        self._projector: Projector | None = None
        self._again, self._first = asyncio.Event(), asyncio.Event()
        self._last = 0
        self._builds = 0
        self._is_answering = False
        self._health = HealthServer(
            name=LEDGER,
            port=port,
            ready=lambda: self._is_answering and self._open is not None,
            status=self.status,
            metrics=self.samples,
        )

    def status(self) -> Mapping[str, Any]:
        """What `trinario status` shows. `pending`: log records not taken in yet, as of the last two seconds."""
        cursor = self._projector.cursor if self._projector is not None else 0
        at_ms = self._projector.at_ms if self._projector is not None else 0
        pending = max(0, self._last - cursor)
        return {
            "state": "following" if self._open is not None else "opening",
            "cursor": cursor,
            "last": max(self._last, cursor),
            "pending": pending,
            "lag_ms": max(0, int(time.time() * 1000) - at_ms) if pending and at_ms else 0,
            "facts": self._projector.facts if self._projector is not None else 0,
            "search": self._search,
            "builds": self._builds,
        }

    def samples(self) -> Iterator[Sample]:
        """The same numbers for Prometheus."""
        now = self.status()
        yield Sample("trinario_bus_connected", self._conn.is_connected)
        yield Sample("trinario_ledger_pending", now["pending"])
        yield Sample("trinario_ledger_lag_seconds", now["lag_ms"] / 1000)
        yield Sample("trinario_ledger_log_sequence", now["cursor"])
        yield Sample("trinario_ledger_facts", now["facts"])

    def opened(self) -> tuple[Queries, Losses]:
        """See `service.Answering`."""
        if self._open is None:
            raise CannotAnswer("The ledger's file is being made anew; ask again in a moment.")
        return self._open

    async def behind(self, *, within_s: float) -> int:
        """See `service.Answering`."""
        if self._projector is None:
            return 1
        return await self._projector.caught_up(within_s=within_s)

    def rebuild(self) -> None:
        """See `service.Answering`."""
        self._again.set()

    async def run(self, ready: Callable[[dict[str, Any]], None]) -> None:
        """Until cancelled, or the connection is closed for good."""
        await self._health.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(until_closed(self._conn))
            group.create_task(self._look())
            group.create_task(self._keep())
            group.create_task(self._answer(ready))

    async def close(self) -> None:
        """Close what is open."""
        await self._health.stop()
        await self._conn.close()
        if self._lock is not None:
            self._lock.close()

    async def _answer(self, ready: Callable[[dict[str, Any]], None]) -> None:
        await self._first.wait()
        answering = await Service.open(
            self._conn,
            name=LEDGER,
            version=service.VERSION,
            description=service.DESCRIPTION,
            questions=service.questions(self),
        )
        try:
            self._is_answering = True
            ready({"name": LEDGER, "url": self._health.url})
            await asyncio.get_running_loop().create_future()
        finally:
            self._is_answering = False
            if self._conn.is_connected:
                await answering.close()

    async def _look(self) -> None:
        while True:
            with suppress(*_AWAY):
                self._last = await last_sequence(self._conn)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _keep(self) -> None:
        """One store after another: each is followed until it has to be made anew."""
        while True:
            store = await self._opened_store()
            try:
                await self._follow(store)
            finally:
                self._open = self._projector = None
                await store.close()
            delete(self._path)

    async def _follow(self, store: Store) -> None:
        """Until somebody wants it made anew, or it has to be."""
        self._again.clear()
        self._builds += 1
        self._projector = Projector(conn=self._conn, store=store, search=self._search)
        queries = Queries(store)
        self._open = queries, Losses(store, queries)
        self._first.set()
        following = asyncio.create_task(self._projector.run(), name="ledger.following")
        asked = asyncio.create_task(self._again.wait(), name="ledger.asked")
        try:
            await asyncio.wait({following, asked}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                await following
            _log.info("ledger.rebuilt", reason="it was asked for")
        except OtherLog as error:
            _log.warning("ledger.rebuilt", reason=str(error))
        finally:
            for task in (following, asked):
                task.cancel()
            await asyncio.gather(following, asked, return_exceptions=True)

    async def _opened_store(self) -> Store:
        try:
            return await open_store(self._path)
        except StoreError as error:
            _log.error("ledger.put_aside", path=self._path.name, reason=str(error))
            self._path.replace(self._path.with_suffix(".aside"))
            delete(self._path)
            return await open_store(self._path)
