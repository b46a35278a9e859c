"""Who is on the rail: accounts, sessions, ghosts, business nodes, blocks. Functions of one transaction, no HTTP."""

import hashlib
import json
import secrets
import sqlite3

import msgspec

from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.rail import Rail
from rails.kit.store import Tx

_COLUMNS = "a.id, a.handle, a.name, a.kind, a.federated, a.ghost_key, a.second_id, n.webhook_url"
_FROM = f"SELECT {_COLUMNS} FROM accounts a LEFT JOIN nodes n ON n.account_id = a.id"  # noqa: S608 - constants
NAME_LENGTH = 100


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A business's credentials, but for its token, of which only the hash is kept."""

    account_id: str
    app_id: str
    app_secret: str
    verify_token: str
    webhook_url: str | None
    profile: dict[str, object]


def _account(row: tuple[object, ...] | None) -> Account | None:
    if row is None:
        return None
    ident, handle, name, kind, federated, key, second_id, url = row
    return Account(
        id=str(ident),
        handle=str(handle),
        name=str(name),
        kind=Kind(str(kind)),
        federated=bool(federated),
        ghost_key=None if key is None else str(key),
        second_id=None if second_id is None else str(second_id),
        webhook_url=None if url is None else str(url),
    )


def by_id(tx: Tx, account_id: str) -> Account | None:
    """The account with that native id."""
    return _account(tx.one(f"{_FROM} WHERE a.id = ?", account_id))


def by_handle(tx: Tx, handle: str) -> Account | None:
    """The account with that handle, or the ghost that has it as an alias."""
    found = _account(tx.one(f"{_FROM} WHERE a.handle = ?", handle))
    return found or _account(tx.one(f"{_FROM} JOIN aliases l ON l.account_id = a.id WHERE l.handle = ?", handle))


def by_second_id(tx: Tx, second_id: str) -> Account | None:
    """The account with that other native id."""
    return _account(tx.one(f"{_FROM} WHERE a.second_id = ?", second_id))


def required(tx: Tx, account_id: str) -> Account:
    """The account, or `not_found`."""
    found = by_id(tx, account_id)
    if found is None:
        raise Refused(Why.NOT_FOUND, f"No account here has the id {account_id!r}")
    return found


def page(tx: Tx, *, after: str | None, limit: int) -> list[Account]:
    """Accounts in the order of their registration, from the one after `after`."""
    seq = 0
    if after is not None:
        row = tx.one("SELECT seq FROM accounts WHERE id = ?", after)
        if row is None:
            raise Refused(Why.NOT_FOUND, f"after={after!r} is no account here; start without it")
        seq = row[0]
    rows = tx.all(f"{_FROM} WHERE a.seq > ? AND a.kind != 'group' ORDER BY a.seq LIMIT ?", seq, limit)
    return [account for row in rows if (account := _account(row)) is not None]


def checked_name(name: object) -> str:
    """A display name, or `bad_request`."""
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH:
        raise Refused(Why.BAD_REQUEST, f"name: expected a text of 1 to {NAME_LENGTH} characters")
    return name.strip()


def normal_handle(rail: Rail, text: str) -> str:
    """The folded handle in `text`, a handle of any rail or an address of this one. `bad_address` when it is neither.

    Addresses of other rails are folded the same everywhere: a phone number keeps ``+`` and digits, others are
    lower-case.
    """
    place, colon, address = text.strip().partition(":")
    if not colon:
        place, address = rail.name, text
    address = address.strip()
    if place.lower() == rail.name:
        try:
            return f"{rail.name}:{rail.normalise_address(address)}"
        except ValueError as error:
            raise Refused(Why.BAD_ADDRESS, str(error)) from error
    if not place.isidentifier() or not address:
        raise Refused(
            Why.BAD_ADDRESS, f"{text[:100]!r} is no handle; one looks like {rail.name}:{rail.address_example}"
        )
    kept = "".join(c for c in address if c == "+" or c.isdigit()) if address.startswith("+") else address.lower()
    return f"{place.lower()}:{kept}"


def register(tx: Tx, rail: Rail, *, address: str, name: str, kind: Kind, federated: bool, now_ms: int) -> Account:
    """A new person or business. `bad_address`, `address_taken`."""
    try:
        normal = rail.normalise_address(address.removeprefix(f"{rail.name}:"))
    except ValueError as error:
        raise Refused(Why.BAD_ADDRESS, str(error)) from error
    new = (rail.ids.business if kind is Kind.BUSINESS else rail.ids.person)(normal)
    account = Account(
        id=new.id, handle=f"{rail.name}:{normal}", name=name, kind=kind, federated=federated, second_id=new.second_id
    )
    _insert(tx, account, now_ms)
    return account


def _insert(tx: Tx, account: Account, now_ms: int) -> None:
    try:
        tx.run(
            "INSERT INTO accounts (id, handle, second_id, name, kind, federated, ghost_key, created_at_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            account.id,
            account.handle,
            account.second_id,
            account.name,
            account.kind.value,
            int(account.federated),
            account.ghost_key,
            now_ms,
        )
    except sqlite3.IntegrityError:
        raise Refused(Why.ADDRESS_TAKEN, f"{account.handle} is taken; choose another address or log in") from None


