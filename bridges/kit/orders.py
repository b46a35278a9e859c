"""Tells the rail the federation's order of messages that were written there, many at a time. Ranks never change."""

import asyncio
from sqlite3 import Connection as Transaction

import structlog

from bridges.kit import extension
from bridges.kit.contract import Translator
from bridges.kit.rail import RailAway, RailClient, Unanswered
from bus.sqlite import Store

_log = structlog.get_logger(__name__)

BATCH = 500
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class OrderTeller:
    """Empties the table `orders`."""

    def __init__(self, *, translator: Translator, client: RailClient, store: Store) -> None:
        self._translator, self._client, self._store = translator, client, store
        self._wake = asyncio.Event()
        self._wake.set()

    def wake(self) -> None:
        """There are ranks to be told."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Telling twice is harmless."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            while ranks := await self._store.write(_some):
                if await self._tell(ranks):
                    pause_s = FIRST_PAUSE_S
                else:
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _tell(self, ranks: dict[str, int]) -> bool:
        try:
            answer = await self._client.ask(extension.orders(ranks))
        except (RailAway, Unanswered):
            return False
        verdict = self._translator.judge(answer.status, answer.body)
        if verdict.outcome == "permanent":
            _log.error("orders.refused", rail=self._translator.rail, count=len(ranks), reason=verdict.code)
        elif verdict.outcome != "done":
            return False
        await self._store.write(
            lambda tx: tx.executemany("DELETE FROM orders WHERE native_id = ?", [(one,) for one in ranks]).rowcount
        )
        return True


def _some(tx: Transaction) -> dict[str, int]:
    return dict(tx.execute("SELECT native_id, rank FROM orders LIMIT ?", (BATCH,)).fetchall())
