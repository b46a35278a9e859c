"""The Client API: JSON for people's apps, under ``/client/v1/``; ``/client/openapi.json`` comes from these structs."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from rails.kit import accounts, filing, messages, sending, timers
from rails.kit.acts import Acts
from rails.kit.addressing import Addressing, Resolved
from rails.kit.answers import body_of, guarded, json_answer, token_of
from rails.kit.content import Details
from rails.kit.metrics import Metrics
from rails.kit.model import Account, Kind, Message, Refused, Status, Why
from rails.kit.sending import Sent, SentChoice, SentContacts
from rails.kit.showing import Showing
from rails.kit.store import Store, Tx

LISTING_LENGTH = 1000
_PLACE = re.compile(r"(-?[0-9]{1,18})(?::([0-9]{1,18}))?")


Seconds = Annotated[int, Meta(ge=1, le=366 * 24 * 3600)]
"""For how long something may last."""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Be somebody on this rail."""

    address: str
    name: str
    federated: bool = True


class NewMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Write to a handle, an address of this rail or a thread. The same `client_key` makes one message only.

    `content` instead of `text`: anything else. `markup` false: shown literally. `expires_in_s`, `after_read_s`: it goes
    everywhere so long after it was sent, or first read by somebody else; whichever comes first.
    """

    to: str
    text: str | None = None
    content: Sent | None = None
    reply_to: str | None = None
    forwarded: Literal[0, 1, 2] = 0
    markup: bool = True
    preview: bool = False
    client_key: str | None = None
    expires_in_s: Seconds | None = None
    after_read_s: Seconds | None = None


class ReadMark(msgspec.Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """Read a thread, all of it or up to one message."""

    with_: str | None = None
    thread: str | None = None
    up_to: str | None = None


class ThreadMark(msgspec.Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """File a thread, for myself, or take that back."""

    mark: filing.Mark
    with_: str | None = None
    thread: str | None = None
    on: bool = True


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Who shall not write to me."""

    address: str


