"""How somebody has filed a thread, for themselves: marked as unread, muted, archived, pinned.

A mark goes to and fro, on several of a person's rails, so it carries an epoch: one more with every change here; of what
the partner tells, the later epoch counts, and of two changes of one epoch the mark stands. Reading a thread takes its
"unread" away; what the partner says of reading does not. Functions of one transaction.
"""

from typing import Literal, get_args

from rails.kit import groups, messages, outbox
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.rail import Rail
from rails.kit.store import Tx

Mark = Literal["unread", "muted", "archived", "pinned"]
MARKS: tuple[Mark, ...] = get_args(Mark)


def marked(tx: Tx, account_id: str) -> dict[str, set[str]]:
    """Thread -> the marks that stand there for an account."""
    found: dict[str, set[str]] = {}
    for thread_id, mark_ in tx.all(
        "SELECT thread_id, mark FROM thread_marks WHERE account_id = ? AND stands", account_id
    ):
        found.setdefault(thread_id, set()).add(mark_)
    return found


def mark(tx: Tx, rail: Rail, *, account: Account, peer: Account, mark: Mark, on: bool, at_ms: int) -> None:
    """The account marks its thread with somebody (or a group), or takes that back; the partner is told."""
    thread_id = _thread(tx, account, peer)
    epoch, was_on = _known(tx, account.id, thread_id, mark)
    if on == was_on:
        return
    _keep(tx, account.id, thread_id, mark, epoch + 1, on=on)
    if account.federated or peer.federated:
        value = {"node": account.id, "peer": peer.id, "mark": mark, "on": on, "epoch": epoch + 1}
        outbox.announce_extension(tx, rail, field="marks", value=value, at_ms=at_ms)


def take_over(tx: Tx, *, account: Account, peer: Account, mark: str, on: bool, epoch: int) -> None:
    """The partner tells what was done on another rail."""
    if mark not in MARKS:
        raise Refused(Why.BAD_REQUEST, f"mark: expected one of {', '.join(MARKS)}")
    thread_id = _thread(tx, account, peer)
    if (epoch, on) > _known(tx, account.id, thread_id, mark):
        _keep(tx, account.id, thread_id, mark, epoch, on=on)


def _thread(tx: Tx, account: Account, peer: Account) -> str:
    if peer.kind is not Kind.GROUP:
        return messages.direct_thread_id(account.id, peer.id)
    if not groups.has_known(tx, peer.id, account.id):
        raise Refused(Why.NOT_FOUND, f"No group here of this account has the id {peer.id[:100]!r}")
    return peer.id


def _known(tx: Tx, account_id: str, thread_id: str, mark: str) -> tuple[int, bool]:
    row = tx.one(
        "SELECT epoch, stands FROM thread_marks WHERE account_id = ? AND thread_id = ? AND mark = ?",
        account_id,
        thread_id,
        mark,
    )
    return (0, False) if row is None else (int(row[0]), bool(row[1]))


def _keep(tx: Tx, account_id: str, thread_id: str, mark: str, epoch: int, *, on: bool) -> None:
    tx.run("INSERT OR REPLACE INTO thread_marks VALUES (?, ?, ?, ?, ?)", account_id, thread_id, mark, epoch, on)
    tx.push(account_id, {"type": "mark", "thread": thread_id, "mark": mark, "on": on})
