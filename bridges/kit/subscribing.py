"""Being the rail's federation partner: told where to send webhooks, now and again, and taking over its accounts.

Run by the daemon for as long as the bridge runs. Who is on the rail is listed once; later ones come by webhook.
"""

import asyncio
import secrets
from functools import partial

import msgspec
import structlog

from bridges.kit import extension, reports
from bridges.kit.contract import Translator
from bridges.kit.outbox import Outbox
from bridges.kit.outlet import Outlet
from bridges.kit.rail import RailAway, RailClient, Unanswered
from bus.sqlite import Store

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
AGAIN_S = 30.0


class Subscriber:
    """One rail's subscription. `verify_token` is what the rail shows in its handshake."""

    def __init__(
        self, *, translator: Translator, client: RailClient, store: Store, outbox: Outbox, outlet: Outlet
    ) -> None:
        self._rail, self._translator, self._client = translator.rail, translator, client
        self._store, self._outbox, self._outlet = store, outbox, outlet
        self.verify_token = secrets.token_urlsafe(24)
        self.has_subscribed = asyncio.Event()

    async def run(self, callback: str) -> None:
        """Subscribe, and again now and then (a rail may start anew, too); take over the list of accounts once."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                if await self._subscribe(callback):
                    if not self.has_subscribed.is_set():
                        await self._list_accounts()
                    self.has_subscribed.set()
                    pause_s = AGAIN_S
            except (RailAway, Unanswered, msgspec.DecodeError) as error:
                _log.warning("rail.unreachable", rail=self._rail, reason=type(error).__name__)
            await asyncio.sleep(pause_s)
            pause_s = AGAIN_S if self.has_subscribed.is_set() else min(pause_s * 2, LONGEST_PAUSE_S)

    async def _subscribe(self, callback: str) -> bool:
        answer = await self._client.ask(
            extension.subscription(
                callback_url=f"{callback}/webhook",
                verify_token=self.verify_token,
                resolve_url=f"{callback}/resolve",
            )
        )
        if answer.status != 200:
            verdict = self._translator.judge(answer.status, answer.body)
            _log.error("subscription.refused", rail=self._rail, status=answer.status, reason=verdict.text)
            self._outlet.trouble = "bad_credentials" if verdict.outcome == "bad_credentials" else "refused"
            return False
        if self._outlet.trouble in ("bad_credentials", "refused"):
            self._outlet.trouble = ""
        return True

    async def _list_accounts(self) -> None:
        """Publish whoever the federation has not heard of under this name."""
        after: str | None = ""
        while after is not None:
            answer = await self._client.ask(extension.accounts(after))
            if answer.status != 200:
                raise Unanswered(f"The rail did not list its accounts: HTTP {answer.status}.")
            page = extension.read_accounts(answer.body)
            await self._store.write(
                partial(reports.report_accounts, outbox=self._outbox, rail=self._rail, found=page.accounts)
            )
            self._outbox.wake()
            after = page.next
