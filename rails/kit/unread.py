"""Threads that somebody has marked as unread: a sign for themselves, beside the count of what they have not read.

It goes to and fro, on several of a person's rails, so it carries an epoch: one more with every change here; of what the
partner tells, the later epoch counts, and of two changes of one epoch "unread". Reading the thread takes it away; what
the partner says of reading does not. Functions of one transaction.
"""

from rails.kit import groups, messages, outbox
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.rail import Rail
from rails.kit.store import Tx


def marked(tx: Tx, account_id: str) -> set[str]:
    """The threads that an account has marked."""
    rows = tx.all("SELECT thread_id FROM unread_marks WHERE account_id = ? AND marked", account_id)
    return {row[0] for row in rows}


def mark(tx: Tx, rail: Rail, *, reader: Account, peer: Account, on: bool, at_ms: int) -> None:
    """The reader marks their thread with somebody (or a group), or takes that back; the partner is told."""
    thread_id = _thread(tx, reader, peer)
    epoch, was_on = _known(tx, reader.id, thread_id)
    if on == was_on:
        return
    _keep(tx, reader.id, thread_id, epoch + 1, on=on)
    if reader.federated or peer.federated:
        value = {"node": reader.id, "peer": peer.id, "on": on, "epoch": epoch + 1}
        outbox.announce_extension(tx, rail, field="unreads", value=value, at_ms=at_ms)


def take_over(tx: Tx, *, reader: Account, peer: Account, on: bool, epoch: int) -> None:
    """The partner tells what was done on another rail."""
    thread_id = _thread(tx, reader, peer)
    before = _known(tx, reader.id, thread_id)
    if (epoch, on) > before:
        _keep(tx, reader.id, thread_id, epoch, on=on)


def _thread(tx: Tx, reader: Account, peer: Account) -> str:
    if peer.kind is not Kind.GROUP:
        return messages.direct_thread_id(reader.id, peer.id)
    if not groups.has_known(tx, peer.id, reader.id):
        raise Refused(Why.NOT_FOUND, f"No group here of this account has the id {peer.id[:100]!r}")
    return peer.id


def _known(tx: Tx, account_id: str, thread_id: str) -> tuple[int, bool]:
    row = tx.one("SELECT epoch, marked FROM unread_marks WHERE account_id = ? AND thread_id = ?", account_id, thread_id)
    return (0, False) if row is None else (int(row[0]), bool(row[1]))


def _keep(tx: Tx, account_id: str, thread_id: str, epoch: int, *, on: bool) -> None:
    tx.run("INSERT OR REPLACE INTO unread_marks VALUES (?, ?, ?, ?)", account_id, thread_id, epoch, on)
    tx.push(account_id, {"type": "unread", "thread": thread_id, "on": on})
