"""The Client API: JSON for people's apps, under ``/client/v1/``; ``/client/openapi.json`` comes from these structs."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec
from aiohttp import web

from rails.kit import accounts, messages, sending
from rails.kit.acts import Acts, shown
from rails.kit.answers import body_of, guarded, json_answer, token_of
from rails.kit.content import Details
from rails.kit.metrics import Metrics
from rails.kit.model import Account, Kind, Message, Refused, Status, Why
from rails.kit.sending import Sent, SentChoice, SentContacts
from rails.kit.store import Store, Tx
from rails.kit.webhooks import ask_resolver

T = TypeVar("T")

LISTING_LENGTH = 1000
_PLACE = re.compile(r"(-?[0-9]{1,18})(?::([0-9]{1,18}))?")


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Be somebody on this rail."""

    address: str
    name: str
    federated: bool = True


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Write to a handle, an address of this rail or a thread. The same `client_key` makes one message only.

    `content` instead of `text`: anything else. `markup` false: shown literally.
    """

    to: str
    text: str | None = None
    content: Sent | None = None
    reply_to: str | None = None
    forwarded: Literal[0, 1, 2] = 0
    markup: bool = True
    preview: bool = False
    client_key: str | None = None


class ReadMark(msgspec.Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """Read a thread, all of it or up to one message."""

    with_: str | None = None
    thread: str | None = None
    up_to: str | None = None


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Who shall not write to me."""

    address: str


class AskPartner(Exception):
    """The address is not known here; the partner may know it."""

    def __init__(self, handle: str) -> None:
        super().__init__(handle)
        self.handle = handle


