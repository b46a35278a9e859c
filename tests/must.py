"""The one place in the tests that waits: for a condition, with a generous limit, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.25


async def eventually(check: Callable[[], Awaitable[T]], *, within_s: float = PATIENCE_S) -> T:
    """Call `check` until it no longer raises AssertionError (or OSError); its answer, or its last error."""
    deadline = time.monotonic() + within_s
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await check()
        except (AssertionError, OSError):
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