class ClientApi:
    """The handlers of the Client API."""

    def __init__(self, *, store: Store, acts: Acts, addressing: Addressing, metrics: Metrics) -> None:
        self._store = store
        self._acts = acts
        self._addressing = addressing
        self._metrics = metrics

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
            ("POST", f"{at}/mark", self._mark),
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

        def send(tx: Tx, resolved: Resolved) -> tuple[Message, bool]:
            sender = accounts.session_account(tx, token)
            if asked.client_key is not None:
                before = messages.posted_with_key(tx, node_id=sender.id, realm="client", key=asked.client_key)
                if before is not None:
                    return before, False
            recipient = self._addressing.addressee(tx, sender, asked.to, resolved, unknown=Why.UNKNOWN_RECIPIENT)
            text, details = self._said(tx, sender, asked)
            timer = timers.of(tx, messages.thread_of(sender, recipient))
            details = timers.applied(details, timer, self._acts.now_ms())
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

        message, is_new = await self._addressing.asking(token, send, self._store.write)
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
        elif asked.markup and not asked.preview and not asked.forwarded and not _is_to_go(asked):
            return text, None
        has_markup = self._acts.rail.abilities.has_markup
        plain, preview = has_markup and not asked.markup, has_markup and asked.preview
        return text, Details(
            content=content,
            forwarded=asked.forwarded,
            plain=plain,
            preview=preview,
            expires_at_ms=self._acts.now_ms() + asked.expires_in_s * 1000 if asked.expires_in_s else 0,
            after_read_s=asked.after_read_s or 0,
        )

    async def _threads(self, request: web.Request) -> web.Response:
        token = token_of(request)
        found = await self._store.read(lambda tx: _threads(tx, accounts.session_account(tx, token).id))
        return json_answer({"threads": sorted(found, key=lambda one: -one["last_at_ms"])})

    async def _list(self, request: web.Request) -> web.Response:
        token = token_of(request)
        query = request.query
        after, limit = _number(query.get("after"), "after"), _number(query.get("limit"), "limit")
        before = _place(query)
        only_unread = query.get("unread", "0") not in {"0", "false", ""}
        length = LISTING_LENGTH if limit is None else max(1, min(limit, LISTING_LENGTH))

        def find(tx: Tx, resolved: Resolved) -> tuple[Account, list[Message], list[dict[str, Any]]]:
            me = accounts.session_account(tx, token)
            thread_id = query.get("thread")
            if query.get("with"):
                other = self._addressing.addressee(tx, me, query["with"], resolved, unknown=Why.NOT_FOUND)
                thread_id = messages.thread_of(me, other)
            found = messages.listing(
                tx, account_id=me.id, thread_id=thread_id, unread=only_unread, after=after, limit=length, before=before
            )
            showing = Showing(tx, has_markup=self._acts.rail.abilities.has_markup)
            return me, found, [showing.message(message, viewer_id=me.id) for message in found]

        me, found, listed = await self._addressing.asking(token, find, self._store.read)
        if self._acts.rail.shows_delivered:
            got = [m.native_id for m in found if m.recipient_id == me.id and m.status is Status.SENT]
            if got:
                await self._store.write(lambda tx: self._acts.deliver_these(tx, reader=me, native_ids=got))
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
        address = _named(asked)

        def read(tx: Tx, resolved: Resolved) -> int:
            me = accounts.session_account(tx, token)
            other = self._addressing.addressee(tx, me, address, resolved, unknown=Why.NOT_FOUND)
            return self._acts.read(tx, reader=me, author=other, up_to=asked.up_to)

        return json_answer({"read": await self._addressing.asking(token, read, self._store.write)})

    async def _mark(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, ThreadMark)
        address = _named(asked)

        def mark(tx: Tx, resolved: Resolved) -> None:
            me = accounts.session_account(tx, token)
            other = self._addressing.addressee(tx, me, address, resolved, unknown=Why.NOT_FOUND)
            filing.mark(
                tx,
                self._acts.rail,
                account=me,
                peer=other,
                mark=asked.mark,
                on=asked.on,
                at_ms=self._acts.now_ms(),
            )

        await self._addressing.asking(token, mark, self._store.write)
        return web.Response(status=204)

    async def _block(self, request: web.Request) -> web.Response:
        token = token_of(request)
        asked = await body_of(request, Block)

        def block(tx: Tx, resolved: Resolved) -> None:
            me = accounts.session_account(tx, token)
            other = self._addressing.addressee(tx, me, asked.address, resolved, unknown=Why.NOT_FOUND)
            if other.id == me.id:
                raise Refused(Why.BAD_REQUEST, "address: this is your own account")
            self._acts.block(tx, blocker=me, blocked=other, on=request.method == "POST", by_partner=False)

        await self._addressing.asking(token, block, self._store.write)
        return web.Response(status=204)


def _named(asked: ReadMark | ThreadMark) -> str:
    address = asked.with_ or asked.thread
    if not address:
        raise Refused(Why.BAD_REQUEST, 'Expected "with": a handle, or "thread": a thread id')
    return address


def _threads(tx: Tx, account_id: str) -> list[dict[str, Any]]:
    marks = filing.marked(tx, account_id)
    direct = [
        {
            "thread": thread,
            "kind": "direct",
            "with": [handle],
            "name": name,
            "unread": count,
            "marks": sorted(marks.get(thread, ())),
            "last_at_ms": at_ms,
            **_timer(tx, thread),
        }
        for thread, handle, name, count, at_ms in messages.threads_of(tx, account_id)
    ]
    return direct + [
        {
            "thread": thread,
            "kind": "group",
            "key": key,
            "with": [],
            "name": name,
            "unread": count,
            "marks": sorted(marks.get(thread, ())),
            "last_at_ms": at_ms,
            **_timer(tx, thread),
        }
        for thread, key, name, count, at_ms in messages.groups_of(tx, account_id)
    ]


def _timer(tx: Tx, thread_id: str) -> dict[str, Any]:
    return {"timer": msgspec.to_builtins(timers.of(tx, thread_id))}


def _replied(asked: NewMessage) -> str | None:
    """What it replies to: a choice to the message that offered it."""
    return asked.content.of if isinstance(asked.content, SentChoice) else asked.reply_to


def _is_to_go(asked: NewMessage) -> bool:
    return asked.expires_in_s is not None or asked.after_read_s is not None


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
