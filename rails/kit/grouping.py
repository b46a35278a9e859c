"""What people, and the federation partner, do with groups, and who is told. Functions of one transaction.

Everybody in a group may add people and leave; an admin removes, bans, renames and ends it; the owner also makes
admins. What the partner does is done as it says, and nothing of it is told back to it.
"""

from collections.abc import Sequence

from rails.kit import accounts, groups, outbox
from rails.kit.acts import Acts
from rails.kit.groups import Group, Role
from rails.kit.model import Account, Refused, Why
from rails.kit.rail import Json
from rails.kit.store import Tx


def make(tx: Tx, acts: Acts, *, by: Account, name: str, others: Sequence[Account], until_ms: int) -> Group:
    """A new group of `by` and these. Refuses: `bad_request`."""
    invited = [account for account in groups.checked_members(others) if account.id != by.id]
    _must_fit(acts, len(invited) + 1)
    for account in invited:
        if accounts.is_blocked(tx, blocker_id=account.id, blocked_id=by.id):
            raise Refused(Why.RECIPIENT_UNAVAILABLE, f"{account.handle} cannot be written to")
    made = groups.make(tx, acts.rail, name=name, key=None, until_ms=until_ms, now_ms=acts.now_ms())
    groups.enter(tx, made.id, by, "owner")
    for account in invited:
        groups.enter(tx, made.id, account, "member")
    return _told(tx, acts, made.id, change="made", by=by, who=invited)


def add(tx: Tx, acts: Acts, *, by: Account, group_id: str, whom: Sequence[Account]) -> Group:
    """Let them in. Who is in it already stays as they are."""
    group = _of(tx, by, group_id)
    new = [account for account in groups.checked_members(whom) if account.id not in group.roles]
    _must_fit(acts, len(group.roles) + len(new))
    for account in new:
        if groups.is_banned(tx, group_id, account.id):
            raise Refused(Why.NOT_ALLOWED, f"{account.handle} is banned from this group; lift that first")
        groups.enter(tx, group_id, account, "member")
    return _told(tx, acts, group_id, change="add", by=by, who=new) if new else group


def leave(tx: Tx, acts: Acts, *, by: Account, group_id: str) -> Group:
    """Be in it no longer. The oldest admin, or else member, owns it when the owner goes."""
    group = _of(tx, by, group_id, or_closed=True)
    groups.leave(tx, group_id, by.id)
    _heir(tx, group_id)
    return _told(tx, acts, group_id, change="leave", by=by, who=[by], also=[*group.roles])


def remove(tx: Tx, acts: Acts, *, by: Account, group_id: str, whom: Account, ban: bool) -> Group:
    """Take somebody out; banned, they can be added again only when that is lifted."""
    group = _of(tx, by, group_id)
    _must_be(group, by, "admin")
    if group.roles.get(whom.id) == "owner":
        raise Refused(Why.NOT_ALLOWED, "The owner cannot be taken out")
    gone, banned = groups.leave(tx, group_id, whom.id), ban and groups.ban(tx, group_id, whom.id, on=True)
    if not gone and not banned:
        raise Refused(Why.NOT_FOUND, f"{whom.handle} is not in this group")
    return _told(tx, acts, group_id, change="ban" if ban else "remove", by=by, who=[whom], also=[*group.roles])


def unban(tx: Tx, acts: Acts, *, by: Account, group_id: str, whom: Account) -> Group:
    """They can be added again."""
    _must_be(_of(tx, by, group_id), by, "admin")
    groups.ban(tx, group_id, whom.id, on=False)
    return _told(tx, acts, group_id, change="unban", by=by, who=[whom])


def set_role(tx: Tx, acts: Acts, *, by: Account, group_id: str, whom: Account, role: Role) -> Group:
    """Make an admin, or a plain member again."""
    group = _of(tx, by, group_id)
    _must_be(group, by, "owner")
    before = group.roles.get(whom.id)
    if before is None or before == "owner":
        raise Refused(Why.NOT_FOUND, f"{whom.handle} is no member whose role can be changed")
    groups.enter(tx, group_id, whom, role)
    return _told(tx, acts, group_id, change=role, by=by, who=[whom])


def change(tx: Tx, acts: Acts, *, by: Account, group_id: str, name: str | None, until_ms: int | None) -> Group:
    """Call it otherwise, or let it end at another time."""
    group = _of(tx, by, group_id)
    _must_be(group, by, "admin")
    changed = groups.change(
        tx,
        group_id,
        name=group.account.name if name is None else name,
        until_ms=group.until_ms if until_ms is None else until_ms,
        closed=False,
    )
    return _told(tx, acts, group_id, change="changed", by=by, who=[]) if changed else group


