"""Starting, draining and restarting daemons.

`run_daemon` runs a daemon's main coroutine until it ends or a signal asks it to; `supervise` runs a part of one and
starts it again when it crashes; `until_closed` makes a connection that was given up fatal, so that whoever
supervises the process starts it afresh.
"""

import asyncio
import importlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from bus.connection import Connection

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_STEADY_AFTER_S = 30.0

_log = structlog.get_logger(__name__)


class ConnectionClosed(Exception):
    """The connection to the bus was given up for good. The daemon has to be started again."""


def run_daemon(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Run `main` to its end; the exit code. SIGINT and SIGTERM cancel it, so that its `finally` blocks drain: 0."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_until_signal(main))


async def _until_signal(main: Callable[[], Coroutine[Any, Any, None]]) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine that a runner runs has one
    asked: list[str] = []

    def stop(name: str) -> None:
        if not asked:  # a second signal changes nothing: draining is bounded by its own limits
            asked.append(name)
            _log.info("daemon.stopping", signal=name)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number.name)
    try:
        await main()
    except asyncio.CancelledError:
        if not asked:
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    _log.info("daemon.stopped")
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """That of uvloop where it is installed: a third more requests a second."""
    try:
        factory: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return factory


async def until_closed(conn: Connection) -> None:
    """Run beside a daemon's other tasks: raises `ConnectionClosed` when nats-py has given the connection up."""
    await conn.closed.wait()
    raise ConnectionClosed(f"{conn.name}: the connection to the bus is closed for good. Start the daemon again.")
