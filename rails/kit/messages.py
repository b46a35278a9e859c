# ruff: noqa: S608 - what is put into SQL here are constants: the list of columns, conditions without values
"""What is said: posting, reading, delivering, failing, ranking, listing. Functions of one transaction, no HTTP.

A thread is shown by ``(rank, arrival)``. Statuses and read marks only rise, so every function here may run twice.
"""

import base64
import hashlib
from collections.abc import Iterable

from rails.kit import accounts, groups, sight
from rails.kit.content import Details, pack, unpack
from rails.kit.model import Account, Kind, Message, Refused, Status, Why
from rails.kit.rail import Rail, TextLimit
from rails.kit.store import Tx

_COLUMNS = (
    "arrival, native_id, thread_id, sender_id, recipient_id, text, at_ms, sent_at_ms, rank, status, read_at_ms,"
    " error_code, error_message, reply_to, opaque, details"
)
UNREAD = "read_at_ms IS NULL AND json_extract(details, '$.unsent') IS NULL"
"""What the recipient still has to look at: what was taken back is nothing to be read."""
_SEEN = sight.SEEN.format(table="messages")
KEY_KEPT_MS = 40 * 24 * 3600 * 1000
"""How long a key for idempotent posts is kept: the promise is 30 days."""


def _message(row: tuple[object, ...]) -> Message:
    fields: dict[str, object] = dict(zip(Message.__struct_fields__, row, strict=True))
    fields["status"] = Status(int(str(fields["status"])))
    if fields["details"] is not None:
        fields["details"] = unpack(str(fields["details"]))
    return Message(**fields)  # type: ignore[arg-type] # the columns have the fields' types by the schema


def direct_thread_id(one: str, other: str) -> str:
    """The id of the two accounts' thread: a hash, so it needs no look-up."""
    digest = hashlib.sha256("|".join(sorted((one, other))).encode()).digest()
    return "t_" + base64.urlsafe_b64encode(digest[:15]).decode()


def thread_of(one: Account, other: Account) -> str:
    """The thread that an account has with another, or with a group."""
    for account in (one, other):
        if account.kind is Kind.GROUP:
            return account.id
    return direct_thread_id(one.id, other.id)


def by_native_id(tx: Tx, native_id: str) -> Message | None:
    """The message with that id."""
    row = tx.one(f"SELECT {_COLUMNS} FROM messages WHERE native_id = ?", native_id)
    return None if row is None else _message(row)


def posted_with_key(tx: Tx, *, node_id: str, realm: str, key: str) -> Message | None:
    """The message that the key made before."""
    row = tx.one("SELECT native_id FROM post_keys WHERE node_id = ? AND realm = ? AND key = ?", node_id, realm, key)
    return None if row is None else by_native_id(tx, row[0])


def remember_key(tx: Tx, *, node_id: str, realm: str, key: str, native_id: str, now_ms: int) -> None:
    """The key has made this message."""
    tx.run("INSERT INTO post_keys VALUES (?, ?, ?, ?, ?)", node_id, realm, key, native_id, now_ms)


def forget_old_keys(tx: Tx, now_ms: int) -> None:
    """Drop keys past their promise. Called now and then."""
    tx.run("DELETE FROM post_keys WHERE at_ms < ?", now_ms - KEY_KEPT_MS)


def check_text(rail: Rail, text: object, limit: TextLimit) -> str:
    """A text fit to send, or `bad_request` or `too_long` with the limit and the size."""
    if not isinstance(text, str) or not text.strip():
        raise Refused(Why.BAD_REQUEST, "text: expected a text that is not empty")
    try:
        size = limit.measure(text)
    except UnicodeEncodeError as error:
        raise Refused(Why.BAD_REQUEST, "text: contains half a surrogate pair, which no encoding can carry") from error
    if size > limit.size:
        raise Refused(
            Why.TOO_LONG,
            f"text: {size} {limit.unit}, {rail.title} takes {limit.size}; shorten it or send it in parts",
        )
    return text


