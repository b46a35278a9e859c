"""Whom a person's app means: an address, a handle, a thread, a group; and asking the partner about who is elsewhere."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import aiohttp

from rails.kit import accounts, messages
from rails.kit.model import Account, Refused, Why
from rails.kit.rail import Rail
from rails.kit.store import Store, Tx
from rails.kit.webhooks import ask_resolver

T = TypeVar("T")

Resolved = Mapping[str, str]
"""Handle elsewhere -> the account that stands for it here, as the partner has said."""


class _AskPartner(Exception):
    """The address is not known here; the partner may know it."""

    def __init__(self, handle: str) -> None:
        super().__init__(handle)
        self.handle = handle


class Addressing:
    """Finds accounts for the Client API."""

    def __init__(self, *, store: Store, rail: Rail, http: aiohttp.ClientSession, partner_secret: str) -> None:
        self._store, self._rail, self._http, self._partner_secret = store, rail, http, partner_secret

    def addressee(self, tx: Tx, me: Account, to: str, resolved: Resolved, *, unknown: Why) -> Account:
        """Who is addressed: a thread or group of `me`, an address or handle here, a known handle elsewhere.

        Somebody else is asked for: call it within `asking`. Raises `Refused`.
        """
        other = messages.other_member(tx, thread_id=to, account_id=me.id)
        if other is not None:
            return accounts.required(tx, other)
        handle = accounts.normal_handle(self._rail, to)
        found = accounts.by_handle(tx, handle)
        if found is not None:
            return found
        if handle.startswith(f"{self._rail.name}:"):
            raise Refused(unknown, f"Nobody on {self._rail.title} has the address {handle.partition(':')[2]!r}")
        if handle in resolved:
            return accounts.required(tx, resolved[handle])
        raise _AskPartner(handle)

    async def asking(
        self,
        token: str,
        act: Callable[[Tx, Resolved], T],
        within: Callable[[Callable[[Tx], T]], Awaitable[T]],
    ) -> T:
        """Do the act; whenever it names somebody unknown here, ask the partner and do it again with the answer."""
        resolved: dict[str, str] = {}
        while True:
            try:
                return await within(lambda tx: act(tx, resolved))
            except _AskPartner as unknown:
                resolved[unknown.handle] = await self._resolve(token, unknown.handle)

    async def _resolve(self, token: str, handle: str) -> str:
        def ask(tx: Tx) -> tuple[str | None, str]:
            return accounts.get_setting(tx, "partner.resolve_url"), accounts.session_account(tx, token).id

        url, requester = await self._store.read(ask)
        if url is None:
            raise Refused(
                Why.UNKNOWN_RECIPIENT, f"{handle} is elsewhere, and {self._rail.title} has no federation partner"
            )
        try:
            status, answer = await ask_resolver(
                self._http, url=url, secret=self._partner_secret, address=handle, requester=requester
            )
        except (aiohttp.ClientError, TimeoutError):
            status, answer = 0, {}
        account_id = answer.get("account")
        if status == 200 and isinstance(account_id, str):
            return account_id
        if status == 404:
            error = answer.get("error")
            text = error.get("message") if isinstance(error, dict) else None
            raise Refused(Why.UNKNOWN_RECIPIENT, str(text or f"Nobody is known as {handle}"))
        if status == 403:
            raise Refused(Why.RECIPIENT_UNAVAILABLE, "The recipient cannot be written to")
        raise Refused(
            Why.NOT_REACHABLE_NOW, f"{handle} is elsewhere and the way there is closed at the moment; try again later"
        )
