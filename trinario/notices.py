"""What the federation itself says to one account on its rail: a message by "Trinario", which stays on that rail.

It is posted with the partner's token, as the rail's bridge posts, and in the bridge's own wire format; bridges know it
for nothing of theirs when it comes back, so it never gets on the bus.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from bridges.catalogue import discover
from bridges.kit import extension
from bridges.kit.contract import Call, NativeAccount, Post, Translator
from bridges.kit.downgrade import TextPiece
from bridges.kit.rail import Answer, RailAway, RailClient, Unanswered
from schemas.handles import Handle, rail_of
from trinario.credentials import partner_credentials
from trinario.directory import now_ms
from trinario.failures import Failed, NotFound, NotReachable
from trinario.place import Place
from trinario.where import running

_ANSWER_WITHIN_S = 20.0
_KEY, _NAME, _HANDLE = "trinario", "Trinario", "trinario:notices"
OPAQUE = "notice"
"""What comes back in the echo: the name of no event."""


class Notices:
    """Says something to accounts of one rail."""

    def __init__(self, *, rail: str, client: RailClient, translator: Translator) -> None:
        self._rail, self._client, self._translator = rail, client, translator

    @classmethod
    @asynccontextmanager
    async def opened(cls, place: Place, handle: Handle) -> "AsyncIterator[Notices]":
        """For the handle's rail. Raises `NotFound` when there is no such rail here."""
        rail, rails = rail_of(handle), running(place).rails
        translator = discover().get(rail)
        if rail not in rails or translator is None:
            raise NotFound(f"There is no rail {rail!r} here. The rails are: {', '.join(sorted(rails))}.")
        token = partner_credentials(place, rail).partner_token
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)) as session:
            client = RailClient(session=session, url=rails[rail], token=token)
            yield cls(rail=rail, client=client, translator=translator)

    async def account(self, handle: Handle) -> NativeAccount:
        """Whose handle it is on its rail. Raises `NotFound`, `NotReachable`."""
        call = Call(method="GET", path=f"{extension.BASE}/accounts?handle={quote(handle, safe='')}")
        answer = await self._asked(call)
        found = extension.read_accounts(answer.body).accounts if answer.status == 200 else []
        if not found or found[0].kind == "ghost":
            raise NotFound(f"Nobody is registered as {handle}. `trinario account register` makes an account.")
        return found[0]

    async def say(self, account: NativeAccount, text: str) -> None:
        """Write to an account, as "Trinario". Raises `NotReachable`, `Failed`."""
        made = await self._asked(extension.ghost(key=_KEY, name=_NAME, handle=_HANDLE, aliases=()))
        ghost = extension.read_account(made.body)
        if ghost is None:
            raise Failed(f"Rail {self._rail} has not let Trinario speak there (it answers {made.status}).")
        post = Post(
            node=ghost.native_id,
            peer=account.native_id,
            piece=TextPiece(body=text, plain=True),
            key=uuid4().hex,
            opaque=OPAQUE,
            order=now_ms(),
            sent_at_ms=now_ms(),
        )
        answer = await self._asked(self._translator.post(post))
        verdict = self._translator.judge(answer.status, answer.body)
        if verdict.outcome != "done":
            raise Failed(f"Rail {self._rail} has not taken the message for {account.handle}: {verdict.text}")

    async def _asked(self, call: Call) -> Answer:
        try:
            return await self._client.ask(call)
        except (RailAway, Unanswered) as error:
            raise NotReachable(f"Rail {self._rail} does not answer. See `trinario status`.") from error
