"""A ghost's person has an account here after all: what the ghost said and heard becomes the account's.

Asked for by the federation partner when it learns that two accounts are one person. Functions of one transaction;
asking twice is harmless, since the ghost is gone after the first time.
"""

from rails.kit import accounts, content, groups, messages
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.store import Tx

_IN_GROUPS = (
    ("group_stays", "group_id"),
    ("group_bans", "group_id"),
    ("group_marks", "group_id"),
    ("thread_members", "thread_id"),
)
"""What is kept of a member."""


def adopt(tx: Tx, *, ghost: Account, account: Account) -> None:
    """Move the ghost's threads, handles and blocks to the account, and let go of the ghost.

    Native ids stay. A thread that the account has already with the same peer takes the ghost's messages in, shown by
    rank like all others. Open sockets are told to fetch the thread again.
    """
    if ghost.kind is not Kind.GHOST or account.kind is Kind.GHOST:
        raise Refused(
            Why.BAD_REQUEST, f"{ghost.id} must be a ghost and {account.id} none: name them the right way round"
        )
    rows = tx.all(
        "SELECT me.thread_id, you.account_id FROM thread_members me JOIN thread_members you"
        " ON you.thread_id = me.thread_id AND you.account_id != me.account_id JOIN threads t ON t.id = me.thread_id"
        " AND t.kind = 'direct' WHERE me.account_id = ?",
        ghost.id,
    )
    # Two accounts of one person may have written to each other before anybody knew; nobody has a thread with oneself,
    # so that one stays where it is, with a ghost that is nobody's any more.
    own = [thread for thread, peer_id in rows if peer_id == account.id]
    for old_thread, peer_id in rows:
        if peer_id != account.id:
            _move_thread(tx, old_thread=old_thread, peer_id=peer_id, ghost_id=ghost.id, account_id=account.id)
    _move_groups(tx, ghost_id=ghost.id, account_id=account.id)
    tx.run("INSERT OR REPLACE INTO aliases (handle, account_id) VALUES (?, ?)", ghost.handle, account.id)
    tx.run("UPDATE aliases SET account_id = ? WHERE account_id = ?", account.id, ghost.id)
    tx.run("DELETE FROM aliases WHERE handle = ?", account.handle)
    tx.run("UPDATE media SET owner_id = ? WHERE owner_id = ?", account.id, ghost.id)
    tx.run("UPDATE OR IGNORE post_keys SET node_id = ? WHERE node_id = ?", account.id, ghost.id)
    tx.run("UPDATE OR IGNORE blocks SET blocker_id = ? WHERE blocker_id = ?", account.id, ghost.id)
    tx.run("UPDATE OR IGNORE blocks SET blocked_id = ? WHERE blocked_id = ?", account.id, ghost.id)
    tx.run("DELETE FROM blocks WHERE blocker_id = ? OR blocked_id = ? OR blocker_id = blocked_id", ghost.id, ghost.id)
    if own:
        handle = f"{ghost.handle} (before the link)"
        tx.run("UPDATE accounts SET ghost_key = NULL, handle = ? WHERE id = ?", handle, ghost.id)
    else:
        tx.run("DELETE FROM accounts WHERE id = ?", ghost.id)


def _move_thread(tx: Tx, *, old_thread: str, peer_id: str, ghost_id: str, account_id: str) -> None:
    new_thread = messages.direct_thread_id(peer_id, account_id)
    messages.ensure_thread(tx, new_thread, (peer_id, account_id))
    tx.run(
        "UPDATE threads SET last_rank = max(threads.last_rank, o.last_rank),"
        " last_at_ms = max(threads.last_at_ms, o.last_at_ms)"
        " FROM (SELECT last_rank, last_at_ms FROM threads WHERE id = ?) AS o WHERE id = ?",
        old_thread,
        new_thread,
    )
    _move_details(tx, old_thread=old_thread, ghost_id=ghost_id, account_id=account_id)
    tx.run(
        "UPDATE messages SET thread_id = ?, sender_id = iif(sender_id = ?, ?, sender_id),"
        " recipient_id = iif(recipient_id = ?, ?, recipient_id) WHERE thread_id = ?",
        new_thread,
        ghost_id,
        account_id,
        ghost_id,
        account_id,
        old_thread,
    )
    for member in (peer_id, account_id):
        tx.push(member, {"type": "order", "thread": new_thread})
    tx.run("DELETE FROM thread_members WHERE thread_id = ?", old_thread)
    tx.run("DELETE FROM threads WHERE id = ?", old_thread)


def _move_groups(tx: Tx, *, ghost_id: str, account_id: str) -> None:
    """The account is in the groups that the ghost was in, and has said there what the ghost has."""
    known = tx.all("SELECT thread_id FROM thread_members WHERE account_id = ?", ghost_id)
    for (group_id,) in known:
        if not groups.has_known(tx, group_id, ghost_id):
            continue
        if groups.is_member(tx, group_id, ghost_id) and groups.is_member(tx, group_id, account_id):
            groups.leave(tx, group_id, ghost_id)
        tx.run(
            "UPDATE messages SET sender_id = ? WHERE thread_id = ? AND sender_id = ?", account_id, group_id, ghost_id
        )
        _move_details(tx, old_thread=group_id, ghost_id=ghost_id, account_id=account_id)
        tx.push(account_id, {"type": "order", "thread": group_id})
        for table, column in _IN_GROUPS:
            where = f"WHERE account_id = ? AND {column} = ?"
            tx.run(f"UPDATE OR IGNORE {table} SET account_id = ? {where}", account_id, ghost_id, group_id)  # noqa: S608
            tx.run(f"DELETE FROM {table} {where}", ghost_id, group_id)  # noqa: S608


def _move_details(tx: Tx, *, old_thread: str, ghost_id: str, account_id: str) -> None:
    """Reactions and votes that name the ghost name the account."""
    touched = tx.all("SELECT arrival, details FROM messages WHERE thread_id = ? AND details IS NOT NULL", old_thread)
    for arrival, details in touched:
        moved = content.renamed(content.unpack(details), old=ghost_id, new=account_id)
        tx.run("UPDATE messages SET details = ? WHERE arrival = ?", content.pack(moved), arrival)


def asked(tx: Tx, *, ghost_id: str, account_id: str) -> None:
    """The partner's request; a ghost that is gone has been adopted before."""
    ghost = accounts.by_id(tx, ghost_id)
    if ghost is not None:
        adopt(tx, ghost=ghost, account=accounts.required(tx, account_id))
