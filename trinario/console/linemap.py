"""The live part of the line map: entries of the log as they are committed, and how each station is doing.

Runs only while a page shows the map, once a page. A page is shown what it can look at, not every entry of a flood: at
most `_ENTRIES_A_FRAME` entries ten times a second, and how many were left out.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from bus import dead, subjects
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from schemas.errors import NotUnderstood
from trinario.console.buslink import BusAway, BusLink
from trinario.console.sights import told
from trinario.place import Running
from trinario.standing import UNREACHABLE
from trinario.status import collected

Push = Callable[[dict[str, Any]], Awaitable[None]]
"""Sends one frame to the page."""

_HISTORY_RECORDS = 60
_ENTRIES_A_FRAME = 100
_FRAME_S, _LOOK_S, _AGAIN_S = 0.1, 1.0, 1.0
_AWAY = (BusAway, NotConnected, NoAnswer, NoResponder, ApiError, ReaderLost, HistoryGone, RolledBack)

_log = structlog.get_logger(__name__)


class LineMap:
    """What one page is shown, until cancelled."""

    def __init__(self, *, link: BusLink, running: Running, push: Push) -> None:
        self._link, self._running, self._push = link, running, push

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._entries())
            group.create_task(self._stations())

    async def _entries(self) -> None:
        after: int | None = None
        while True:
            try:
                connection = self._link.connection
                after = await self._begin(connection) if after is None else after
                reader = await Reader.open(connection, stream=subjects.LOG, after=after)
                try:
                    after = await self._follow(reader, after)
                finally:
                    await reader.close()
            except (HistoryGone, RolledBack):
                after = None
            except _AWAY as error:
                _log.debug("map.bus_away", reason=str(error))
            await asyncio.sleep(_AGAIN_S)

    async def _begin(self, connection: Connection) -> int:
        state = (await connection.api(f"STREAM.INFO.{subjects.LOG}"))["state"]
        return int(max(state["first_seq"] - 1, state["last_seq"] - _HISTORY_RECORDS, 0))

    async def _follow(self, reader: Reader, after: int) -> int:
        """Show what comes until the reader is lost; the last sequence shown."""
        while True:
            try:
                records = await reader.pull(limit=256)
            except ReaderLost:
                return after
            if not records:
                continue
            entries: list[dict[str, Any]] = []
            for record in records:
                try:
                    entries += told(record)
                except NotUnderstood:
                    _log.warning("entry.not_understood", sequence=record.sequence)
            after = records[-1].sequence
            shown = entries[-_ENTRIES_A_FRAME:]
            await self._push({"type": "entries", "entries": shown, "left_out": len(entries) - len(shown)})
            await asyncio.sleep(_FRAME_S)

    async def _stations(self) -> None:
        """The daemons have no way of telling, so they are asked, all at once, and changes are shown."""
        before: dict[str, Any] = {}
        while True:
            found = await collected(self._running)
            found["nats"] = await self._bus()
            if found != before:
                await self._push({"type": "stations", "stations": found})
                before = found
            await asyncio.sleep(_LOOK_S)

    async def _bus(self) -> dict[str, Any]:
        try:
            connection = self._link.connection
            log = (await connection.api(f"STREAM.INFO.{subjects.LOG}"))["state"]
            letters = sum((await dead.counts(connection)).values())
        except _AWAY:
            return {"state": UNREACHABLE}
        return {"state": "connected", "log_records": log["messages"], "dead": letters}
