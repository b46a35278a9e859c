"""Groups as the rail's store knows them: who is in one, as what, since when, and how far each has read.

A group is an account of its own (`Kind.GROUP`), whose id is also its thread's: a message to it is a message like any
other. What people may do with one, and who is told, is in `rails.kit.grouping`. Functions of one transaction.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from rails.kit import accounts
from rails.kit.model import Account, Kind, Message, Refused, Why
from rails.kit.rail import Json, Rail
from rails.kit.store import Tx

Role = Literal["owner", "admin", "member"]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group and its members, in the order they came."""

    account: Account
    roles: Mapping[str, Role]
    """Account id -> role."""
    key: str | None = None
    until_ms: int = 0
    closed: bool = False
    number: int = 0

    @property
    def id(self) -> str:
        return self.account.id


def make(tx: Tx, rail: Rail, *, name: str, key: str | None, until_ms: int, now_ms: int) -> Account:
    """A new group, of nobody yet."""
    ident = rail.ids.group()
    tx.run(
        "INSERT INTO accounts (id, handle, name, kind, federated, created_at_ms) VALUES (?, ?, ?, 'group', 0, ?)",
        ident,
        f"group:{ident}",
        name,
        now_ms,
    )
    tx.run("INSERT INTO groups (id, key, until_ms) VALUES (?, ?, ?)", ident, key, until_ms)
    tx.run("INSERT INTO threads (id, kind, last_at_ms) VALUES (?, 'group', ?)", ident, now_ms)
    return accounts.required(tx, ident)


def find(tx: Tx, group_id: str) -> Group | None:
    """The group with that native id."""
    row = tx.one("SELECT key, until_ms, closed, number FROM groups WHERE id = ?", group_id)
    if row is None:
        return None
    stays = tx.all(
        "SELECT account_id, role FROM group_stays WHERE group_id = ? AND until IS NULL ORDER BY rowid", group_id
    )
    key, until_ms, closed, number = row
    return Group(
        account=accounts.required(tx, group_id),
        roles=dict(stays),
        key=key,
        until_ms=until_ms,
        closed=bool(closed),
        number=number,
    )


def by_key(tx: Tx, key: str) -> Group | None:
    """The group that the federation partner calls so."""
    row = tx.one("SELECT id FROM groups WHERE key = ?", key)
    return None if row is None else find(tx, str(row[0]))


def made_with_key(tx: Tx, account_id: str, key: str) -> Group | None:
    """The group that the account's app has made with that key before."""
    row = tx.one("SELECT native_id FROM post_keys WHERE node_id = ? AND realm = 'client' AND key = ?", account_id, key)
    return None if row is None else find(tx, str(row[0]))


def required(tx: Tx, group_id: str) -> Group:
    """The group, or `not_found`."""
    found = find(tx, group_id)
    if found is None:
        raise Refused(Why.NOT_FOUND, f"No group here has the id {group_id[:100]!r}")
    return found


def has_known(tx: Tx, group_id: str, account_id: str) -> bool:
    """Whether the account is or was in the group: then it may look at what it was there for."""
    row = tx.one("SELECT 1 FROM group_stays WHERE group_id = ? AND account_id = ? LIMIT 1", group_id, account_id)
    return row is not None


def is_member(tx: Tx, group_id: str, account_id: str) -> bool:
    """Whether the account is in the group now."""
    row = tx.one(
        "SELECT 1 FROM group_stays WHERE group_id = ? AND account_id = ? AND until IS NULL", group_id, account_id
    )
    return row is not None


def must_be_open_to(tx: Tx, group: Account, account_id: str) -> None:
    """`recipient_unavailable` for who is not in it, and when it has ended."""
    if not is_member(tx, group.id, account_id):
        raise Refused(Why.RECIPIENT_UNAVAILABLE, f"You are not in the group {group.name!r} (any more)")
    if tx.one("SELECT closed FROM groups WHERE id = ?", group.id)[0]:
        raise Refused(Why.RECIPIENT_UNAVAILABLE, f"The group {group.name!r} has ended; it can only be read")


def sees(tx: Tx, message: Message, account_id: str) -> bool:
    """Whether an account may see a message: it is its sender's or recipient's, or came while it was in the group."""
    if account_id in {message.sender_id, message.recipient_id}:
        return True
    row = tx.one(
        "SELECT 1 FROM group_stays WHERE group_id = ? AND account_id = ? AND since < ?"
        " AND (until IS NULL OR until >= ?) LIMIT 1",
        message.recipient_id,
        account_id,
        message.arrival,
        message.arrival,
    )
    return row is not None


def members(tx: Tx, group_id: str) -> list[Account]:
    """Everybody who is in it now."""
    return [accounts.required(tx, member) for member in required(tx, group_id).roles]


def enter(tx: Tx, group_id: str, account: Account, role: Role) -> bool:
    """The account is in it from now on, in that role. Whether it was not before, or in another role."""
    row = tx.one(
        "SELECT role FROM group_stays WHERE group_id = ? AND account_id = ? AND until IS NULL", group_id, account.id
    )
    if row is not None:
        tx.run(
            "UPDATE group_stays SET role = ? WHERE group_id = ? AND account_id = ? AND until IS NULL",
            role,
            group_id,
            account.id,
        )
        return bool(row[0] != role)
    tx.run("INSERT OR IGNORE INTO thread_members VALUES (?, ?)", account.id, group_id)
    tx.run(
        "INSERT INTO group_stays VALUES (?, ?, ?, NULL, ?) ON CONFLICT (group_id, account_id, since)"
        " DO UPDATE SET until = NULL, role = excluded.role",  # left and came back with nothing said between
        group_id,
        account.id,
        _last_arrival(tx),
        role,
    )
    return True


