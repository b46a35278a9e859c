"""What a rail's native group is to look like, and what has to change for that. Pure, so it can be shown beforehand.

Everybody in the group is there as themselves where they have an account, else as a ghost. A rail that has no groups, or
none so large, has no native group at all, for half a group would be a lie: its members get threads (`apart`). Called by
`groups` for every leg of a group, and by `trinario group plan`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from schemas.capabilities import Capabilities
from schemas.groups import Group, Role
from schemas.ids import PersonId

Native = tuple[tuple[str, Role], ...]
"""Who is in a native group, by native id, in order."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The native group as it is to be."""

    name: str
    members: Native
    banned: tuple[str, ...]
    until_ms: int
    closed: bool


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What that changes in the native group that is there. Native ids."""

    add: tuple[str, ...] = ()
    """They come as plain members; what else they are is in `roles`."""
    remove: tuple[str, ...] = ()
    roles: tuple[tuple[str, Role], ...] = ()
    rename: str = ""

    def __bool__(self) -> bool:
        return self != Changes()


def missing(group: Group, nodes: Mapping[PersonId, str]) -> tuple[PersonId, ...]:
    """The members who have nobody to stand for them here yet."""
    return tuple(person for person in group.members if person not in nodes)


def refusal(group: Group, capabilities: Capabilities) -> str:
    """Why the rail cannot show this group; empty when it can."""
    if not capabilities.groups.is_native:
        return "this rail has no groups"
    if len(group.roles) > capabilities.group_most:
        return f"a group on this rail has at most {capabilities.group_most} members, this one has {len(group.roles)}"
    return ""


def wanted(group: Group, nodes: Mapping[PersonId, str]) -> Wanted:
    """The native group. `nodes`: person -> the account that stands for them; who has none is not there yet."""
    roles: dict[str, Role] = {}
    for person, role in group.roles.items():
        if person in nodes:
            roles.setdefault(nodes[person], role)
    return Wanted(
        name=group.name,
        members=tuple(roles.items()),
        banned=tuple(nodes[person] for person in group.banned if person in nodes and nodes[person] not in roles),
        until_ms=group.until_ms,
        closed=group.closed,
    )


def changes(now: Sequence[tuple[str, Role]], name: str, then: Wanted) -> Changes:
    """What has to be done to a native group with these members and this name."""
    before, after = dict(now), dict(then.members)
    return Changes(
        add=tuple(member for member in after if member not in before),
        remove=tuple(member for member in before if member not in after),
        roles=tuple((member, role) for member, role in after.items() if before.get(member, "member") != role),
        rename=then.name if then.name != name else "",
    )
