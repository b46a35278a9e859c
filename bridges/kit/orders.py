"""Tells the rail the federation's order of messages that were written there, many at a time. Ranks never change.

What the rail has not been told goes first in the next batch of other calls (`take`), so that no read mark and no
message comes before the order that it rests on; when there is no such batch, it goes alone.
"""

import asyncio
from collections.abc import Mapping
from itertools import islice
from sqlite3 import Connection as Transaction

import structlog

from bridges.kit import extension
from bridges.kit.contract import Translator
from bridges.kit.rail import Answer, RailAway, RailClient, Unanswered
from bus.sqlite import Store

_log = structlog.get_logger(__name__)

BATCH = 500
EVERY_S = 0.2
"""Under load ranks that find no company are collected so long; the first after a pause goes at once."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class OrderTeller:
    """Empties the table `orders`. Telling twice is harmless."""

    def __init__(self, *, translator: Translator, client: RailClient, store: Store) -> None:
        self._translator, self._client, self._store = translator, client, store
        self._left: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._wake.set()

    def add(self, ranks: Mapping[str, int]) -> None:
        """These are in the table now, and the rail has to be told."""
        if ranks:
            self._left.update(ranks)
            self._wake.set()

    def take(self) -> dict[str, int]:
        """Some ranks for the caller to tell, who then calls `settle`."""
        if not self._left:
            return {}
        taken = dict(islice(self._left.items(), BATCH))
        for native_id in taken:
            del self._left[native_id]
        return taken

    def settle(self, ranks: Mapping[str, int], answer: Answer | None) -> bool:
        """What the rail has answered to `extension.orders`; None: nothing. Whether it is done."""
        if not ranks:
            return True
        verdict = self._translator.judge(answer.status, answer.body) if answer is not None else None
        if verdict is None or verdict.outcome not in ("done", "permanent"):
            self._left = {**ranks, **self._left}
            self._wake.set()
            return False
        if verdict.outcome == "permanent":
            _log.error("orders.refused", rail=self._translator.rail, count=len(ranks), reason=verdict.code)
        told = [(native_id,) for native_id in ranks]
        self._store.later(lambda tx: tx.executemany("DELETE FROM orders WHERE native_id = ?", told))
        return True

    async def run(self) -> None:
        """Until cancelled."""
        self.add(await self._store.write(_all, durable=False))
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            while ranks := self.take():
                if self.settle(ranks, await self._ask(ranks)):
                    pause_s = FIRST_PAUSE_S
                    await asyncio.sleep(EVERY_S)
                else:
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _ask(self, ranks: Mapping[str, int]) -> Answer | None:
        try:
            return await self._client.ask(extension.orders(ranks))
        except (RailAway, Unanswered):
            return None


def _all(tx: Transaction) -> dict[str, int]:
    return dict(tx.execute("SELECT native_id, rank FROM orders").fetchall())
