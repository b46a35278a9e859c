"""Groups in the federation extension: the partner makes a group, or brings it to what it says. One transaction each."""

from rails.kit import accounts, grouping, groups
from rails.kit.asked import Asked
from rails.kit.bodies import flag_member, integer_member, list_member, needed
from rails.kit.groups import Group, Role
from rails.kit.model import Account, Refused, Why
from rails.kit.rail import Json

_ROLES: tuple[Role, ...] = ("owner", "admin", "member")


def put(asked: Asked) -> Json:
    """``PUT /groups/{key}``: the group of that name is exactly so; or, with ``bind``, this group has that name."""
    body, key = asked.call.body, asked.rest[1]
    if "bind" in body:
        groups.bind(asked.tx, needed(body, "bind", longest=100), key)
    if "members" in body:
        grouping.reconcile(
            asked.tx,
            asked.acts,
            key=key,
            name=accounts.checked_name(body.get("name")),
            roles=[_member(asked, one) for one in list_member(body, "members")],
            until_ms=integer_member(body, "until_ms") or 0,
            closed=flag_member(body, "closed", default=False),
            banned=[accounts.required(asked.tx, str(one)) for one in body.get("banned") or ()],
        )
    found = groups.by_key(asked.tx, key)
    if found is None:
        raise Refused(Why.BAD_REQUEST, 'Expected {"members", "name"}, or "bind": the id of a group that is here')
    return _shown(found)


def get(asked: Asked) -> Json:
    """``GET /groups/{native id or key}``."""
    name = asked.rest[1]
    found = groups.by_key(asked.tx, name) or groups.find(asked.tx, name)
    if found is None:
        raise Refused(Why.NOT_FOUND, f"No group here is {name[:100]!r}")
    return _shown(found)


def _member(asked: Asked, member: object) -> tuple[Account, Role]:
    if not isinstance(member, dict):
        raise Refused(Why.BAD_REQUEST, 'members: expected {"id", "role"}')
    role = next((role for role in _ROLES if role == member.get("role", "member")), None)
    if role is None:
        raise Refused(Why.BAD_REQUEST, f"role: expected one of {', '.join(_ROLES)}")
    return accounts.required(asked.tx, needed(member, "id", longest=200)), role


def _shown(group: Group) -> Json:
    return {
        "id": group.id,
        "key": group.key or "",
        "name": group.account.name,
        "members": [{"id": member, "role": role} for member, role in group.roles.items()],
        "until_ms": group.until_ms,
        "closed": group.closed,
    }