def leave(tx: Tx, group_id: str, account_id: str) -> bool:
    """The account sees nothing that comes from now on. Whether it was in the group."""
    gone = tx.run(
        "UPDATE group_stays SET until = ? WHERE group_id = ? AND account_id = ? AND until IS NULL",
        _last_arrival(tx),
        group_id,
        account_id,
    )
    return gone.rowcount > 0


def _last_arrival(tx: Tx) -> int:
    return int(tx.one("SELECT coalesce(max(arrival), 0) FROM messages")[0])


def ban(tx: Tx, group_id: str, account_id: str, *, on: bool) -> bool:
    """Whether that changed anything."""
    if on:
        changed = tx.run("INSERT OR IGNORE INTO group_bans VALUES (?, ?)", group_id, account_id)
    else:
        changed = tx.run("DELETE FROM group_bans WHERE group_id = ? AND account_id = ?", group_id, account_id)
    return changed.rowcount > 0


def is_banned(tx: Tx, group_id: str, account_id: str) -> bool:
    """Whether somebody has to be let in again first."""
    return tx.one("SELECT 1 FROM group_bans WHERE group_id = ? AND account_id = ?", group_id, account_id) is not None


def change(tx: Tx, group_id: str, *, name: str, until_ms: int, closed: bool) -> bool:
    """What it is called and when it ends. Whether that changed anything. What has ended stays so."""
    before = required(tx, group_id)
    if (before.account.name, before.until_ms, before.closed) == (name, until_ms, closed):
        return False
    tx.run("UPDATE accounts SET name = ? WHERE id = ?", name, group_id)
    tx.run("UPDATE groups SET until_ms = ?, closed = max(closed, ?) WHERE id = ?", until_ms, int(closed), group_id)
    return True


def bind(tx: Tx, group_id: str, key: str) -> None:
    """The partner calls it so from now on. `bad_request` when it calls it, or another, otherwise."""
    group = required(tx, group_id)
    other = by_key(tx, key)
    if group.key not in {None, key} or (other is not None and other.id != group_id):
        raise Refused(
            Why.BAD_REQUEST, f"bind: {group_id} is {group.key or 'no group yet'}, {key} is {other and other.id}"
        )
    tx.run("UPDATE groups SET key = ? WHERE id = ?", key, group_id)


def refresh_federated(tx: Tx, group_id: str) -> None:
    """The partner hears of a group with a federated member."""
    tx.run(
        "UPDATE accounts SET federated = EXISTS (SELECT 1 FROM group_stays s JOIN accounts a ON a.id = s.account_id"
        " WHERE s.group_id = ? AND s.until IS NULL AND a.federated) WHERE id = ?",
        group_id,
        group_id,
    )


def next_number(tx: Tx, group_id: str) -> int:
    """The number of the change that is being made."""
    return int(tx.one("UPDATE groups SET number = number + 1 WHERE id = ? RETURNING number", group_id)[0])


def set_mark(tx: Tx, group_id: str, account_id: str, *, rank: int, arrival: int, shown: bool) -> None:
    """How far an account has read, and whether the others are told."""
    tx.run(
        "INSERT INTO group_marks VALUES (?, ?, ?, ?, ?) ON CONFLICT (group_id, account_id)"
        " DO UPDATE SET rank = excluded.rank, arrival = excluded.arrival, shown = excluded.shown",
        group_id,
        account_id,
        rank,
        arrival,
        int(shown),
    )


def marks(tx: Tx, group_id: str) -> dict[str, tuple[int, int, bool]]:
    """How far each has read: rank, arrival, and whether the others are told."""
    rows = tx.all("SELECT account_id, rank, arrival, shown FROM group_marks WHERE group_id = ?", group_id)
    return {account: (rank, arrival, bool(shown)) for account, rank, arrival, shown in rows}


def checked_members(found: Iterable[Account]) -> list[Account]:
    """Accounts that can be in a group, each once, or `bad_request`."""
    unique = {account.id: account for account in found}
    for account in unique.values():
        if account.kind in {Kind.BUSINESS, Kind.GROUP}:
            raise Refused(Why.BAD_REQUEST, f"{account.handle} is no person: groups are for people")
    return list(unique.values())


def shown(tx: Tx, group: Group, *, viewer_id: str) -> Json:
    """`GROUP` of docs/rail-api.md, as the viewer sees it."""
    people = {member: accounts.required(tx, member) for member in group.roles}
    return {
        "group": group.id,
        "thread": group.id,
        "key": group.key or "",
        "name": group.account.name,
        "members": [
            {"handle": people[member].handle, "name": people[member].name, "role": role}
            for member, role in group.roles.items()
        ],
        "until_ms": group.until_ms,
        "closed": group.closed,
        "mine": group.roles.get(viewer_id),
    }