class ClientApi:
    """The handlers of the Client API."""

    def __init__(
        self, *, store: Store, acts: Acts, http: aiohttp.ClientSession, metrics: Metrics, partner_secret: str
    ) -> None:
        self._store = store
        self._acts = acts
        self._http = http
        self._metrics = metrics
        self._partner_secret = partner_secret

    def routes(self) -> list[web.RouteDef]:
        at = "/client/v1"
        table: list[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]]] = [
            ("POST", f"{at}/accounts", self._register),
            ("GET", f"{at}/account", self._own_account),
            ("POST", f"{at}/sessions", self._open_session),
            ("DELETE", f"{at}/sessions", self._close_session),
            ("POST", f"{at}/messages", self._send),
            ("GET", f"{at}/messages", self._list),
            ("GET", f"{at}/threads", self._threads),
            ("POST", f"{at}/read", self._read),
            ("POST", f"{at}/blocks", self._block),
            ("DELETE", f"{at}/blocks", self._block),
        ]
        return [web.route(method, path, guarded(handler, self._metrics)) for method, path, handler in table]

    async def _register(self, request: web.Request) -> web.Response:
        asked = await body_of(request, Registration)
        name = accounts.checked_name(asked.name)

        def register(tx: Tx) -> dict[str, Any]:
            account = accounts.register(
                tx,
                self._acts.rail,
                address=asked.address,
                name=name,
                kind=Kind.PERSON,
                federated=asked.federated,
                now_ms=self._acts.now_ms(),
            )
            self._acts.announce_account(tx, account)
            token = accounts.open_session(tx, account.id, self._acts.now_ms())
            return {"account": account.public(), "token": token}

        return json_answer(await self._store.write(register), status=201)

    async def _own_account(self, request: web.Request) -> web.Response:
        token = token_of(request)
        return json_answer((await self._store.read(lambda tx: accounts.session_account(tx, token))).public())

    async def _open_session(self, request: web.Request) -> web.Response:
        token = token_of(request)

        def open_one(tx: Tx) -> str:
            return accounts.open_session(tx, accounts.session_account(tx, token).id, self._acts.now_ms())

        return json_answer({"token": await self._store.write(open_one)}, status=201)

    async def _close_session(self, request: web.Request) -> web.Response:
        token = token_of(request)

        def close(tx: Tx) -> None:
            accounts.session_account(tx, token)
            accounts.close_session(tx, token)

        await self._store.write(close)
        return web.Response(status=204)

    async def _send(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, NewMessage)
        self._check(asked)
        if asked.client_key is not None and not 0 < len(asked.client_key) <= 200:
            raise Refused(Why.BAD_REQUEST, "client_key: expected 1 to 200 characters")

        def send(tx: Tx, resolved: str | None) -> tuple[Message, bool]:
            sender = accounts.session_account(tx, token)
            if asked.client_key is not None:
                before = messages.posted_with_key(tx, node_id=sender.id, realm="client", key=asked.client_key)
                if before is not None:
                    return before, False
            recipient = self._addressee(tx, sender, asked.to, resolved, unknown=Why.UNKNOWN_RECIPIENT)
            text, details = self._said(tx, sender, asked)
            message = self._acts.post(
                tx, sender=sender, recipient=recipient, text=text, reply_to=_replied(asked), details=details
            )
            if asked.client_key is not None:
                messages.remember_key(
                    tx,
                    node_id=sender.id,
                    realm="client",
                    key=asked.client_key,
                    native_id=message.native_id,
                    now_ms=message.at_ms,
                )
            return message, True

        message, is_new = await self._asking_partner(token, send, self._store.write)
        self._metrics.add("messages", "client", 1 if is_new else 0)
        answer = {"native_id": message.native_id, "thread": message.thread_id, "sent_at_ms": message.sent_at_ms}
        return json_answer(answer, status=201 if is_new else 200)

    def _check(self, asked: NewMessage) -> None:
        if asked.content is None:
            messages.check_text(self._acts.rail, asked.text, self._acts.rail.app_text_limit)
        elif asked.text is not None:
            raise Refused(Why.BAD_REQUEST, "Expected text or content; words beside a file are its caption")
        if isinstance(asked.content, SentContacts) and any(card.official is not None for card in asked.content.cards):
            raise Refused(Why.BAD_REQUEST, "cards: expected name, phones, emails and organisation only")
        if asked.forwarded and not self._acts.rail.abilities.has_markup:
            raise Refused(Why.UNSUPPORTED, f"{self._acts.rail.title} does not mark messages as forwarded")

    def _said(self, tx: Tx, sender: Account, asked: NewMessage) -> tuple[str, Details | None]:
        """The text or caption, and what else there is to the message; None for a plain text."""
        text, content = asked.text or "", None
        if asked.content is not None:
            text, content = sending.compose(tx, self._acts.rail, sender=sender, sent=asked.content, by_partner=False)
        elif asked.markup and not asked.preview and not asked.forwarded:
            return text, None
        has_markup = self._acts.rail.abilities.has_markup
        plain, preview = has_markup and not asked.markup, has_markup and asked.preview
        return text, Details(content=content, forwarded=asked.forwarded, plain=plain, preview=preview)

    async def _threads(self, request: web.Request) -> web.Response:
        token = token_of(request)
        found = await self._store.read(lambda tx: messages.threads_of(tx, accounts.session_account(tx, token).id))
        threads = [
            {"thread": thread, "with": [handle], "name": name, "unread": unread, "last_at_ms": at_ms}
            for thread, handle, name, unread, at_ms in found
        ]
        return json_answer({"threads": threads})

    async def _list(self, request: web.Request) -> web.Response:
        token = token_of(request)
        query = request.query
        after, limit = _number(query.get("after"), "after"), _number(query.get("limit"), "limit")
        before = _place(query)
        unread = query.get("unread", "0") not in {"0", "false", ""}
        length = LISTING_LENGTH if limit is None else max(1, min(limit, LISTING_LENGTH))

        def find(tx: Tx, resolved: str | None) -> tuple[Account, list[Message], dict[str, Account]]:
            me = accounts.session_account(tx, token)
            thread_id = query.get("thread")
            if query.get("with"):
                other = self._addressee(tx, me, query["with"], resolved, unknown=Why.NOT_FOUND)
                thread_id = messages.direct_thread_id(me.id, other.id)
            found = messages.listing(
                tx, account_id=me.id, thread_id=thread_id, unread=unread, after=after, limit=length, before=before
            )
            ids = {ident for message in found for ident in (message.sender_id, message.recipient_id)}
            return me, found, {ident: accounts.required(tx, ident) for ident in ids}

        me, found, people = await self._asking_partner(token, find, self._store.read)
        if self._acts.rail.shows_delivered:
            got = [m.native_id for m in found if m.recipient_id == me.id and m.status is Status.SENT]
            if got:
                await self._store.write(lambda tx: self._acts.deliver_these(tx, reader=me, native_ids=got))
        listed = [
            shown(
                message,
                people[message.sender_id],
                people[message.recipient_id],
                viewer_id=me.id,
                has_markup=self._acts.rail.abilities.has_markup,
            )
            for message in found
        ]
        return json_answer(
            {
                "messages": listed,
                "next": max((message.arrival for message in found), default=after),
                "previous": _previous(found, length),
            }
        )

    async def _read(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, ReadMark)
        address = asked.with_ or asked.thread
        if not address:
            raise Refused(Why.BAD_REQUEST, 'Expected "with": a handle, or "thread": a thread id')

        def read(tx: Tx, resolved: str | None) -> int:
            me = accounts.session_account(tx, token)
            other = self._addressee(tx, me, address, resolved, unknown=Why.NOT_FOUND)
            return self._acts.read(tx, reader=me, author=other, up_to=asked.up_to)

        return json_answer({"read": await self._asking_partner(token, read, self._store.write)})

    async def _block(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, Block)

        def block(tx: Tx, resolved: str | None) -> None:
            me = accounts.session_account(tx, token)
            other = self._addressee(tx, me, asked.address, resolved, unknown=Why.NOT_FOUND)
            if other.id == me.id:
                raise Refused(Why.BAD_REQUEST, "address: this is your own account")
            self._acts.block(tx, blocker=me, blocked=other, on=request.method == "POST", by_partner=False)

        await self._asking_partner(token, block, self._store.write)
        return web.Response(status=204)

    def _addressee(self, tx: Tx, me: Account, to: str, resolved: str | None, *, unknown: Why) -> Account:
        """Who is addressed: an address or handle here, a thread, a known handle elsewhere; else `AskPartner`."""
        if resolved is not None:
            return accounts.required(tx, resolved)
        if to.startswith("t_"):
            other = messages.other_member(tx, thread_id=to, account_id=me.id)
            if other is not None:
                return accounts.required(tx, other)
        handle = accounts.normal_handle(self._acts.rail, to)
        found = accounts.by_handle(tx, handle)
        if found is not None:
            return found
        if handle.startswith(f"{self._acts.rail.name}:"):
            raise Refused(unknown, f"Nobody on {self._acts.rail.title} has the address {handle.partition(':')[2]!r}")
        raise AskPartner(handle)

    async def _asking_partner(
        self,
        token: str,
        act: Callable[[Tx, str | None], T],
        within: Callable[[Callable[[Tx], T]], Awaitable[T]],
    ) -> T:
        """Do the act; when it names somebody unknown here, ask the partner and do it with the answer."""
        try:
            return await within(lambda tx: act(tx, None))
        except AskPartner as unknown:
            account_id = await self._resolve(token, unknown.handle)
            return await within(lambda tx: act(tx, account_id))

    async def _resolve(self, token: str, handle: str) -> str:
        def ask(tx: Tx) -> tuple[str | None, str]:
            return accounts.get_setting(tx, "partner.resolve_url"), accounts.session_account(tx, token).id

        url, requester = await self._store.read(ask)
        if url is None:
            raise Refused(
                Why.UNKNOWN_RECIPIENT, f"{handle} is elsewhere, and {self._acts.rail.title} has no federation partner"
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


def _replied(asked: NewMessage) -> str | None:
    """What it replies to: a choice to the message that offered it."""
    return asked.content.of if isinstance(asked.content, SentChoice) else asked.reply_to


def _number(text: str | None, name: str) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected a whole number")
    return int(text)


def _place(query: Mapping[str, str]) -> tuple[int, int] | None:
    """Where a page ends: ``before`` is a rank, or the rank and arrival that the page after it named."""
    text = query.get("before")
    if text is None:
        return None
    if not (query.get("with") or query.get("thread")) or "after" in query:
        raise Refused(Why.BAD_REQUEST, "before: pages back in one thread; name it, and leave after out")
    match = _PLACE.fullmatch(text)
    if match is None:
        raise Refused(Why.BAD_REQUEST, 'before: expected a rank, or "previous" of another page')
    return int(match[1]), int(match[2] or -1)


def _previous(found: list[Message], length: int) -> str | None:
    """What to ask `before` with for the page before this one; None when there is none."""
    if len(found) < length:
        return None
    first = min(found, key=lambda message: (message.rank, message.arrival))
    return f"{first.rank}:{first.arrival}"
