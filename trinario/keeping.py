"""Keeping daemons running: each is started again when it dies, after a pause that grows while it keeps dying.

A `Part` says how to run it inside this process and how to run it as a process of its own; who keeps it does not care.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import structlog

from trinario.failures import Failed, first_cause

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
_STEADY_AFTER_S = 10.0
_READY_WITHIN_S = 60.0
_POLL_S = 0.02
_DRAIN_WITHIN_S, _ASKED = 6.0, 4
"""Longer than any daemon drains (5 s)."""

_log = structlog.get_logger(__name__)


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One daemon. `url` is where it serves ``/readyz``."""

    name: str
    url: str
    words: tuple[str, ...]
    """What runs it as a process of its own: ``trinario`` and these words."""
    run: Callable[[], Coroutine[Any, Any, None]]
    """What runs it in this process, until cancelled."""


Runner = Callable[[Part], Awaitable[None]]


@asynccontextmanager
async def kept(parts: Sequence[Part], *, runner: Runner, say: Callable[[str], None]) -> AsyncIterator[None]:
    """Run these parts for as long as the block lasts; at its end they are drained, all at once.

    No task group: it would wait without limit, and a library may swallow the one cancellation that a task gets.
    """
    tasks = [asyncio.create_task(keep(part, runner=runner, say=say), name=part.name) for part in parts]
    try:
        yield
    finally:
        await _drained(tasks, say)


async def _drained(tasks: Sequence[asyncio.Task[None]], say: Callable[[str], None]) -> None:
    """Have these end, each in its own time. One that has swallowed the request is asked again."""
    for _ in range(_ASKED):
        running = [task for task in tasks if not task.done()]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_DRAIN_WITHIN_S)
    for task in tasks:
        if not task.done():
            say(f"{task.get_name()} does not end, and is left where it is.")


async def keep(part: Part, *, runner: Runner, say: Callable[[str], None]) -> None:
    """Run one part, again and again. Ends only when cancelled."""
    clock = asyncio.get_running_loop().time
    pause_s = FIRST_PAUSE_S
    while True:
        started_s = clock()
        try:
            await runner(part)
            why = "ended by itself"
        except Exception as error:  # noqa: BLE001 - whatever it died of, it is started again
            _log.exception("daemon.died", daemon=part.name)
            cause = first_cause(error)
            why = f"died: {str(cause) or type(cause).__name__}"
        if clock() - started_s > _STEADY_AFTER_S:
            pause_s = FIRST_PAUSE_S
        say(f"{part.name} {why}; starting it again in {pause_s:g} s.")
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def all_ready(parts: Sequence[Part], *, say: Callable[[str], None]) -> None:
    """Wait until every part says that it is ready. Raises `Failed` naming one that does not."""
    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(_ready(http, part, say))


async def _ready(http: aiohttp.ClientSession, part: Part, say: Callable[[str], None]) -> None:
    said = "it does not answer"
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while True:
                try:
                    async with http.get(f"{part.url}/readyz") as answer:
                        if answer.status == 200:
                            break
                        said = (await answer.text()).strip()
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        raise Failed(f"{part.name} was not ready within {_READY_WITHIN_S:g} s at {part.url}: {said}.") from None
    say(f"{part.name} is ready at {part.url}")
