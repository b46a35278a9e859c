"""A ledger in this process, and one in a process of its own that may be killed, on a real nats-server with a router."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from router.ledger.daemon import Ledger, build, path_in
from tests.integration.conftest import Bus
from tests.integration.ledger.process import settings
from tests.integration.router.conftest import start_router  # noqa: F401 - a fixture

StartLedger = Callable[..., Awaitable[Ledger]]
TABLES = (
    "messages native_ids results changes receipts reach people accounts members groups words".split()  # noqa: SIM905
)


@pytest.fixture
async def start_ledger(nats_server: Bus) -> AsyncIterator[StartLedger]:
    """Starts a ledger in this process, until it answers; `stop` is the answer's."""
    running: list[tuple[Ledger, asyncio.Task[None]]] = []

    async def start(data: Path | None = None, *, search: bool = True) -> Ledger:
        ledger = await build(settings(data or nats_server.folder, nats_server.url, search=search))
        is_ready = asyncio.Event()
        task = asyncio.create_task(ledger.run(lambda _: is_ready.set()))
        running.append((ledger, task))
        await is_ready.wait()
        return ledger

    async def stop() -> None:
        while running:
            ledger, task = running.pop()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await ledger.close()

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    await stop()


class LedgerProcess:
    """A ledger in a process of its own, on the bus's own data folder."""

    def __init__(self, bus: Bus) -> None:
        self.path = path_in(bus.folder)
        self._words = [sys.executable, "-m", settings.__module__, str(bus.folder), bus.url]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(self._words)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)
        self._process = None

    def end(self) -> None:
        """After a test: whatever state it is in."""
        if self._process is not None:
            self.kill()


@pytest.fixture
def ledger_process(nats_server: Bus) -> Iterator[LedgerProcess]:
    """Not yet started."""
    made = LedgerProcess(nats_server)
    yield made
    made.end()


def dump(path: Path) -> dict[str, list[Any]]:
    """Everything a ledger has, but its cursor: table -> rows."""
    connection = sqlite3.connect(path)
    found = {
        table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}")))  # noqa: S608 - our tables
        for table in TABLES
    }
    connection.close()
    return found
