"""Groups: who is in one, as what, and what an event makes of that. Pure.

The router decides which events count (`router.core.groups`); whoever reads the log folds those that did
with `after`, so router, bridges and ledger cannot disagree on a member.
"""

from typing import Literal, assert_never

import msgspec

from schemas.content import Media
from schemas.events import GroupChanged, GroupEvent, GroupFounded, Membership
from schemas.ids import ConversationId, PersonId, digest

Role = Literal["owner", "admin", "member"]
"""An admin adds, removes, bans, renames and ends; an owner also makes admins. Everybody may add and leave."""


class Group(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a conversation has that is a group. Its members, in the order they came, are `roles`' keys."""

    name: str
    roles: dict[PersonId, Role]
    version: int = 1
    """Raised by every event that counts; what a bridge says it has `seen`."""
    left: dict[PersonId, int] = {}
    """Who is not in it any more -> the version that took them out. Only a later add brings them back."""
    banned: tuple[PersonId, ...] = ()
    until_ms: int = 0
    """When it ends, Unix milliseconds; 0: it stays."""
    picture: Media | None = None
    closed: bool = False

    @property
    def members(self) -> tuple[PersonId, ...]:
        """Everybody who is in it now."""
        return tuple(self.roles)


def group_id(rail: str, native_id: str) -> ConversationId:
    """The conversation of a group that was made on a rail: the same however often its making is reported."""
    return ConversationId("grp_" + digest("group", rail, native_id))


def is_group(conversation: str) -> bool:
    """Whether the conversation is a group's."""
    return conversation.startswith("grp_")


def after(group: Group | None, event: GroupEvent, actor: PersonId, subjects: tuple[PersonId, ...]) -> Group | None:
    """The group after an event that counted. `subjects`: the persons it concerns, in the order of the entry's seats.

    None when there is no group yet and the event does not found it.
    """
    if isinstance(event, GroupFounded):
        return group or _founded(event, actor, subjects)
    if group is None:
        return None
    match event:
        case Membership():
            changed = _membership(group, event, subjects)
        case GroupChanged():
            changed = _changed(group, event)
        case _:
            assert_never(event)
    return msgspec.structs.replace(changed, version=group.version + 1)


def _founded(event: GroupFounded, actor: PersonId, subjects: tuple[PersonId, ...]) -> Group:
    roles: dict[PersonId, Role] = {actor: "owner"}
    for person in subjects:
        roles.setdefault(person, "member")
    return Group(name=event.name, roles=roles, until_ms=event.until_ms, picture=event.picture)


def _membership(group: Group, event: Membership, subjects: tuple[PersonId, ...]) -> Group:
    roles, left, banned = dict(group.roles), dict(group.left), set(group.banned)
    for person in subjects:
        match event.change:
            case "add":
                roles.setdefault(person, "member")
                left.pop(person, None)
            case "leave" | "remove" | "ban":
                if roles.pop(person, None) is not None:
                    left[person] = group.version + 1
                if event.change == "ban":
                    banned.add(person)
            case "unban":
                banned.discard(person)
            case "admin" | "member":
                if roles.get(person, "owner") != "owner":
                    roles[person] = event.change
            case _:
                assert_never(event.change)
    _heir(roles)
    return msgspec.structs.replace(
        group, roles=roles, left=left, banned=tuple(sorted(banned)), closed=group.closed or not roles
    )


def _heir(roles: dict[PersonId, Role]) -> None:
    """A group whose owner has gone belongs to its oldest admin, or else to its oldest member."""
    if roles and "owner" not in roles.values():
        oldest = next((person for person, role in roles.items() if role == "admin"), next(iter(roles)))
        roles[oldest] = "owner"


def _changed(group: Group, event: GroupChanged) -> Group:
    return msgspec.structs.replace(
        group,
        name=group.name if event.name is None else event.name,
        until_ms=group.until_ms if event.until_ms is None else event.until_ms,
        picture=group.picture if event.picture is None else event.picture,
        closed=group.closed or event.closed,
    )
