"""The Client API of being there: say that I am, ask whether somebody is."""

import msgspec
from aiohttp import web

from rails.kit import accounts, presence
from rails.kit.acts import Acts
from rails.kit.answers import body_of, guarded, json_answer, token_of
from rails.kit.metrics import Metrics
from rails.kit.model import Kind, Refused, Why
from rails.kit.rail import Json
from rails.kit.store import Store, Tx


class PresenceSign(msgspec.Struct, frozen=True, kw_only=True):
    """I am there (for a minute, or until I say so again), or no longer."""

    on: bool = True


class PresenceApi:
    """The handlers."""

    def __init__(self, *, store: Store, acts: Acts, metrics: Metrics) -> None:
        self._store, self._acts, self._metrics = store, acts, metrics

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/client/v1/presence", guarded(self._say, self._metrics)),
            web.get("/client/v1/presence", guarded(self._ask, self._metrics)),
        ]

    async def _say(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, PresenceSign)
        acts = self._acts

        def say(tx: Tx) -> None:
            me = accounts.session_account(tx, token)
            presence.say(tx, acts.rail, acts.presences, me=me, on=asked.on, now_ms=acts.now_ms())

        await self._store.write(say)
        return web.Response(status=204)

    async def _ask(self, request: web.Request) -> web.Response:
        token, address = token_of(request), request.query.get("with", "")
        acts = self._acts

        def ask(tx: Tx) -> Json:
            me = accounts.session_account(tx, token)
            other = accounts.by_handle(tx, accounts.normal_handle(acts.rail, address)) if address else None
            if other is None or other.kind is Kind.GROUP:
                raise Refused(Why.NOT_FOUND, f"with: nobody known here is {address[:100]!r}")
            return presence.of(tx, acts.presences, me=me, other=other, now_ms=acts.now_ms())

        return json_answer(await self._store.write(ask))
