"""Platform API edges that all rails have: messages, profiles, conversations; each one function of one transaction.

`rails.kit.graph` finds the caller and the node and calls these; a rail's own edges are in its `routes` module.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

import msgspec

from rails.kit import accounts, groups, messages, reactions, sending
from rails.kit.acts import Acts
from rails.kit.bodies import flag_member, integer_member
from rails.kit.content import Details
from rails.kit.model import Account, Message, Refused, Why
from rails.kit.rail import Json, MarkRead, PostText, Rail, React, Typing
from rails.kit.store import Tx

OPAQUE_LENGTH = 2000
KEY_LENGTH = 200
YEAR_2200_MS = 7_258_118_400_000


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One Platform API call, however it came. `segments`: the path behind the version."""

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    token: str
    proof: str | None = None
    idempotency_key: str | None = None


class EdgeCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call at one node's edge, its caller known to be allowed to act as that node."""

    tx: Tx
    acts: Acts
    node: Account
    call: Call
    by_partner: bool

    @property
    def rail(self) -> Rail:
        return self.acts.rail


def messages_edge(edge: EdgeCall) -> Json:
    """``POST /{node}/messages``: a text, a read mark or a typing sign, in the platform's form."""
    act = edge.rail.wire.parse_act(dict(edge.call.body))
    match act:
        case PostText():
            return _post_text(edge, act)
        case MarkRead():
            _mark_read(edge, act)
        case Typing():
            to = find_recipient(edge, act.peer)
            edge.acts.typing(edge.tx, by=edge.node, to=to, on=act.on, by_partner=edge.by_partner)
        case React():
            return _react(edge, act)
        case _:
            assert_never(act)
    return edge.rail.wire.done_answer(act)


def _post_text(edge: EdgeCall, act: PostText) -> Json:
    recipient = find_recipient(edge, act.to)
    message = post_once(edge, act, recipient)
    answer = edge.rail.wire.posted_answer(act, recipient, message.native_id)
    # The partner is also told the rail's time of the message, which watermarks speak of.
    return {**answer, "federation": {"at_ms": message.at_ms}} if edge.by_partner else answer


def post_once(edge: EdgeCall, act: PostText, recipient: Account) -> Message:
    """Post it, or find what the call's idempotency key has posted before."""
    federation = edge.call.body.get("federation") or {}
    if not isinstance(federation, dict):
        raise Refused(Why.BAD_REQUEST, 'federation: expected an object {"order", "sent_at_ms"}')
    if act.opaque is not None and len(act.opaque) > OPAQUE_LENGTH:
        raise Refused(Why.BAD_REQUEST, f"The opaque member is longer than {OPAQUE_LENGTH} characters")
    sent_at_ms = integer_member(federation, "sent_at_ms") if edge.by_partner else None
    if sent_at_ms is not None and not 0 <= sent_at_ms < YEAR_2200_MS:
        raise Refused(Why.BAD_REQUEST, "federation.sent_at_ms: expected milliseconds since 1970")
    key = edge.call.idempotency_key if edge.by_partner else None
    if key is not None:
        if not 0 < len(key) <= KEY_LENGTH:
            raise Refused(Why.BAD_REQUEST, f"Idempotency-Key: expected 1 to {KEY_LENGTH} characters")
        before = messages.posted_with_key(edge.tx, node_id=edge.node.id, realm="partner", key=key)
        if before is not None:
            return before
    text, details = _said(edge, act, federation if edge.by_partner else {})
    message = edge.acts.post(
        edge.tx,
        sender=edge.node,
        recipient=recipient,
        text=text,
        details=details,
        by_partner=edge.by_partner,
        sent_at_ms=sent_at_ms,
        rank=integer_member(federation, "order") if edge.by_partner else None,
        reply_to=act.reply_to,
        opaque=act.opaque,
    )
    if key is not None:
        messages.remember_key(
            edge.tx,
            node_id=edge.node.id,
            realm="partner",
            key=key,
            native_id=message.native_id,
            now_ms=edge.acts.now_ms(),
        )
    return message


_SAID = frozenset({"forwarded", "plain", "expires_at_ms", "after_read_s"})


def _said(edge: EdgeCall, act: PostText, federation: Mapping[str, Any]) -> tuple[str, Details | None]:
    """The text (or caption) and whatever else there is to it; None for a plain text."""
    if act.content is None:
        messages.check_text(edge.rail, act.text, edge.rail.text_limit)
    if act.content is None and not act.preview and not _SAID & federation.keys():
        return act.text, None
    has_markup = edge.rail.abilities.has_markup
    forwarded = integer_member(federation, "forwarded") or 0
    if not 0 <= forwarded <= 2:
        raise Refused(Why.BAD_REQUEST, "federation.forwarded: expected 0, 1 or 2")
    text, content = act.text, None
    if act.content is not None:
        text, content = sending.compose(
            edge.tx, edge.rail, sender=edge.node, sent=act.content, by_partner=edge.by_partner
        )
    details = Details(
        content=content,
        forwarded=forwarded if has_markup else 0,
        plain=flag_member(federation, "plain", default=False) and has_markup,
        preview=act.preview,
        expires_at_ms=integer_member(federation, "expires_at_ms") or 0,
        after_read_s=integer_member(federation, "after_read_s") or 0,
    )
    return text, details


