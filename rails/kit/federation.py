"""The federation extension: what the one partner may do beyond the platform. Functions of one transaction.

`rails.kit.graph` has checked that the caller is the partner. Subscription and nodes, which ask receivers first, are
there too; this module has their part within the transaction.
"""

from collections.abc import Callable
from typing import Any

from rails.kit import accounts, adoption, changes, filing, listing, messages, partner_groups
from rails.kit.acts import Acts
from rails.kit.asked import Asked, node_of, peer_of
from rails.kit.bodies import flag_member, integer_member, needed, text_member
from rails.kit.edges import Call
from rails.kit.model import Kind, Refused, Why
from rails.kit.outbox import PARTNER
from rails.kit.rail import Json
from rails.kit.store import Tx

PAGE_LENGTH = 1000
BATCH_LENGTH = 200


def answer(tx: Tx, acts: Acts, call: Call) -> Json:
    """Find and do what the partner asks. `not_found` when there is no such request."""
    rest = call.segments[1:]
    asked = Asked(tx=tx, acts=acts, call=call, rest=rest)
    by_name = _BY_NAME.get((call.method, rest[0] if rest else "", len(rest)))
    if by_name is not None:
        return by_name(asked)
    if (asked.call.method, rest[:1], rest[2:]) == ("POST", ("ghosts",), ("adopt",)):
        return _adopt(asked)
    by_node = _BY_NODE.get((call.method, rest[1])) if len(rest) == 2 else None
    if by_node is not None:
        return by_node(asked)
    raise Refused(
        Why.NOT_FOUND, f"The federation extension has no {call.method} /{'/'.join(rest)}; see docs/rail-api.md"
    )


def subscribe(tx: Tx, *, callback_url: str, verify_token: str, resolve_url: str) -> None:
    """Keep where the partner is; what waits for it is due at once."""
    accounts.set_setting(tx, "partner.callback_url", callback_url)
    accounts.set_setting(tx, "partner.verify_token", verify_token)
    accounts.set_setting(tx, "partner.resolve_url", resolve_url)
    tx.run("UPDATE outbox SET next_at_ms = 0 WHERE target = ?", PARTNER)


def make_node(tx: Tx, acts: Acts, *, name: str, address: str | None, webhook_url: str | None, federated: bool) -> Json:
    """A business and its credentials, told this once."""
    account = accounts.register(
        tx,
        acts.rail,
        address=address or acts.rail.ids.business_address(name),
        name=accounts.checked_name(name),
        kind=Kind.BUSINESS,
        federated=federated,
        now_ms=acts.now_ms(),
    )
    node, token = accounts.make_node(tx, account.id, webhook_url=webhook_url)
    acts.announce_account(tx, account)
    return {
        "node_id": account.id,
        "access_token": token,
        "app_secret": node.app_secret,
        "verify_token": node.verify_token,
        "app_id": node.app_id,
        "handle": account.handle,
        **acts.rail.node_extras(account),
    }


def _accounts(asked: Asked) -> Json:
    if "handle" in asked.call.query:
        named = accounts.by_handle(asked.tx, accounts.normal_handle(asked.acts.rail, asked.call.query["handle"]))
        return {"accounts": [named.public()] if named is not None else [], "next": None}
    limit_text = asked.call.query.get("limit", "200")
    if not limit_text.isdecimal() or not 1 <= int(limit_text[:9]) <= PAGE_LENGTH:
        raise Refused(Why.BAD_REQUEST, f"limit: expected 1 to {PAGE_LENGTH}")
    limit = int(limit_text)
    found = accounts.page(asked.tx, after=asked.call.query.get("after"), limit=limit)
    following = found[-1].id if len(found) == limit else None
    return {"accounts": [account.public() for account in found], "next": following}


def _account(asked: Asked) -> Json:
    return accounts.required(asked.tx, asked.rest[1]).public()


def _ghosts(asked: Asked) -> Json:
    body = asked.call.body
    aliases = body.get("aliases") or []
    if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
        raise Refused(Why.BAD_REQUEST, "aliases: expected a list of handles")
    rail = asked.acts.rail
    return accounts.make_ghost(
        asked.tx,
        rail,
        key=needed(body, "key", longest=200),
        name=accounts.checked_name(body.get("name")),
        handle=accounts.normal_handle(rail, needed(body, "handle", longest=200)),
        aliases=[accounts.normal_handle(rail, alias) for alias in aliases],
        now_ms=asked.acts.now_ms(),
    ).public()


