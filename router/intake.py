"""The intake: one reader a source stream, for all partitions of this router.

It hands each partition's messages to its lane and tells all lanes how far it has read. When a lane is full it stops
pulling, so what waits stays in the stream. Lanes that come late, or have been taken over anew, make it open its reader
again from the lowest position; a lane skips what it has had.
"""

import asyncio
from collections.abc import Collection, Mapping

import structlog

from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.stored import StoredMessage
from bus.subjects import ingress, ingress_stream
from router.anchors import check, extent
from router.partition import Lane
from schemas.ids import EventId

_PAUSE_S, _SETTLE_S = 0.2, 0.01
_WAIT_S = 2.0

_log = structlog.get_logger(__name__)


class Intake:
    """Reads one source for as long as `run` runs."""

    def __init__(
        self, conn: Connection, *, source: str, lanes: Mapping[int, Lane], partitions: int, batch: int
    ) -> None:
        self._conn, self._source, self._partitions, self._batch = conn, source, partitions, batch
        self._lanes = lanes
        self._changed = asyncio.Event()
        self._reading: asyncio.Timeout | None = None

    def lanes_changed(self) -> None:
        """Lanes have come or gone: the reader is opened anew. Hand-overs are rare, and opening takes milliseconds."""
        self._changed.set()
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.reschedule(0)

    async def run(self) -> None:
        """Read and hand out until cancelled."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(None) as reading:
                    self._reading = reading
                    try:
                        await self._read(dict(self._lanes))
                        await self._changed.wait()
                    finally:  # within the timeout: one that is over cannot be told of anything
                        self._reading = None
            except TimeoutError:
                await asyncio.sleep(_SETTLE_S)  # lanes come and go together
            except (ReaderLost, HistoryGone, RolledBack, NotConnected, NoAnswer, NoResponder, ApiError) as error:
                _log.warning("intake.interrupted", source=self._source, reason=str(error))
                await asyncio.sleep(_PAUSE_S)
                await self._conn.wait_connected(within_s=3600)

    async def _read(self, lanes: dict[int, Lane]) -> None:
        """Read for these lanes until they are others; return when there are none to read for."""
        await self._set_adrift(lanes)
        after = min((lane.position(self._source)[0] for lane in lanes.values()), default=None)
        if after is None:
            return
        reader = await Reader.open(
            self._conn, stream=ingress_stream(self._source), after=after, filters=self._filters(lanes)
        )
        by_subject = {ingress(self._source, partition): lane for partition, lane in lanes.items()}
        try:
            while True:
                messages = await reader.pull(limit=self._batch, wait_s=_WAIT_S)
                if messages:
                    await self._hand_out(messages, by_subject)
        finally:
            await reader.close()

    async def _set_adrift(self, lanes: dict[int, Lane]) -> None:
        """Lanes whose position no longer holds in the stream are taken over anew; the others read on."""
        has = await extent(self._conn, self._source)
        for partition, lane in list(lanes.items()):
            why = await check(self._conn, self._source, lane.position(self._source), has)
            if why != "holds":
                lane.set_adrift(f"{ingress_stream(self._source)}: {why}")
                del lanes[partition]

    def _filters(self, lanes: Collection[int]) -> list[str]:
        """Without a filter the server serves faster, and a router that owns everything needs none."""
        return [] if len(lanes) == self._partitions else [ingress(self._source, partition) for partition in lanes]

    async def _hand_out(self, messages: list[StoredMessage], by_subject: Mapping[str, Lane]) -> None:
        parts: dict[str, list[StoredMessage]] = {}
        for message in messages:
            parts.setdefault(message.subject, []).append(message)
        for subject, part in parts.items():
            if lane := by_subject.get(subject):
                lane.offer(self._source, part)
        last = messages[-1]
        cursor = (last.sequence, EventId(last.event_id or ""))
        for lane in by_subject.values():
            lane.pass_by(self._source, cursor)
        for subject in parts:
            if lane := by_subject.get(subject):
                await lane.room()