def close(tx: Tx, acts: Acts, *, by: Account, group_id: str) -> Group:
    """End it: it can be read, and nobody can write. Again: the same."""
    group = _of(tx, by, group_id, or_closed=True)
    _must_be(group, by, "admin")
    changed = groups.change(tx, group_id, name=group.account.name, until_ms=group.until_ms, closed=True)
    return _told(tx, acts, group_id, change="closed", by=by, who=[]) if changed else group


def reconcile(
    tx: Tx,
    acts: Acts,
    *,
    key: str,
    name: str,
    roles: Sequence[tuple[Account, Role]],
    until_ms: int,
    closed: bool,
    banned: Sequence[Account],
) -> Group:
    """The partner's: make the group with that key, or bring it to exactly this. Twice is as once."""
    group = groups.by_key(tx, key)
    if group is None:
        _must_fit(acts, len(roles))
        made = groups.make(tx, acts.rail, name=name, key=key, until_ms=until_ms, now_ms=acts.now_ms())
        group = groups.required(tx, made.id)
    before = list(group.roles)
    wanted = {account.id for account, _ in roles}
    changed = [groups.leave(tx, group.id, member) for member in before if member not in wanted]
    changed += [groups.enter(tx, group.id, account, role) for account, role in roles]
    tx.run("DELETE FROM group_bans WHERE group_id = ?", group.id)
    for account in banned:
        groups.ban(tx, group.id, account.id, on=True)
    changed.append(groups.change(tx, group.id, name=name, until_ms=until_ms, closed=closed))
    groups.refresh_federated(tx, group.id)
    if any(changed):
        _push(tx, group.id, also=before)
    return groups.required(tx, group.id)


def _of(tx: Tx, by: Account, group_id: str, *, or_closed: bool = False) -> Group:
    """The group, of which `by` is a member. `not_found` for strangers: they cannot know that it is there."""
    if not groups.has_known(tx, group_id, by.id):
        raise Refused(Why.NOT_FOUND, f"No group of this account has the id {group_id[:100]!r}")
    group = groups.required(tx, group_id)
    if not or_closed or by.id not in group.roles:
        groups.must_be_open_to(tx, group.account, by.id)
    return group


def _must_be(group: Group, by: Account, least: Role) -> None:
    if group.roles[by.id] not in {"owner", least}:
        words = "its owner" if least == "owner" else "its owner and admins"
        raise Refused(Why.NOT_ALLOWED, f"In {group.account.name!r} only {words} can do that")


def _must_fit(acts: Acts, size: int) -> None:
    most = acts.rail.abilities.group_length
    if size > most:
        raise Refused(Why.BAD_REQUEST, f"A group on {acts.rail.title} has at most {most} members; these are {size}")


def _heir(tx: Tx, group_id: str) -> None:
    roles = groups.required(tx, group_id).roles
    if roles and "owner" not in roles.values():
        oldest = next((member for member, role in roles.items() if role == "admin"), next(iter(roles)))
        groups.enter(tx, group_id, accounts.required(tx, oldest), "owner")


def _told(
    tx: Tx,
    acts: Acts,
    group_id: str,
    *,
    change: str,
    by: Account,
    who: Sequence[Account],
    also: Sequence[str] = (),
) -> Group:
    """Who is in it (and `also`) sees it as it is now; so does the partner, when a member is federated."""
    was_federated = accounts.required(tx, group_id).federated
    groups.refresh_federated(tx, group_id)
    group = groups.required(tx, group_id)
    if group.account.federated or was_federated:
        value: Json = {
            "id": group_id,
            "key": group.key or "",
            "change": change,
            "by": by.id,
            "who": [account.id for account in who],
            "name": group.account.name,
            "until_ms": group.until_ms,
            "number": groups.next_number(tx, group_id),
            "at_ms": acts.now_ms(),
        }
        outbox.announce_extension(tx, acts.rail, field="groups", value=value, at_ms=acts.now_ms())
    _push(tx, group_id, also=also)
    return group


def _push(tx: Tx, group_id: str, *, also: Sequence[str] = ()) -> None:
    group = groups.required(tx, group_id)
    for viewer in dict.fromkeys((*group.roles, *also)):
        tx.push(viewer, {"type": "group", "group": groups.shown(tx, group, viewer_id=viewer)})