def post(
    tx: Tx,
    rail: Rail,
    *,
    sender: Account,
    recipient: Account,
    text: str,
    now_ms: int,
    sent_at_ms: int | None = None,
    rank: int | None = None,
    reply_to: str | None = None,
    opaque: str | None = None,
    details: Details | None = None,
) -> tuple[Message, bool]:
    """Put a checked text into the two accounts' (or the group's) thread; and whether it belongs above one shown there.

    Refuses: `self`, `recipient_unavailable`, `bad_request` (unknown reply_to).
    """
    if sender.id == recipient.id:
        raise Refused(Why.SELF, "Sender and recipient are the same account; address somebody else")
    if accounts.is_blocked(tx, blocker_id=recipient.id, blocked_id=sender.id):
        raise Refused(
            Why.RECIPIENT_UNAVAILABLE, "The recipient cannot be written to; there is nothing to be done from here"
        )
    if recipient.kind is Kind.GROUP:
        groups.must_be_open_to(tx, recipient, sender.id)
    thread_id = thread_of(sender, recipient)
    last_rank, last_at_ms = ensure_thread(tx, thread_id, (sender.id, recipient.id))
    if reply_to is not None:
        replied = by_native_id(tx, reply_to)
        if replied is None or replied.thread_id != thread_id:
            raise Refused(Why.BAD_REQUEST, f"reply_to: no message {reply_to[:100]!r} in this thread")
    # The rail's own clock never stands still within a thread, so times can serve as watermarks.
    at_ms = max(now_ms, last_at_ms + 1)
    placed = last_rank if rank is None else rank
    native_id = rail.ids.message()
    row = tx.one(
        "INSERT INTO messages (native_id, thread_id, sender_id, recipient_id, text, at_ms, sent_at_ms, rank,"
        " reply_to, opaque, details)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {_COLUMNS}",
        native_id,
        thread_id,
        sender.id,
        recipient.id,
        text,
        at_ms,
        at_ms if sent_at_ms is None else sent_at_ms,
        placed,
        reply_to,
        opaque,
        None if details is None else pack(details),
    )
    tx.run(
        "UPDATE threads SET last_rank = max(last_rank, ?), last_at_ms = max(last_at_ms, ?) WHERE id = ?",
        placed,
        at_ms,
        thread_id,
    )
    return _message(row), placed < last_rank


def change(tx: Tx, message: Message, *, text: str, details: Details) -> Message:
    """The message with another text and other details."""
    sql = f"UPDATE messages SET text = ?, details = ? WHERE arrival = ? RETURNING {_COLUMNS}"
    return _message(tx.one(sql, text, pack(details), message.arrival))


def ensure_thread(tx: Tx, thread_id: str, members: tuple[str, str]) -> tuple[int, int]:
    """The direct thread of these two, made when it is new: its last rank and the last time in it."""
    row = tx.one("SELECT last_rank, last_at_ms FROM threads WHERE id = ?", thread_id)
    if row is not None:
        return int(row[0]), int(row[1])
    tx.run("INSERT INTO threads (id, kind) VALUES (?, 'direct')", thread_id)
    for member in members:
        tx.run("INSERT INTO thread_members VALUES (?, ?)", member, thread_id)
    return 0, 0


def mark_read(
    tx: Tx, *, reader_id: str, thread_id: str, up_to: Message | None, shown: bool, now_ms: int
) -> list[Message]:
    """What `reader_id` has now newly read, up to `up_to` in view order (None: all). `shown`: the authors see it."""
    rank, arrival = (2**63 - 1, 2**63 - 1) if up_to is None else (up_to.rank, up_to.arrival)
    rows = tx.all(
        "UPDATE messages SET read_at_ms = ?, status = CASE WHEN ? THEN max(status, ?) ELSE status END"
        " WHERE recipient_id = ? AND thread_id = ? AND read_at_ms IS NULL AND (rank, arrival) <= (?, ?)"
        f" RETURNING {_COLUMNS}",
        now_ms,
        shown,
        Status.READ,
        reader_id,
        thread_id,
        rank,
        arrival,
    )
    return in_view_order(_message(row) for row in rows)


