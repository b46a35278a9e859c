"""The Client API of a thread's timer: show it, set it, end it."""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from rails.kit import accounts, timers
from rails.kit.acts import Acts
from rails.kit.addressing import Addressing, Resolved
from rails.kit.answers import body_of, guarded, json_answer, token_of
from rails.kit.metrics import Metrics
from rails.kit.model import Refused, Why
from rails.kit.rail import Json
from rails.kit.store import Store, Tx
from rails.kit.timers import Timer

Seconds = Annotated[int, Meta(ge=0, le=366 * 24 * 3600)]


class NewTimer(msgspec.Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """How long what is written in a thread from now on lasts; 0 (or left out): not for that reason; both: it stays."""

    with_: str | None = None
    thread: str | None = None
    after_s: Seconds = 0
    after_read_s: Seconds = 0


class TimersApi:
    """The handlers."""

    def __init__(self, *, store: Store, acts: Acts, addressing: Addressing, metrics: Metrics) -> None:
        self._store, self._acts, self._addressing, self._metrics = store, acts, addressing, metrics

    def routes(self) -> list[web.RouteDef]:
        return [web.put("/client/v1/timer", guarded(self._set, self._metrics))]

    async def _set(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, NewTimer)
        address = asked.with_ or asked.thread
        if not address:
            raise Refused(Why.BAD_REQUEST, 'Expected "with": a handle, or "thread": a thread id')
        timer = Timer(after_s=asked.after_s, after_read_s=asked.after_read_s)

        def within(tx: Tx, resolved: Resolved) -> Json:
            me = accounts.session_account(tx, token)
            other = self._addressing.addressee(tx, me, address, resolved, unknown=Why.NOT_FOUND)
            return {**msgspec.to_builtins(timers.put(tx, self._acts, by=me, other=other, timer=timer))}

        return json_answer(await self._addressing.asking(token, within, self._store.write))
