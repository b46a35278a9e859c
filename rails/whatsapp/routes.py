"""Platform API edges of WhatsApp alone: the numbers of a business account, its profile, its block list."""

from rails.kit import accounts
from rails.kit.edges import EdgeCall, find_recipient, node_get, profile_get, profile_post
from rails.kit.model import Account, Refused, Why
from rails.kit.rail import Json, Route


def _phone_numbers(edge: EdgeCall) -> Json:
    return {"data": [node_get(edge, edge.node)], "paging": {}}


def _business_profile(edge: EdgeCall) -> Json:
    told = profile_get(edge)["data"][0]
    return {"data": [{"messaging_product": "whatsapp", "vertical": "OTHER", **told}]}


def _named_users(edge: EdgeCall) -> list[tuple[str, Account]]:
    users = edge.call.body.get("block_users")
    if not isinstance(users, list) or not users or not all(isinstance(user, dict) for user in users):
        raise Refused(Why.BAD_REQUEST, 'block_users: expected a list of {"user": number} or {"user_id": id}')
    named = [str(user.get("user") or user.get("user_id") or "") for user in users]
    return [(name, find_recipient(edge, name)) for name in named]


def _set_blocks(edge: EdgeCall, *, on: bool, word: str) -> Json:
    told = []
    for name, user in _named_users(edge):
        edge.acts.block(edge.tx, blocker=edge.node, blocked=user, on=on, by_partner=edge.by_partner)
        told.append({"input": name, "wa_id": user.id, "user_id": user.second_id})
    return {"messaging_product": "whatsapp", "block_users": {word: told}}


def _block(edge: EdgeCall) -> Json:
    return _set_blocks(edge, on=True, word="added_users")


def _unblock(edge: EdgeCall) -> Json:
    return _set_blocks(edge, on=False, word="removed_users")


def _blocked(edge: EdgeCall) -> Json:
    blocked = accounts.blocked_by(edge.tx, edge.node.id)
    listed = [{"messaging_product": "whatsapp", "input": user.id, "wa_id": user.id} for user in blocked]
    return {"data": listed, "paging": {}}


ROUTES = (
    Route(method="GET", edge="phone_numbers", handle=_phone_numbers),
    Route(method="GET", edge="whatsapp_business_profile", handle=_business_profile),
    Route(method="POST", edge="whatsapp_business_profile", handle=profile_post),
    Route(method="POST", edge="block_users", handle=_block),
    Route(method="DELETE", edge="block_users", handle=_unblock),
    Route(method="GET", edge="block_users", handle=_blocked),
)