def make_ghost(tx: Tx, rail: Rail, *, key: str, name: str, handle: str, aliases: list[str], now_ms: int) -> Account:
    """The ghost with that key, made or updated."""
    ghost = _account(tx.one(f"{_FROM} WHERE a.ghost_key = ?", key))
    if ghost is None:
        new = rail.ids.ghost()
        ghost = Account(
            id=new.id, handle=handle, name=name, kind=Kind.GHOST, federated=True, ghost_key=key, second_id=new.second_id
        )
        _insert(tx, ghost, now_ms)
    elif (ghost.handle, ghost.name) != (handle, name):
        ghost = msgspec.structs.replace(ghost, handle=handle, name=name)
        try:
            tx.run("UPDATE accounts SET handle = ?, name = ? WHERE id = ?", handle, name, ghost.id)
        except sqlite3.IntegrityError:
            raise Refused(Why.ADDRESS_TAKEN, f"{handle} is another account's handle here") from None
    tx.run("DELETE FROM aliases WHERE account_id = ?", ghost.id)
    for alias in aliases:
        # The latest word counts: an alias may move from one ghost to another.
        tx.run("INSERT OR REPLACE INTO aliases (handle, account_id) VALUES (?, ?)", alias, ghost.id)
    return ghost


def token_hash(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def open_session(tx: Tx, account_id: str, now_ms: int) -> str:
    """A new session's token."""
    token = secrets.token_urlsafe(32)
    tx.run("INSERT INTO sessions VALUES (?, ?, ?)", token_hash(token), account_id, now_ms)
    return token


def close_session(tx: Tx, token: str) -> None:
    """End the session."""
    tx.run("DELETE FROM sessions WHERE token_hash = ?", token_hash(token))


def session_account(tx: Tx, token: str) -> Account:
    """Whose session it is, or `unauthorised`."""
    found = _account(
        tx.one(f"{_FROM} JOIN sessions s ON s.account_id = a.id WHERE s.token_hash = ?", token_hash(token))
    )
    if found is None:
        raise Refused(Why.UNAUTHORISED, "No session has this token; register, or log in again")
    return found


def make_node(tx: Tx, account_id: str, *, webhook_url: str | None) -> tuple[Node, str]:
    """Credentials for a business, and its access token, told this once."""
    token = "EAA" + secrets.token_urlsafe(48)
    node = Node(
        account_id=account_id,
        app_id=str(10**14 + secrets.randbelow(9 * 10**14)),
        app_secret=secrets.token_hex(16),
        verify_token=secrets.token_urlsafe(16),
        webhook_url=webhook_url,
        profile={},
    )
    tx.run(
        "INSERT INTO nodes (account_id, app_id, token_hash, app_secret, verify_token, webhook_url)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        account_id,
        node.app_id,
        token_hash(token),
        node.app_secret,
        node.verify_token,
        webhook_url,
    )
    return node, token


_NODE = "SELECT account_id, app_id, app_secret, verify_token, webhook_url, profile FROM nodes"


def node_by_account(tx: Tx, account_id: str) -> Node | None:
    """The credentials of that business."""
    return _node(tx.one(f"{_NODE} WHERE account_id = ?", account_id))


def node_by_app(tx: Tx, app_id: str) -> Node | None:
    """The business with that app."""
    return _node(tx.one(f"{_NODE} WHERE app_id = ?", app_id))


def node_by_token(tx: Tx, token: str) -> Node | None:
    """The business with that access token."""
    return _node(tx.one(f"{_NODE} WHERE token_hash = ?", token_hash(token)))


def _node(row: tuple[str, str, str, str, str | None, str] | None) -> Node | None:
    if row is None:
        return None
    account_id, app_id, app_secret, verify_token, webhook_url, profile = row
    return Node(
        account_id=account_id,
        app_id=app_id,
        app_secret=app_secret,
        verify_token=verify_token,
        webhook_url=webhook_url,
        profile=json.loads(profile),
    )


def set_webhook(tx: Tx, account_id: str, url: str | None, verify_token: str | None) -> None:
    """Where the business's webhooks go (None: nowhere), and its verify token, if that changed."""
    tx.run(
        "UPDATE nodes SET webhook_url = ?, verify_token = coalesce(?, verify_token) WHERE account_id = ?",
        url,
        verify_token,
        account_id,
    )


def set_profile(tx: Tx, account_id: str, profile: dict[str, object]) -> None:
    """Replace the business's profile settings."""
    tx.run("UPDATE nodes SET profile = ? WHERE account_id = ?", json.dumps(profile), account_id)


def set_block(tx: Tx, *, blocker_id: str, blocked_id: str, on: bool) -> bool:
    """Whether anything changed."""
    if on:
        changed = tx.run("INSERT OR IGNORE INTO blocks VALUES (?, ?)", blocker_id, blocked_id)
    else:
        changed = tx.run("DELETE FROM blocks WHERE blocker_id = ? AND blocked_id = ?", blocker_id, blocked_id)
    return changed.rowcount > 0


def is_blocked(tx: Tx, *, blocker_id: str, blocked_id: str) -> bool:
    """Whether `blocker_id` has blocked `blocked_id`."""
    row = tx.one("SELECT 1 FROM blocks WHERE blocker_id = ? AND blocked_id = ?", blocker_id, blocked_id)
    return row is not None


def blocked_by(tx: Tx, blocker_id: str) -> list[Account]:
    """Whom the account has blocked."""
    rows = tx.all(f"{_FROM} JOIN blocks b ON b.blocked_id = a.id WHERE b.blocker_id = ?", blocker_id)
    return [account for row in rows if (account := _account(row)) is not None]


def get_setting(tx: Tx, key: str) -> str | None:
    """One of the rail's own settings."""
    row = tx.one("SELECT value FROM settings WHERE key = ?", key)
    return None if row is None else str(row[0])


def set_setting(tx: Tx, key: str, value: str) -> None:
    """Keep one of the rail's own settings."""
    tx.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", key, value)
