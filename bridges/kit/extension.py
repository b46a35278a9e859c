"""The federation extension of docs/rail-api.md: calls and webhooks that are the same on every bundled rail. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from bridges.kit import endings, tolerant
from bridges.kit.contract import (
    Call,
    Native,
    NativeAccount,
    NativeBlock,
    NativeGroup,
    NativeMark,
    NativeMessage,
    NativePresence,
    NativeTimer,
    NativeTyping,
    NativeUnsend,
    NativeVote,
)
from bridges.kit.membersync import Wanted
from schemas.content import Poll
from schemas.markers import Mark

BASE = "/v1.0/federation"

BATCH_MOST = 200
"""Calls in one batch, at most."""

PAGE = 500


class _Account(msgspec.Struct, frozen=True):
    id: str
    handle: str
    name: str
    kind: Literal["person", "business", "ghost", "group"]
    federated: bool = True
    key: str = ""


class _Block(msgspec.Struct, frozen=True):
    blocker: str
    blocked: str
    on: bool


class _Unsend(msgspec.Struct, frozen=True):
    native_id: str
    author: str
    peer: str
    at_ms: int = 0


class _Poll(msgspec.Struct, frozen=True):
    native_id: str
    author: str
    peer: str
    question: str
    options: list[str]
    at_ms: int
    several: bool = False
    reply_to: str | None = None
    forwarded: int = 0
    expires_at_ms: int = 0
    after_read_s: int = 0


class _Vote(msgspec.Struct, frozen=True):
    native_id: str
    voter: str
    options: list[int]
    peer: str = ""
    author: str = ""
    at_ms: int = 0


class _GroupChange(msgspec.Struct, frozen=True):
    id: str
    change: Literal["made", "add", "leave", "remove", "ban", "unban", "admin", "member", "changed", "closed"]
    by: str
    number: int
    key: str = ""
    who: list[str] = []
    name: str = ""
    until_ms: int = 0
    at_ms: int = 0


class _Typing(msgspec.Struct, frozen=True):
    node: str
    peer: str
    on: bool


class _Presence(msgspec.Struct, frozen=True):
    node: str
    on: bool


class _Mark(msgspec.Struct, frozen=True):
    node: str
    peer: str
    mark: Mark
    on: bool
    epoch: int


class _Timer(msgspec.Struct, frozen=True):
    node: str
    peer: str
    after_s: int = 0
    after_read_s: int = 0
    at_ms: int = 0


class _Group(msgspec.Struct, frozen=True):
    id: str


class _Change(msgspec.Struct, frozen=True):
    field: str
    value: msgspec.Raw


class _Entry(msgspec.Struct, frozen=True):
    changes: list[msgspec.Raw]
    time: int = 0


class _Envelope(msgspec.Struct, frozen=True):
    entry: list[msgspec.Raw] = []


class _Kind(msgspec.Struct, frozen=True):
    object: str = ""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some accounts, and where to go on (None: that was all)."""

    accounts: list[NativeAccount]
    next: str | None


class _Page(msgspec.Struct, frozen=True):
    accounts: list[_Account] = []
    next: str | None = None


class _Response(msgspec.Struct, frozen=True):
    status: int
    body: msgspec.Raw = msgspec.Raw(b"{}")


class _Responses(msgspec.Struct, frozen=True):
    responses: list[_Response]


class Question(msgspec.Struct, frozen=True):
    """What the rail asks at the resolve URL: who has this address? `requester`: native id of who wants to write."""

    address: str
    requester: str


_kinds = msgspec.json.Decoder(_Kind)
_envelopes = msgspec.json.Decoder(_Envelope)
_entries = msgspec.json.Decoder(_Entry)
_changes = msgspec.json.Decoder(_Change)
_accounts = msgspec.json.Decoder(_Account)
_blocks = msgspec.json.Decoder(_Block)
_unsends = msgspec.json.Decoder(_Unsend)
_polls = msgspec.json.Decoder(_Poll)
_votes = msgspec.json.Decoder(_Vote)
_group_changes = msgspec.json.Decoder(_GroupChange)
_typings = msgspec.json.Decoder(_Typing)
_presences = msgspec.json.Decoder(_Presence)
_marks = msgspec.json.Decoder(_Mark)
_timers = msgspec.json.Decoder(_Timer)
_groups = msgspec.json.Decoder(_Group)
_pages = msgspec.json.Decoder(_Page)
_responses = msgspec.json.Decoder(_Responses)
questions = msgspec.json.Decoder(Question)


# --- webhooks --------------------------------------------------------------------------------------------------------


def concerns(body: bytes) -> bool:
    """Whether a webhook is one of ours (``"object": "federation"``) and not the platform's."""
    try:
        return _kinds.decode(body).object == "federation"
    except tolerant.UNREADABLE:
        return False


