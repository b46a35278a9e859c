"""Messages whose files have to be fetched first, and those that came after them in their threads.

The webhook is answered once they are on disk: a large file must not keep the rail from telling the rest. Each thread
goes on in its order; threads go on side by side. Killed at any point, it goes on from the table.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from sqlite3 import Connection as Transaction

import msgspec
import structlog

from bridges.kit import idmap, receipts
from bridges.kit.contract import NativeContent, NativeFiles, NativeMessage
from bridges.kit.files import Files
from bridges.kit.outbox import AWAY
from bridges.kit.rail import RailAway, Unanswered
from bus.connection import ApiError
from bus.media import MediaFull
from bus.sqlite import Store, StoreError
from schemas.content import Content, Unsupported
from schemas.errors import NotUnderstood

_log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Files on their way at one time."""
THREADS_MOST = 1000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 30.0
PATIENCE_MS = 24 * 3600_000
"""How long a file is tried; then people are told in words."""

_NOT_NOW = (
    RailAway,
    Unanswered,
    MediaFull,
    ApiError,
    NotUnderstood,
    StoreError,
    sqlite3.OperationalError,
    OSError,
    *AWAY,
)
_natives = msgspec.msgpack.Decoder(NativeMessage)


class _Held(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    native: NativeMessage
    taken_at_ms: int


def hold(tx: Transaction, native: NativeMessage, now_ms: int) -> None:
    """Keep a message until its turn; one that is here or claimed already stays as it is."""
    if idmap.by_native(tx, [native.native_id]):
        return
    thread = receipts.thread_of(native.author, native.recipient)
    tx.execute(
        "INSERT OR IGNORE INTO held (native_id, thread, payload, taken_at_ms) VALUES (?, ?, ?, ?)",
        (native.native_id, thread, msgspec.msgpack.encode(native), now_ms),
    )


def must_wait(tx: Transaction, native: NativeMessage) -> bool:
    """Whether earlier messages of the thread are still waiting (or this one is)."""
    thread = receipts.thread_of(native.author, native.recipient)
    return tx.execute("SELECT 1 FROM held WHERE thread = ? LIMIT 1", (thread,)).fetchone() is not None


def let_go(tx: Transaction, native_id: str) -> None:
    """It has been claimed."""
    tx.execute("DELETE FROM held WHERE native_id = ?", (native_id,))


class Arrivals:
    """Empties the table `held`. `claim` publishes a message with the content given, and lets it go."""

    def __init__(
        self,
        *,
        store: Store,
        files: Files,
        claim: Callable[[NativeMessage, Content], Awaitable[None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._store, self._files, self._claim, self._now_ms = store, files, claim, now_ms
        self._busy: set[str] = set()
        self._wake = asyncio.Event()
        self._wake.set()
        self._slots = asyncio.Semaphore(AT_ONCE)

    def wake(self) -> None:
        """There are messages."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wake.wait()
                self._wake.clear()
                rows = await self._store.read("SELECT DISTINCT thread FROM held LIMIT ?", (THREADS_MOST,))
                for thread in {str(row[0]) for row in rows} - self._busy:
                    self._busy.add(thread)
                    tasks.create_task(self._drain(thread))

    async def _drain(self, thread: str) -> None:
        """The messages of a thread, one after the other."""
        pause_s = FIRST_PAUSE_S
        try:
            while (held := await self._first(thread)) is not None:
                try:
                    async with self._slots:
                        content = await self._content(held)
                    await self._claim(held.native, content)
                    pause_s = FIRST_PAUSE_S
                except _NOT_NOW as error:
                    _log.warning("arrival.put_off", native_id=held.native.native_id, reason=type(error).__name__)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        finally:
            self._busy.discard(thread)
            self._wake.set()

    async def _first(self, thread: str) -> _Held | None:
        rows = await self._store.read(
            "SELECT id, payload, taken_at_ms FROM held WHERE thread = ? ORDER BY id LIMIT 1", (thread,)
        )
        return next((_Held(id=row[0], native=_natives.decode(row[1]), taken_at_ms=row[2]) for row in rows), None)

    async def _content(self, held: _Held) -> Content:
        content: NativeContent = held.native.content
        if not isinstance(content, NativeFiles):
            return content
        if self._now_ms() - held.taken_at_ms > PATIENCE_MS:
            return content.caption or Unsupported(what=f"{content.items[0].kind}: it could not be fetched")
        return await self._files.fetched(content, held.native.expires)
