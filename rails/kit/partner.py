"""The partner's courier: what the federation partner hears, up to 200 updates a POST, in order, until it is taken.

Updates come from the transactions that made them, by memory while it keeps up, from the outbox else. What somebody
waits for (a message, a read mark) goes at once; echoes of the partner's own posts and signs of delivery go along with
it, or together every `SLOW_S` under load. That an update was taken is on disk a little later: at least once, never at
most.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import islice

from rails.kit.model import Refused, Update
from rails.kit.outbox import PARTNER, updates_of
from rails.kit.store import Store

BATCH_LENGTH = 200
BATCH_BYTES = 512 * 1024
MOST_IN_MEMORY = 2000
SLOW_S = 0.2
STORE_WAIT_S = 0.5

Send = Callable[[list[Update]], Awaitable[bool | None]]
PutOff = Callable[[Update], Awaitable[Update | None]]


class PartnerCourier:
    """One courier for as long as the rail runs.

    `send` posts a batch: taken, not taken, or None: there is nobody to take it, now or ever. `put_off` keeps when an
    update is to be tried again.
    """

    def __init__(self, *, store: Store, send: Send, put_off: PutOff, now_ms: Callable[[], int]) -> None:
        self._store, self._send, self._put_off, self._now_ms = store, send, put_off, now_ms
        self._updates: deque[Update] = deque()
        self._last_id = 0
        self._is_behind, self._has_missed = True, False
        self._slow_from_s = 0.0
        self._wake = asyncio.Event()

    def offer(self, updates: Sequence[Update]) -> None:
        """These have been put into the outbox. Called in the order of their commits."""
        if self._is_behind or len(self._updates) >= MOST_IN_MEMORY:
            self._is_behind = self._has_missed = True
        else:
            self._take(updates)
        self._wake.set()

    def retry_now(self) -> None:
        """The partner has announced itself: do not wait for the back-off."""
        if self._updates:
            self._updates[0] = self._updates[0].due_at(0)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            try:
                wait_s = await self._step()
            except Refused:  # the disk is full or slow: what was posted will be posted again
                wait_s = STORE_WAIT_S
            if wait_s != 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()

    async def _step(self) -> float | None:
        """Do what is due; how long to wait before looking again, None: until woken."""
        if self._is_behind and len(self._updates) < BATCH_LENGTH:
            await self._read_on()
        if not self._updates:
            return None
        wait_s = self._wait_s()
        if wait_s <= 0:
            await self._post()
        return max(wait_s, 0)

    async def _read_on(self) -> None:
        self._has_missed = False
        after = self._last_id
        found = await self._store.read(lambda tx: updates_of(tx, PARTNER, after=after, limit=BATCH_LENGTH))
        self._take(found)
        self._is_behind = self._has_missed or len(found) == BATCH_LENGTH

    def _take(self, updates: Sequence[Update]) -> None:
        for update in updates:
            if update.id > self._last_id:
                self._updates.append(update)
                self._last_id = update.id

    def _wait_s(self) -> float:
        head = self._updates[0]
        if head.next_at_ms:
            return (head.next_at_ms - self._now_ms()) / 1000
        if self._is_behind or not all(update.slow for update in islice(self._updates, BATCH_LENGTH)):
            return 0
        return self._slow_from_s - asyncio.get_running_loop().time()

    async def _post(self) -> None:
        batch = of_one_post(list(islice(self._updates, BATCH_LENGTH)))
        taken = await self._send(batch)
        if taken is False:
            later = await self._put_off(batch[0])
            if later is not None:
                self._updates[0] = later
            return
        for _ in batch:
            self._updates.popleft()
        gone = [(update.id,) for update in batch]
        self._store.later(lambda tx: tx.db.executemany("DELETE FROM outbox WHERE id = ?", gone))
        self._slow_from_s = asyncio.get_running_loop().time() + SLOW_S


def of_one_post(updates: list[Update]) -> list[Update]:
    """The first updates that fit into one POST: of one kind, and not too many bytes; at least one."""
    size_bytes = 0
    for place, update in enumerate(updates):
        size_bytes += len(update.entry)
        if place and (update.kind != updates[0].kind or size_bytes > BATCH_BYTES):
            return updates[:place]
    return updates
