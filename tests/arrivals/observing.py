"""Everything is sent once for each kind and ordered pair of rails, some at a time, and looked at on both others."""

import asyncio
from collections.abc import Mapping

from tests.arrivals.kinds import KINDS, observe
from tests.arrivals.table import PAIRS
from tests.arrivals.town import Arrived, Town

AT_ONCE = 8

Observed = Mapping[tuple[str, str, str], dict[str, Arrived] | Exception | None]
"""Kind, rail it was sent from, rail it was sent to -> what arrived on both others, or why that could not be seen."""


async def observed(town: Town) -> Observed:
    """All of it."""
    found: dict[tuple[str, str, str], dict[str, Arrived] | Exception | None] = {}
    slots = asyncio.Semaphore(AT_ONCE)

    async def look(kind: str, rail: str, to: str) -> None:
        async with slots:
            try:
                found[kind, rail, to] = await observe(town, kind, rail, to)
            except Exception as error:  # noqa: BLE001 - it is that pair's, and its test tells it
                found[kind, rail, to] = error

    async with asyncio.TaskGroup() as tasks:
        for kind in KINDS:
            for rail, to in PAIRS:
                tasks.create_task(look(kind, rail, to))
    return found