def read_webhook(body: bytes) -> list[Native]:
    """A webhook with ``"object": "federation"`` -> accounts, groups, unsends, votes, timers, typing and more.

    Fields of a newer rail are ignored.
    """
    return tolerant.whole(_envelopes, body, lambda envelope: tolerant.each(_entries, envelope.entry, _read_entry))


def _read_entry(entry: _Entry) -> Iterable[Native]:
    return tolerant.each(_changes, entry.changes, lambda change: _read_change(change, entry.time))


def _read_change(change: _Change, at_ms: int) -> Iterator[Native]:
    if change.field == "accounts":
        yield _native(_accounts.decode(change.value))
    elif change.field == "blocks":
        block = _blocks.decode(change.value)
        yield NativeBlock(blocker=block.blocker, blocked=block.blocked, on=block.on, at_ms=at_ms)
    elif change.field == "unsends":
        unsend_ = _unsends.decode(change.value)
        yield NativeUnsend(
            native_id=unsend_.native_id,
            actor=unsend_.author,
            peer=unsend_.peer,
            at_ms=unsend_.at_ms or at_ms,
            name="",
        )
    elif change.field == "polls":
        yield _read_poll(_polls.decode(change.value))
    elif change.field == "votes":
        yield _read_vote(_votes.decode(change.value), at_ms)
    elif change.field == "groups":
        yield _read_group(_group_changes.decode(change.value), at_ms)
    elif change.field == "marks":
        mark_ = _marks.decode(change.value)
        yield NativeMark(actor=mark_.node, peer=mark_.peer, mark=mark_.mark, on=mark_.on, epoch=mark_.epoch)
    elif change.field in ("typing", "presence"):
        yield _read_sign(change)
    elif change.field == "timers":
        told = _timers.decode(change.value)
        yield NativeTimer(
            actor=told.node,
            peer=told.peer,
            after_s=told.after_s,
            after_read_s=told.after_read_s,
            at_ms=told.at_ms or at_ms,
        )


def _read_sign(change: _Change) -> NativeTyping | NativePresence:
    if change.field == "typing":
        typing_ = _typings.decode(change.value)
        return NativeTyping(actor=typing_.node, peer=typing_.peer, on=typing_.on)
    there = _presences.decode(change.value)
    return NativePresence(actor=there.node, on=there.on)


def _read_poll(poll: _Poll) -> NativeMessage:
    return NativeMessage(
        native_id=poll.native_id,
        author=poll.author,
        recipient=poll.peer,
        content=Poll(question=poll.question, options=tuple(poll.options), several=poll.several),
        at_ms=poll.at_ms,
        reply_to=poll.reply_to or "",
        expires=endings.expiry(poll),
    )


def _read_vote(vote: _Vote, at_ms: int) -> NativeVote:
    others = [one for one in (vote.peer, vote.author) if one and one != vote.voter]
    return NativeVote(
        native_id=vote.native_id,
        actor=vote.voter,
        peer=others[0] if others else "",
        at_ms=vote.at_ms or at_ms,
        name=f"{vote.voter}@{vote.at_ms or at_ms}",
        options=tuple(vote.options),
    )


def _read_group(told: _GroupChange, at_ms: int) -> NativeGroup:
    return NativeGroup(
        native_id=told.id,
        key=told.key,
        change=told.change,
        by=told.by,
        who=tuple(told.who),
        name=told.name,
        until_ms=told.until_ms,
        number=told.number,
        at_ms=told.at_ms or at_ms,
    )


def _native(account: _Account) -> NativeAccount:
    return NativeAccount(
        native_id=account.id,
        handle=account.handle,
        name=account.name,
        kind=account.kind,
        federated=account.federated,
        key=account.key,
    )


# --- calls -----------------------------------------------------------------------------------------------------------


def subscription(*, callback_url: str, verify_token: str, resolve_url: str) -> Call:
    """Ask the rail to tell us what happens."""
    body = {"callback_url": callback_url, "verify_token": verify_token, "resolve_url": resolve_url}
    return Call(method="POST", path=f"{BASE}/subscription", body=body)


def accounts(after: str) -> Call:
    """A page of the rail's accounts behind `after` (empty: the first)."""
    return Call(method="GET", path=f"{BASE}/accounts?limit={PAGE}" + (f"&after={after}" if after else ""))


def read_accounts(answer: bytes) -> Page:
    """The answer to `accounts`. Raises `msgspec.DecodeError` for anything else."""
    page = _pages.decode(answer)
    return Page(accounts=[_native(account) for account in page.accounts], next=page.next)


def account(native_id: str) -> Call:
    """One account."""
    return Call(method="GET", path=f"{BASE}/accounts/{native_id}")


def read_account(answer: bytes) -> NativeAccount | None:
    """The answer to `account` and `ghost`; None when it is none."""
    try:
        return _native(_accounts.decode(answer))
    except tolerant.UNREADABLE:
        return None


def ghost(*, key: str, name: str, handle: str, aliases: Sequence[str]) -> Call:
    """Make the ghost with that key, or bring it up to date."""
    body = {"key": key, "name": name, "handle": handle, "aliases": list(aliases)}
    return Call(method="POST", path=f"{BASE}/ghosts", body=body)