def mark_group_read(
    tx: Tx, *, group_id: str, reader_id: str, up_to: Message | None, shown: bool
) -> tuple[int, Message | None]:
    """Move a reader's mark in a group up to that message (None: the last they see), never back.

    How many messages of others that newly is, and the last of them (None: there is none).
    """
    latest = listing(tx, account_id=reader_id, thread_id=group_id, unread=False, after=None, limit=1)
    last = up_to or next(iter(latest), None)
    rank, arrival, _ = groups.marks(tx, group_id).get(reader_id, (-1, -1, False))
    if last is None or (last.rank, last.arrival) <= (rank, arrival):
        return 0, None
    groups.set_mark(tx, group_id, reader_id, rank=last.rank, arrival=last.arrival, shown=shown)
    newly = f"thread_id = ? AND sender_id != ? AND {_SEEN} AND (rank, arrival) > (?, ?) AND (rank, arrival) <= (?, ?)"
    bound = (group_id, reader_id, reader_id, rank, arrival, last.rank, last.arrival)
    count = int(tx.one(f"SELECT count(*) FROM messages WHERE {newly}", *bound)[0])
    if not count:
        return 0, None
    order = "ORDER BY rank DESC, arrival DESC LIMIT 1"
    return count, _message(tx.one(f"SELECT {_COLUMNS} FROM messages WHERE {newly} {order}", *bound))


def mark_delivered(tx: Tx, *, reader_id: str, thread_id: str, up_to: Message | None) -> list[Message]:
    """What has newly reached `reader_id` in one thread, up to `up_to`."""
    rank, arrival = (2**63 - 1, 2**63 - 1) if up_to is None else (up_to.rank, up_to.arrival)
    rows = tx.all(
        "UPDATE messages SET status = ? WHERE recipient_id = ? AND thread_id = ? AND status = 0"
        f" AND (rank, arrival) <= (?, ?) RETURNING {_COLUMNS}",
        Status.DELIVERED,
        reader_id,
        thread_id,
        rank,
        arrival,
    )
    return in_view_order(_message(row) for row in rows)


def mark_these_delivered(tx: Tx, *, reader_id: str, native_ids: Iterable[str]) -> list[Message]:
    """Those of the named messages to `reader_id` that were on their way until now."""
    delivered: list[Message] = []
    for native_id in native_ids:
        row = tx.one(
            "UPDATE messages SET status = ? WHERE native_id = ? AND recipient_id = ? AND status = 0"
            f" RETURNING {_COLUMNS}",
            Status.DELIVERED,
            native_id,
            reader_id,
        )
        if row is not None:
            delivered.append(_message(row))
    return in_view_order(delivered)


def threads_waiting(tx: Tx, reader_id: str) -> list[str]:
    """The threads in which something is on its way to `reader_id`."""
    rows = tx.all("SELECT DISTINCT thread_id FROM messages WHERE recipient_id = ? AND status = 0", reader_id)
    return [row[0] for row in rows]


def fail(tx: Tx, *, native_id: str, code: str, reason: str) -> Message | None:
    """The message, now shown as failed, or None when it had come further already."""
    row = tx.one(
        "UPDATE messages SET status = ?, error_code = ?, error_message = ? WHERE native_id = ? AND status < ?"
        f" RETURNING {_COLUMNS}",
        Status.FAILED,
        code,
        reason,
        native_id,
        Status.FAILED,
    )
    return None if row is None else _message(row)


def set_rank(tx: Tx, *, message: Message, rank: int) -> bool:
    """Give the message its rank. True when that changed the order in which its thread is shown."""
    if rank == message.rank:
        return False
    tx.run("UPDATE messages SET rank = ? WHERE arrival = ?", rank, message.arrival)
    tx.run("UPDATE threads SET last_rank = max(last_rank, ?) WHERE id = ?", rank, message.thread_id)
    low, high = sorted((rank, message.rank))
    return _any_between(tx, message, low, high)


def _any_between(tx: Tx, message: Message, low: int, high: int) -> bool:
    row = tx.one(
        "SELECT 1 FROM messages WHERE thread_id = ? AND (rank, arrival) > (?, ?) AND (rank, arrival) < (?, ?)"
        " AND arrival != ? LIMIT 1",
        message.thread_id,
        low,
        message.arrival,
        high,
        message.arrival,
        message.arrival,
    )
    return row is not None


def in_view_order(messages: Iterable[Message]) -> list[Message]:
    """As one thread shows them."""
    return sorted(messages, key=lambda message: (message.rank, message.arrival))


def in_reading_order(messages: Iterable[Message]) -> list[Message]:
    """Several threads side by side: each keeps its own view order, in the places its messages have by arrival."""
    by_arrival = sorted(messages, key=lambda message: message.arrival)
    views: dict[str, list[Message]] = {}
    for message in by_arrival:
        views.setdefault(message.thread_id, []).append(message)
    turns = {thread: iter(in_view_order(found)) for thread, found in views.items()}
    return [next(turns[message.thread_id]) for message in by_arrival]