def _react(edge: EdgeCall, act: React) -> Json:
    recipient = find_recipient(edge, act.to)
    _, event_id = reactions.react(
        edge.tx, edge.acts, by=edge.node, native_id=act.native_id, emoji=act.emoji, by_partner=edge.by_partner
    )
    return edge.rail.wire.reacted_answer(act, recipient, event_id)


def _mark_read(edge: EdgeCall, act: MarkRead) -> None:
    if act.native_id is not None:
        message = messages.by_native_id(edge.tx, act.native_id)
        author = None if message is None else _read_of(edge, message)
        if author is None:
            raise Refused(Why.NOT_FOUND, f"No message {act.native_id[:100]!r} to this account")
    else:
        author = find_recipient(edge, act.peer or "")
    edge.acts.read(edge.tx, reader=edge.node, author=author, up_to=act.native_id, by_partner=edge.by_partner)
    if act.typing:
        edge.acts.typing(edge.tx, by=edge.node, to=author, on=True, by_partner=edge.by_partner)


def _read_of(edge: EdgeCall, message: Message) -> Account | None:
    """Whose thread a message is read in: its author's, or the group's; None for one that is not for the node."""
    if message.recipient_id == edge.node.id:
        return accounts.required(edge.tx, message.sender_id)
    if message.recipient_id == message.thread_id and groups.sees(edge.tx, message, edge.node.id):
        return accounts.required(edge.tx, message.thread_id)
    return None


def find_recipient(edge: EdgeCall, to: str) -> Account:
    """The account that `to` names in the platform's way, or `unknown_recipient`."""
    column, value = edge.rail.wire.find_recipient(to)
    finders = {"id": accounts.by_id, "handle": accounts.by_handle, "second_id": accounts.by_second_id}
    found = finders[column](edge.tx, value)
    if found is None:
        raise Refused(Why.UNKNOWN_RECIPIENT, f"Nobody on {edge.rail.title} is {to[:100]!r}")
    return found


def node_get(edge: EdgeCall, account: Account) -> Json:
    """``GET /{id}``: the fields asked for, of those there are; ``id`` always."""
    everything = edge.rail.wire.profile(account)
    asked = edge.call.query.get("fields")
    if not asked:
        return everything
    names = {name.partition("{")[0].partition(".")[0].strip() for name in asked.split(",")} | {"id"}
    return {key: value for key, value in everything.items() if key in names}


def profile_post(edge: EdgeCall) -> Json:
    """Settings of a business (a greeting, a get-started button, an about line): kept, merged, told on request."""
    node = _node(edge)
    settings = {key: value for key, value in edge.call.body.items() if key not in {"access_token", "messaging_product"}}
    accounts.set_profile(edge.tx, node.account_id, {**node.profile, **settings})
    return {"result": "success", "success": True}


def profile_delete(edge: EdgeCall) -> Json:
    """Forget the settings named in ``fields``."""
    node = _node(edge)
    fields = edge.call.body.get("fields") or edge.call.query.get("fields", "").split(",")
    kept = {key: value for key, value in node.profile.items() if key not in fields}
    accounts.set_profile(edge.tx, node.account_id, kept)
    return {"result": "success", "success": True}


def profile_get(edge: EdgeCall) -> Json:
    """The settings, one object in a list as the platforms have it."""
    node = _node(edge)
    fields = edge.call.query.get("fields")
    names = set(fields.split(",")) if fields else set(node.profile)
    return {"data": [{key: value for key, value in node.profile.items() if key in names}]}


def _node(edge: EdgeCall) -> accounts.Node:
    node = accounts.node_by_account(edge.tx, edge.node.id)
    if node is None:
        raise Refused(Why.UNSUPPORTED, "Only a business has these settings")
    return node


def conversations_get(edge: EdgeCall) -> Json:
    """``GET /{node}/conversations``: the threads with their latest messages, the latest thread first."""
    limit = (
        max(1, min(int(edge.call.query.get("limit", "25")), 50)) if edge.call.query.get("limit", "25").isdigit() else 25
    )
    found = messages.threads_of(edge.tx, edge.node.id)[:limit]
    return {"data": [conversation(edge, thread) for thread, *_ in found], "paging": {}}


def conversation(edge: EdgeCall, thread_id: str) -> Json:
    """One thread of the node: its members and latest messages, the newest first. `not_found`."""
    other_id = messages.other_member(edge.tx, thread_id=thread_id, account_id=edge.node.id)
    if other_id is None:
        raise Refused(Why.NOT_FOUND, f"No conversation {thread_id[:100]!r} of this account")
    both = {edge.node.id: edge.node, other_id: accounts.required(edge.tx, other_id)}
    found = messages.listing(edge.tx, account_id=edge.node.id, thread_id=thread_id, unread=False, after=None, limit=20)
    listed = [_conversation_message(message, both) for message in reversed(found)]
    updated_at_ms = max((message.sent_at_ms for message in found), default=0)
    return {
        "id": thread_id,
        "updated_time": _iso(updated_at_ms),
        "participants": {"data": [_participant(account) for account in both.values()]},
        "messages": {"data": listed},
    }


def _conversation_message(message: Message, both: Mapping[str, Account]) -> Json:
    return {
        "id": message.native_id,
        "created_time": _iso(message.sent_at_ms),
        "from": _participant(both[message.sender_id]),
        "to": {"data": [_participant(both[message.recipient_id])]},
        "message": message.text,
    }


def _participant(account: Account) -> Json:
    return {"id": account.id, "name": account.name, "username": account.address.removeprefix("@")}


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