def _read(asked: Asked) -> Json:
    read = asked.acts.read(
        asked.tx,
        reader=node_of(asked),
        author=peer_of(asked),
        up_to=text_member(asked.call.body, "up_to", required=False),
        shown_to_author=not flag_member(asked.call.body, "private", default=False),
        by_partner=True,
    )
    return {"success": True, "read": read}


def _mark(asked: Asked) -> Json:
    body = asked.call.body
    on, epoch = flag_member(body, "on", default=True), integer_member(body, "epoch")
    if epoch is None:
        raise Refused(Why.BAD_REQUEST, "epoch: expected an integer of 64 bits")
    filing.take_over(
        asked.tx, account=node_of(asked), peer=peer_of(asked), mark=needed(body, "mark"), on=on, epoch=epoch
    )
    return {"success": True}


def _delivered(asked: Asked) -> Json:
    up_to = text_member(asked.call.body, "up_to", required=False)
    asked.acts.deliver(asked.tx, reader=node_of(asked), author=peer_of(asked), up_to=up_to, by_partner=True)
    return {"success": True}


def _failures(asked: Asked) -> Json:
    body = asked.call.body
    code = body.get("code")
    if isinstance(code, bool) or not isinstance(code, int | str) or not 0 < len(str(code)) <= 100:
        raise Refused(Why.BAD_REQUEST, "code: expected the platform's error code or a word, such as 131026 or blocked")
    asked.acts.fail(asked.tx, native_id=needed(body, "native_id"), code=str(code), reason=needed(body, "message"))
    return {"success": True}


def _orders(asked: Asked) -> Json:
    orders = asked.call.body.get("orders")
    if not isinstance(orders, dict):
        raise Refused(Why.BAD_REQUEST, "orders: expected an object {native id: integer}")
    ranks = {native_id: integer_member(orders, native_id) for native_id in orders}
    known = asked.acts.rank(asked.tx, {native_id: rank for native_id, rank in ranks.items() if rank is not None})
    return {"success": True, "known": known}


def _blocks(asked: Asked) -> Json:
    body = asked.call.body
    asked.acts.block(
        asked.tx,
        blocker=accounts.required(asked.tx, needed(body, "blocker")),
        blocked=accounts.required(asked.tx, needed(body, "blocked")),
        on=flag_member(body, "on", default=True),
        by_partner=True,
    )
    return {"success": True}


def _adopt(asked: Asked) -> Json:
    account_id = needed(asked.call.body, "account", longest=200)
    adoption.asked(asked.tx, ghost_id=asked.rest[1], account_id=account_id)
    return {"success": True}


def _shown(asked: Asked) -> Json:
    return listing.shown(asked.tx, asked.call.body.get("native_ids"))


def _message_of_key(asked: Asked) -> Json:
    query = asked.call.query
    found = messages.posted_with_key(asked.tx, node_id=query.get("node", ""), realm="partner", key=query.get("key", ""))
    if found is None:
        raise Refused(Why.NOT_FOUND, "No message was made with this key for this node")
    return {"native_id": found.native_id}


_BY_NAME: dict[tuple[str, str, int], Callable[[Asked], Json]] = {
    ("GET", "accounts", 1): _accounts,
    ("GET", "accounts", 2): _account,
    ("POST", "ghosts", 1): _ghosts,
    ("POST", "failures", 1): _failures,
    ("POST", "orders", 1): _orders,
    ("POST", "blocks", 1): _blocks,
    ("GET", "messages", 1): _message_of_key,
    ("POST", "shown", 1): _shown,
    ("PUT", "groups", 2): partner_groups.put,
    ("GET", "groups", 2): partner_groups.get,
}
_BY_NODE: dict[tuple[str, str], Callable[[Asked], Json]] = {
    ("POST", "read"): _read,
    ("POST", "delivered"): _delivered,
    ("POST", "mark"): _mark,
    **changes.BY_NODE,
}


def batch_items(body: Any) -> list[dict[str, Any]]:
    """The requests of a batch, checked in form."""
    requests = body.get("requests")
    if not isinstance(requests, list) or len(requests) > BATCH_LENGTH or not all(isinstance(r, dict) for r in requests):
        raise Refused(Why.BAD_REQUEST, f"requests: expected a list of at most {BATCH_LENGTH} requests")
    return requests
