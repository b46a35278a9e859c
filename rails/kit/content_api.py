"""The Client API of everything that is not a plain post: edits, unsends, reactions, votes, typing."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from rails.kit import accounts, edits, messages, reactions
from rails.kit.acts import Acts
from rails.kit.answers import body_of, guarded, json_answer, token_of
from rails.kit.metrics import Metrics
from rails.kit.model import Account, Message, Refused, Why
from rails.kit.showing import Showing
from rails.kit.store import Store, Tx


class NewText(msgspec.Struct, frozen=True, kw_only=True):
    """What my message says from now on. `markup`: as with a new message; left out, it stays as it was."""

    text: str
    markup: bool | None = None


class NewReaction(msgspec.Struct, frozen=True, kw_only=True):
    """My reaction: one emoji, or nothing to take it back."""

    emoji: str


class NewVote(msgspec.Struct, frozen=True, kw_only=True):
    """My choice in a poll, by places from 0; nothing to take it back."""

    options: list[int]


class TypingSign(msgspec.Struct, frozen=True, kw_only=True):
    """I am typing to somebody, or no longer."""

    to: str | None = None
    thread: str | None = None
    on: bool = True


class ContentApi:
    """The handlers."""

    def __init__(self, *, store: Store, acts: Acts, metrics: Metrics) -> None:
        self._store = store
        self._acts = acts
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        at = "/client/v1/messages/{native_id:.+}"
        table: list[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]]] = [
            ("PUT", f"{at}/reaction", self._react),
            ("PUT", f"{at}/vote", self._vote),
            ("PATCH", at, self._edit),
            ("DELETE", at, self._unsend),
            ("POST", "/client/v1/typing", self._typing),
        ]
        return [web.route(method, path, guarded(handler, self._metrics)) for method, path, handler in table]

    async def _edit(self, request: web.Request) -> web.Response:
        asked = await body_of(request, NewText)
        plain = None if asked.markup is None else not asked.markup

        def edit(tx: Tx, me: Account, native_id: str) -> Message:
            return edits.edit(tx, self._acts, author=me, native_id=native_id, text=asked.text, plain=plain)

        return await self._changing(request, edit)

    async def _unsend(self, request: web.Request) -> web.Response:
        return await self._changing(
            request, lambda tx, me, native_id: edits.unsend(tx, self._acts, author=me, native_id=native_id)
        )

    async def _react(self, request: web.Request) -> web.Response:
        asked = await body_of(request, NewReaction)

        def react(tx: Tx, me: Account, native_id: str) -> Message:
            return reactions.react(tx, self._acts, by=me, native_id=native_id, emoji=asked.emoji)[0]

        return await self._changing(request, react)

    async def _vote(self, request: web.Request) -> web.Response:
        asked = await body_of(request, NewVote)

        def vote(tx: Tx, me: Account, native_id: str) -> Message:
            return reactions.vote(tx, self._acts, by=me, native_id=native_id, options=asked.options)

        return await self._changing(request, vote)

    async def _changing(self, request: web.Request, change: Callable[[Tx, Account, str], Message]) -> web.Response:
        """Do it as who asks, and show the message as it is then."""
        token, native_id = token_of(request), request.match_info["native_id"]

        def within(tx: Tx) -> dict[str, Any]:
            me = accounts.session_account(tx, token)
            message = change(tx, me, native_id)
            return Showing(tx, has_markup=self._acts.rail.abilities.has_markup).message(message, viewer_id=me.id)

        return json_answer(await self._store.write(within))

    async def _typing(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, TypingSign)
        address = asked.to or asked.thread
        if not address:
            raise Refused(Why.BAD_REQUEST, 'Expected "to": a handle, or "thread": a thread id')

        def typing(tx: Tx) -> None:
            me = accounts.session_account(tx, token)
            self._acts.typing(tx, by=me, to=self._peer(tx, me, address), on=asked.on, by_partner=False)

        await self._store.write(typing)
        return web.Response(status=204)

    def _peer(self, tx: Tx, me: Account, address: str) -> Account:
        """Somebody who is known here: who is not has never been written to, so nobody is waiting for a sign."""
        other_id = messages.other_member(tx, thread_id=address, account_id=me.id)
        if other_id is not None:
            return accounts.required(tx, other_id)
        found = accounts.by_handle(tx, accounts.normal_handle(self._acts.rail, address))
        if found is None:
            raise Refused(Why.NOT_FOUND, f"Nobody known here is {address[:100]!r}")
        return found
