"""Messages whose time is over, on a rail that has that itself: it takes them back by itself, whoever else does.

What the federation partner asks for later finds it done. Rails without it (`Abilities.vanishes`) wait for the partner.
Run by the rail's daemon.
"""

import asyncio

import structlog

from rails.kit import accounts, edits, messages
from rails.kit.acts import Acts
from rails.kit.model import Refused
from rails.kit.store import Store, Tx

LOOK_EVERY_S = 2.0
_AT_ONCE = 100
_ENDS = "CASE WHEN json_valid(details) THEN json_extract(details, '$.expires_at_ms') END"
"""As the index `messages_expiring` has it."""

log = structlog.get_logger(__name__)


class Expiring:
    """One rail's."""

    def __init__(self, *, store: Store, acts: Acts) -> None:
        self._store, self._acts = store, acts

    async def run(self) -> None:
        """Until cancelled."""
        while self._acts.rail.abilities.vanishes:
            try:
                if await self._store.read(self._due):
                    await self._store.write(self._end)
            except Refused as no:  # the disk is full or slow: the next look will do
                log.warning("expiring.put_off", rail_error=no.text)
            await asyncio.sleep(LOOK_EVERY_S)

    def _due(self, tx: Tx) -> list[str]:
        rows = tx.all(
            f"SELECT native_id FROM messages WHERE ({_ENDS}) IS NOT NULL AND ({_ENDS}) <= ? LIMIT ?",  # noqa: S608 - ours
            self._acts.now_ms(),
            _AT_ONCE,
        )
        return [row[0] for row in rows]

    def _end(self, tx: Tx) -> None:
        for native_id in self._due(tx):
            message = messages.by_native_id(tx, native_id)
            if message is not None:
                author = accounts.required(tx, message.sender_id)
                edits.end(tx, self._acts, message=message, author=author)