def listing(
    tx: Tx,
    *,
    account_id: str,
    thread_id: str | None,
    unread: bool,
    after: int | None,
    limit: int,
    before: tuple[int, int] | None = None,
) -> list[Message]:
    """The account's messages, oldest first: those that arrived after `after`, or else the latest `limit`.

    `before`: of those that the thread shows before this rank and arrival.
    """
    where, values = ["thread_id = ?"], [thread_id]
    if thread_id is None:
        where, values = ["thread_id IN (SELECT thread_id FROM thread_members WHERE account_id = ?)"], [account_id]
    else:
        where.append("EXISTS (SELECT 1 FROM thread_members WHERE account_id = ? AND thread_id = ?)")
        values += [account_id, thread_id]
    where.append(_SEEN)
    values.append(account_id)
    if unread:
        where.append(f"(recipient_id = ? OR {sight.UNREAD_IN_GROUP}) AND {UNREAD}")
        values += [account_id, account_id, account_id]
    if after is not None:
        where.append("arrival > ?")
    if before is not None:
        where.append("(rank, arrival) < (?, ?)")
    bound: list[object] = [*values, *([] if after is None else [after]), *(before or ())]
    # The plus keeps SQLite on the index of threads.
    latest_first = "+arrival DESC" if thread_id is None else "rank DESC, arrival DESC"
    order = latest_first if after is None else "+arrival"
    sql = f"SELECT {_COLUMNS} FROM messages WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"
    return in_reading_order(_message(row) for row in tx.all(sql, *bound, limit))


def groups_of(tx: Tx, account_id: str) -> list[tuple[str, str, str, int, int]]:
    """``(thread, key, name, unread, last_at_ms)`` of the groups that the account is or was in."""
    rows = tx.all(
        "SELECT t.id, coalesce(g.key, ''), a.name, t.last_at_ms FROM thread_members me JOIN threads t"
        " ON t.id = me.thread_id JOIN groups g ON g.id = t.id JOIN accounts a ON a.id = t.id WHERE me.account_id = ?",
        account_id,
    )
    return [(thread, key, name, _unread_in_group(tx, thread, account_id), at) for thread, key, name, at in rows]


def _unread_in_group(tx: Tx, group_id: str, account_id: str) -> int:
    found = tx.one(
        f"SELECT count(*) FROM messages WHERE thread_id = ? AND {_SEEN} AND {sight.UNREAD_IN_GROUP} AND {UNREAD}",
        group_id,
        account_id,
        account_id,
        account_id,
    )
    return int(found[0])


def threads_of(tx: Tx, account_id: str) -> list[tuple[str, str, str, int, int]]:
    """``(thread, the other's handle, name, unread, last_at_ms)``, the latest first."""
    unread = dict(
        tx.all(
            f"SELECT thread_id, count(*) FROM messages WHERE recipient_id = ? AND {UNREAD} GROUP BY thread_id",
            account_id,
        )
    )
    rows = tx.all(
        "SELECT t.id, a.handle, a.name, t.last_at_ms FROM thread_members me JOIN threads t ON t.id = me.thread_id"
        " AND t.kind = 'direct' JOIN thread_members you ON you.thread_id = t.id AND you.account_id != me.account_id"
        " JOIN accounts a ON a.id = you.account_id WHERE me.account_id = ? ORDER BY t.last_at_ms DESC",
        account_id,
    )
    return [(thread, handle, name, unread.get(thread, 0), at_ms) for thread, handle, name, at_ms in rows]


def other_member(tx: Tx, *, thread_id: str, account_id: str) -> str | None:
    """The id of the other one in a direct thread that the account is in; of the group, if it is or was in that."""
    if groups.has_known(tx, thread_id, account_id):
        return thread_id
    row = tx.one(
        "SELECT you.account_id FROM thread_members me JOIN thread_members you ON you.thread_id = me.thread_id"
        " AND you.account_id != me.account_id JOIN threads t ON t.id = me.thread_id AND t.kind = 'direct'"
        " WHERE me.account_id = ? AND me.thread_id = ?",
        account_id,
        thread_id,
    )
    return None if row is None else str(row[0])
