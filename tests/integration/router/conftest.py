"""A router in this process, and one in a process of its own that may be killed, on a real nats-server."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from router.daemon import Router, build
from tests.integration.conftest import RAILS, Bus
from tests.integration.router.process import settings

StartRouter = Callable[[], Awaitable[Router]]


@pytest.fixture
async def start_router(nats_server: Bus) -> AsyncIterator[StartRouter]:
    """Starts routers in this process; they drain after the test."""
    running: list[tuple[Router, asyncio.Task[None]]] = []

    async def start() -> Router:
        router = await build(settings(nats_server.folder, nats_server.url, RAILS))
        is_ready = asyncio.Event()
        task = asyncio.create_task(router.run(lambda _: is_ready.set()))
        running.append((router, task))
        await is_ready.wait()
        return router

    yield start
    for router, task in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await router.close()


class RouterProcess:
    """A router in a process of its own."""

    def __init__(self, bus: Bus, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        if not (data / "keys").exists():
            (data / "keys").symlink_to(bus.folder / "keys")
        self._words = [sys.executable, "-m", settings.__module__, str(data), bus.url, *RAILS]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(self._words)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def pause(self) -> None:
        """Stop it in its tracks."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on as if nothing had happened."""
        self._signal(signal.SIGCONT)

    def stop(self) -> int:
        """Ask it to drain; its exit code."""
        self._signal(signal.SIGTERM)
        return self._wait()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _wait(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        return process.wait(timeout=30)

    def end(self) -> None:
        """After a test: whatever state it is in."""
        if self._process is not None:
            self.kill()


@pytest.fixture
def router_process(nats_server: Bus) -> Iterator[Callable[[str], RouterProcess]]:
    """Makes router processes with a data folder each."""
    made: list[RouterProcess] = []

    def make(name: str) -> RouterProcess:
        made.append(RouterProcess(nats_server, nats_server.folder / name))
        return made[-1]

    yield make
    for process in made:
        process.end()