def adopt(*, ghost: str, account: str) -> Call:
    """Let the account take over what is the ghost's."""
    return Call(method="POST", path=f"{BASE}/ghosts/{ghost}/adopt", body={"account": account})


def read(*, node: str, peer: str, up_to: str, private: bool) -> Call:
    """`node` has read its thread with `peer` up to there."""
    return Call(method="POST", path=f"{BASE}/{node}/read", body={"peer": peer, "up_to": up_to, "private": private})


def delivered(*, node: str, peer: str, up_to: str) -> Call:
    """`node` has got its thread with `peer` up to there."""
    return Call(method="POST", path=f"{BASE}/{node}/delivered", body={"peer": peer, "up_to": up_to})


def mark(*, node: str, peer: str, mark: Mark, on: bool, epoch: int) -> Call:
    """`node` has marked its thread with `peer` (an account, or a group), or taken that back."""
    body = {"peer": peer, "mark": mark, "on": on, "epoch": epoch}
    return Call(method="POST", path=f"{BASE}/{node}/mark", body=body)


def edit(*, node: str, native_id: str, text: str, plain: bool) -> Call:
    """`node` says its message otherwise. `plain`: the text holds no markup, whatever it looks like."""
    body = {"native_id": native_id, "text": text, "federation": {"plain": plain}}
    return Call(method="POST", path=f"{BASE}/{node}/edit", body=body)


def unsend(*, node: str, native_id: str, expired: bool = False) -> Call:
    """`node` takes its message back; `expired`: because its time is over, so it is never too late for it."""
    body = {"native_id": native_id, **({"expired": True} if expired else {})}
    return Call(method="POST", path=f"{BASE}/{node}/unsend", body=body)


def typing(*, node: str, peer: str, on: bool) -> Call:
    """`node` is writing to `peer` (an account, or a group that it is in), or no longer."""
    return Call(method="POST", path=f"{BASE}/{node}/typing", body={"peer": peer, "on": on})


def presence(*, node: str, on: bool, seen_ms: int, hidden_from: Sequence[str]) -> Call:
    """`node` is there, or was about then (0: nothing of it is shown); but not as these accounts see it."""
    body = {"on": on, "seen_ms": seen_ms, "hidden_from": list(hidden_from)}
    return Call(method="POST", path=f"{BASE}/{node}/presence", body=body)


def timer(*, node: str, peer: str, after_s: int, after_read_s: int) -> Call:
    """`node` sets how long what is written in its thread with `peer` lasts."""
    body = {"peer": peer, "after_s": after_s, "after_read_s": after_read_s}
    return Call(method="POST", path=f"{BASE}/{node}/timer", body=body)


def vote(*, node: str, native_id: str, options: Sequence[int]) -> Call:
    """`node`'s choice in a poll."""
    return Call(method="POST", path=f"{BASE}/{node}/vote", body={"native_id": native_id, "options": list(options)})


def failure(*, native_id: str, code: str, message: str) -> Call:
    """Show a message to its sender as failed."""
    return Call(method="POST", path=f"{BASE}/failures", body={"native_id": native_id, "code": code, "message": message})


def orders(ranks: Mapping[str, int]) -> Call:
    """Tell the federation's order of messages that were written here."""
    return Call(method="POST", path=f"{BASE}/orders", body={"orders": dict(ranks)})


def block(*, blocker: str, blocked: str, on: bool) -> Call:
    """A block made on another rail."""
    return Call(method="POST", path=f"{BASE}/blocks", body={"blocker": blocker, "blocked": blocked, "on": on})


def put_group(*, key: str, native_id: str, then: Wanted) -> Call:
    """Make the group with that key, or bring it to this; `native_id`: the one that is here already, if there is."""
    body = {
        "name": then.name,
        "members": [{"id": member, "role": role} for member, role in then.members],
        "banned": list(then.banned),
        "until_ms": then.until_ms,
        "closed": then.closed,
        **({"bind": native_id} if native_id else {}),
    }
    return Call(method="PUT", path=f"{BASE}/groups/{key}", body=body)


def group_made(answer: bytes) -> str:
    """The answer to `put_group`: what the group is called; empty when it was not understood."""
    try:
        return _groups.decode(answer).id
    except tolerant.UNREADABLE:
        return ""


def batch(calls: Sequence[Call]) -> Call:
    """Up to `BATCH_MOST` calls as one."""
    requests = [
        {"method": call.method, "path": call.path, "headers": call.headers, "body": call.body} for call in calls
    ]
    return Call(method="POST", path=f"{BASE}/batch", body={"requests": requests})


def read_batch(answer: bytes) -> list[tuple[int, bytes]]:
    """The answer to `batch`: status and body of each. Raises `msgspec.DecodeError` for anything else."""
    return [(response.status, bytes(response.body)) for response in _responses.decode(answer).responses]
