"""Facts as rows of SQLite. In the writer's transaction; every statement may run twice without harm.

Not here: reading (`queries`), and the cursor's meaning (`projector`).
"""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from sqlite3 import Connection as Transaction

import msgspec

from bus.sqlite import Store
from router.ledger.facts import Changed, Ends, Fact, Got, Known, Settled, Stepped, Written
from schemas.codec import decode_seats, encode
from schemas.groups import Group, after, is_group

VERSION = 2
"""Raised with every change of schema.sql or of what rows mean: a ledger of another version is made again."""

_KNOWN_MOST = 50_000
_NO_REACH = encode({})

_groups = msgspec.msgpack.Decoder(Group)


async def open_store(path: Path) -> Store:
    """Open or make the ledger's file, mode 0600. Raises what `bus.sqlite.Store.open` does."""
    _touch(path)
    schema = resources.files("router.ledger").joinpath("schema.sql").read_text()
    return await Store.open(path, schema_sql=schema, version=VERSION)


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)


def delete(path: Path) -> None:
    """Remove a closed ledger: the log makes another."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class Rows:
    """Writes facts. `searchable`: whether words are kept."""

    def __init__(self, *, searchable: bool) -> None:
        self._searchable = searchable
        self._seated: dict[str, bytes] = {}  # conversation -> seats whose members have their rows; only saves time

    def forget(self) -> None:
        """After a transaction that failed: nothing is known to be there."""
        self._seated.clear()

    def put(self, tx: Transaction, facts: Iterable[Fact]) -> None:
        """Keep these, which come in the order of the log."""
        written: list[Written] = []
        settled: list[Settled] = []
        got: list[Got] = []
        changed: list[Changed] = []
        for fact in facts:
            match fact:
                case Written():
                    written.append(fact)
                case Settled():
                    settled.append(fact)
                case Got():
                    got.append(fact)
                case Changed():
                    changed.append(fact)
                case Known():
                    _put_person(tx, fact)
                case Ends():
                    _put_end(tx, fact)
                case Stepped():
                    _put_step(tx, fact)
        _put_written(tx, written)
        self._put_members(tx, written)
        _put_settled(tx, settled)
        _put_changed(tx, changed)
        _put_got(tx, got)
        if self._searchable:
            _put_words(tx, written, changed)

    def _put_members(self, tx: Transaction, written: Iterable[Written]) -> None:
        """Who is in a direct conversation is told by its messages; groups tell it themselves."""
        for one in written:
            if one.outcome != "routed" or is_group(one.conversation):
                continue
            if self._seated.get(one.conversation) == one.seats:
                continue
            tx.executemany(
                "INSERT OR IGNORE INTO members VALUES (?, ?, 0, 0)",
                [(seat.person, one.conversation) for seat in decode_seats(one.seats)],
            )
            if len(self._seated) >= _KNOWN_MOST:
                self._seated.clear()
            self._seated[one.conversation] = one.seats


def _put_written(tx: Transaction, written: list[Written]) -> None:
    tx.executemany(
        "INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.rank,
                one.event_id,
                one.conversation,
                one.position,
                one.source,
                one.writer,
                one.actor,
                one.outcome,
                one.why,
                one.shape,
                one.native_id,
                one.reply_to,
                one.accepted_at_ms,
                one.routed_at_ms,
                one.seats,
                one.legs,
                encode(one.unreached) if one.unreached else _NO_REACH,
            )
            for one in written
        ],
    )
    tx.executemany(
        "INSERT OR IGNORE INTO native_ids VALUES (?, ?)",
        [(one.native_id, one.event_id) for one in written if one.native_id],
    )


def _put_settled(tx: Transaction, settled: list[Settled]) -> None:
    tx.executemany(
        "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.result.event,
                one.rail,
                one.rank,
                one.result.status,
                one.result.origin,
                encode(one.result.native_ids),
                one.result.attempts,
                one.result.at_ms,
                one.told_at_ms,
                one.result.why,
                encode(one.result.lost),
            )
            for one in settled
        ],
    )
    tx.executemany(
        "INSERT OR IGNORE INTO native_ids VALUES (?, ?)",
        [(native_id, one.result.event) for one in settled for native_id in one.result.native_ids],
    )


def _put_got(tx: Transaction, got: list[Got]) -> None:
    rows = [(one.conversation, one.person, one.status, one.rail, one.position, one.rank, one.at_ms) for one in got]
    tx.executemany("INSERT OR IGNORE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    tx.executemany(
        "INSERT INTO reach VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " position = excluded.position, rank = excluded.rank, at_ms = excluded.at_ms"
        " WHERE excluded.position > position",
        rows,
    )


def _put_changed(tx: Transaction, changed: list[Changed]) -> None:
    tx.executemany(
        "INSERT OR IGNORE INTO changes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.rank,
                one.event_id,
                one.target,
                one.kind,
                one.source,
                one.by,
                one.actor,
                one.outcome,
                one.why,
                one.at_ms,
                one.routed_at_ms,
                one.legs,
                encode(one.unreached) if one.unreached else _NO_REACH,
                encode(one.detail),
            )
            for one in changed
        ],
    )


def _put_words(tx: Transaction, written: list[Written], changed: list[Changed]) -> None:
    """What was said, as it is after edits; what was taken back is gone."""
    for one in written:
        if one.outcome == "routed" and one.words:
            tx.execute("INSERT OR REPLACE INTO words (rowid, body) VALUES (?, ?)", (one.rank, one.words))
    for change in changed:
        if change.outcome != "routed" or change.kind not in ("edit", "unsend", "expired"):
            continue
        row = tx.execute("SELECT rank FROM messages WHERE event_id = ?", (change.target,)).fetchone()
        if row is None:
            continue
        tx.execute("DELETE FROM words WHERE rowid = ?", (row[0],))
        if change.words:
            tx.execute("INSERT INTO words (rowid, body) VALUES (?, ?)", (row[0], change.words))


def _put_end(tx: Transaction, end: Ends) -> None:
    tx.execute(
        "INSERT INTO ends VALUES (?, ?, ?, ?) ON CONFLICT (message) DO UPDATE SET rank = excluded.rank,"
        " at_ms = excluded.at_ms, after_read_s = excluded.after_read_s WHERE excluded.rank > rank",
        (end.message, end.rank, end.at_ms, end.after_read_s),
    )


def _put_person(tx: Transaction, known: Known) -> None:
    person = known.person
    tx.execute(
        "INSERT INTO people VALUES (?, ?, ?) ON CONFLICT (person) DO UPDATE SET"
        " name = CASE excluded.name WHEN '' THEN name ELSE excluded.name END, gone_to = excluded.gone_to",
        (person.id, person.name, person.merged_into),
    )
    tx.executemany(
        "INSERT OR REPLACE INTO accounts VALUES (?, ?)",
        [(account.handle, person.id) for account in person.accounts],
    )


def _put_step(tx: Transaction, step: Stepped) -> None:
    """The group after its event, and whose membership begins or ends with it."""
    row = tx.execute("SELECT state FROM groups WHERE conversation = ?", (step.conversation,)).fetchone()
    before = _groups.decode(row[0]) if row is not None else None
    now = after(before, step.event, step.actor, tuple(seat.person for seat in decode_seats(step.seats)))
    if now is None or now == before:
        return
    tx.execute("INSERT OR REPLACE INTO groups VALUES (?, ?)", (step.conversation, encode(now)))
    were, are = set(before.members) if before is not None else set(), set(now.members)
    tx.executemany(
        "INSERT OR IGNORE INTO members VALUES (?, ?, ?, 0)",
        [(person, step.conversation, step.rank) for person in are - were],
    )
    tx.executemany(
        "UPDATE members SET until_rank = ? WHERE person = ? AND conversation = ? AND until_rank = 0",
        [(step.rank, person, step.conversation) for person in were - are],
    )
