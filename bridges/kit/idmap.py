"""Native ids <-> canonical ids and positions: the SQL, and nothing but.

Every function takes a connection inside a transaction (or a reading one) and is called on the store's thread. Claiming
and binding are `INSERT OR IGNORE` on unique keys, so that each may run twice.
"""

from collections.abc import Iterable, Sequence
from sqlite3 import Connection
from typing import Any

from bridges.kit import receipts
from bridges.kit.receipts import Asked, Place, Reach
from schemas.ids import ConversationId
from schemas.markers import MarkerKind

_PLACE = "native_id, event_id, part, conversation, position, rank, thread, author, at_ms, source"
_SETTLE = f"""
    UPDATE messages SET conversation = ?, position = ?, rank = ? WHERE event_id = ? AND coalesce(position, 0) = 0
    RETURNING {_PLACE}
"""  # noqa: S608 - constants
_STATUSES: tuple[MarkerKind, ...] = ("delivered", "read")
PATIENCE_MS = 3600_000
"""How long a receipt waits for a message that we do not know at all."""
GIVE_RECEIPTS_TIME = """
ALTER TABLE parked_receipts ADD COLUMN until_ms INTEGER NOT NULL DEFAULT 0;
UPDATE parked_receipts SET until_ms = (unixepoch() + 3600) * 1000;
"""
"""The third version of a bridge's tables: what was parked before there was a deadline has an hour more."""
_HEARD = "heard"
"""The status under which `markers` keeps what other rails have told: a delivery known so is not told again."""


def _place(row: Sequence[Any]) -> Place:
    return Place(**dict(zip(Place.__struct_fields__, row, strict=True)))


def bind(tx: Connection, places: Iterable[Place]) -> None:
    """Native messages stand for events from now on. What is bound already stays as it is."""
    tx.executemany(
        f"INSERT OR IGNORE INTO messages ({_PLACE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - constants
        [tuple(getattr(place, field) for field in Place.__struct_fields__) for place in places],
    )


def by_native(tx: Connection, native_ids: Iterable[str]) -> dict[str, Place]:
    """The places of those native messages that are known."""
    found = {}
    for native_id in native_ids:
        row = tx.execute(f"SELECT {_PLACE} FROM messages WHERE native_id = ?", (native_id,)).fetchone()  # noqa: S608 - constants
        if row is not None:
            found[native_id] = _place(row)
    return found


def parts_of(tx: Connection, event_id: str) -> list[Place]:
    """The native messages of an event, by part; empty when it is not here."""
    rows = tx.execute(f"SELECT {_PLACE} FROM messages WHERE event_id = ? ORDER BY part", (event_id,))  # noqa: S608 - constants
    return [_place(row) for row in rows]


def settle(tx: Connection, *, event_id: str, conversation: str, position: int, rank: int) -> list[Place]:
    """The log has spoken on an event from this rail: its position and rank (0: refused). Its native messages."""
    rows = tx.execute(_SETTLE, (conversation, position, rank, event_id)).fetchall()
    return [_place(row) for row in rows]


# --- receipts in -----------------------------------------------------------------------------------------------------


def reach(tx: Connection, asked: Asked, *, now_ms: int) -> list[Reach]:
    """How far native receipts reach. What is not known yet is parked, and comes out of `release` later."""
    until_ms = now_ms + PATIENCE_MS
    reached: list[Reach] = []
    known = by_native(tx, dict.fromkeys((*asked.native_ids, *asked.up_to)))
    for native_id in asked.native_ids:
        reached += _one(tx, known.get(native_id), native_id, asked, up_to=False, until_ms=until_ms)
    for native_id in asked.up_to:
        reached += _one(tx, known.get(native_id), native_id, asked, up_to=True, until_ms=until_ms)
    if asked.watermark_ms is not None:
        reached += _by_time(tx, asked, asked.watermark_ms)
    return reached


def release(tx: Connection, places: Iterable[Place]) -> list[Reach]:
    """Messages have become known, with their positions: what the receipts that waited for them reach."""
    reached: list[Reach] = []
    for place in places:
        if place.position is None:
            continue
        peer = place.thread if receipts.is_group(place.thread) else place.author
        rows = tx.execute(
            "DELETE FROM parked_receipts WHERE native_id = ? RETURNING reader, status, up_to", (place.native_id,)
        ).fetchall()
        for reader, status, up_to in rows:
            if reader != place.author:
                asked = Asked(reader=reader, peer=peer, status=status, native_ids=(), up_to=(), watermark_ms=None)
                reached += _one(tx, place, place.native_id, asked, up_to=bool(up_to), until_ms=0)
        rows = tx.execute(
            "SELECT reader, status FROM watermarks WHERE thread = ? AND at_ms >= ? AND reader <> ?",
            (place.thread, place.at_ms, place.author),
        ).fetchall()
        reached += [
            Reach(conversation=place.conversation, reader=reader, status=status, position=place.position)
            for reader, status in rows
        ]
    return reached


def forget_receipts(tx: Connection, now_ms: int) -> int:
    """Drop receipts whose message never turned up; how many. A message that waits for the log keeps its own."""
    return tx.execute(
        "DELETE FROM parked_receipts WHERE until_ms < ? AND NOT EXISTS"
        " (SELECT 1 FROM messages WHERE messages.native_id = parked_receipts.native_id)",
        (now_ms,),
    ).rowcount


def _one(
    tx: Connection, place: Place | None, native_id: str, asked: Asked, *, up_to: bool, until_ms: int
) -> list[Reach]:
    if place is None or place.position is None:
        tx.execute(
            "INSERT OR IGNORE INTO parked_receipts VALUES (?, ?, ?, ?, ?)",
            (native_id, asked.reader, asked.status, up_to, until_ms),
        )
        return []
    if not receipts.believable(place, reader=asked.reader, peer=asked.peer):
        return []
    here = Reach(conversation=place.conversation, reader=asked.reader, status=asked.status, position=place.position)
    return [here, *_by_rank(tx, asked, place.rank or 0)] if up_to else [here]


def _by_time(tx: Connection, asked: Asked, at_ms: int) -> list[Reach]:
    """Only what came after the last watermark is looked at, so a thread's history costs nothing."""
    thread = receipts.thread_of(asked.reader, asked.peer)
    since_ms, rank = _watermark(tx, thread, asked.reader, asked.status)
    if at_ms <= since_ms:
        return []
    _save_watermark(tx, thread, asked, at_ms, rank)
    rows = tx.execute(
        f"SELECT conversation, max(position) FROM messages WHERE thread = ? AND {_theirs(asked)} AND at_ms > ?"  # noqa: S608 - constants
        " AND at_ms <= ? AND position > 0 GROUP BY conversation",
        (thread, _named(asked), since_ms, at_ms),
    ).fetchall()
    return _reaches(rows, asked)


def _by_rank(tx: Connection, asked: Asked, rank: int) -> list[Reach]:
    thread = receipts.thread_of(asked.reader, asked.peer)
    at_ms, since = _watermark(tx, thread, asked.reader, asked.status)
    if rank <= since:
        return []
    _save_watermark(tx, thread, asked, at_ms, rank)
    rows = tx.execute(
        f"SELECT conversation, max(position) FROM messages WHERE thread = ? AND {_theirs(asked)} AND rank > ?"  # noqa: S608 - constants
        " AND rank <= ? AND position > 0 GROUP BY conversation",
        (thread, _named(asked), since, rank),
    ).fetchall()
    return _reaches(rows, asked)


def _theirs(asked: Asked) -> str:
    """Whose messages a receipt is about: the peer's; in a group everybody else's."""
    return "author <> ?" if receipts.is_group(asked.peer) else "author = ?"


def _named(asked: Asked) -> str:
    return asked.reader if receipts.is_group(asked.peer) else asked.peer


def _reaches(rows: Iterable[tuple[str, int]], asked: Asked) -> list[Reach]:
    return [
        Reach(conversation=ConversationId(conversation), reader=asked.reader, status=asked.status, position=position)
        for conversation, position in rows
    ]


def _watermark(tx: Connection, thread: str, reader: str, status: str) -> tuple[int, int]:
    row = tx.execute(
        "SELECT at_ms, rank FROM watermarks WHERE thread = ? AND reader = ? AND status = ?", (thread, reader, status)
    ).fetchone()
    return (-1, 0) if row is None else (row[0], row[1])


def _save_watermark(tx: Connection, thread: str, asked: Asked, at_ms: int, rank: int) -> None:
    tx.execute(
        "INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?, ?, ?)", (thread, asked.reader, asked.status, at_ms, rank)
    )


def advance(tx: Connection, reached: Iterable[Reach]) -> list[Reach]:
    """Keep the markers that these reaches raise; those that tell something new (read says delivered, too)."""
    news = []
    for one in receipts.furthest(reached):
        statuses = ("read",) if one.status == "read" else (*_STATUSES, _HEARD)
        known = max(_marker(tx, one, status) for status in statuses)
        if one.position > known:
            tx.execute(
                "INSERT OR REPLACE INTO markers VALUES (?, ?, ?, ?)",
                (one.conversation, one.reader, one.status, one.position),
            )
            news.append(one)
    return news


def heard(tx: Connection, conversation: str, reader: str, position: int) -> None:
    """The federation knows, from another rail, that a reader has everything up to a position."""
    tx.execute(
        "INSERT INTO markers VALUES (?, ?, ?, ?) ON CONFLICT (conversation, reader, status)"
        " DO UPDATE SET position = max(position, excluded.position)",
        (conversation, reader, _HEARD, position),
    )


def has_got(tx: Connection, conversation: str, reader: str, position: int) -> bool:
    """Whether the rail has said that a reader has everything up to a position."""
    row = tx.execute(
        "SELECT 1 FROM markers WHERE conversation = ? AND reader = ? AND status <> ? AND position >= ?",
        (conversation, reader, _HEARD, position),
    ).fetchone()
    return row is not None


def _marker(tx: Connection, one: Reach, status: str) -> int:
    row = tx.execute(
        "SELECT position FROM markers WHERE conversation = ? AND reader = ? AND status = ?",
        (one.conversation, one.reader, status),
    ).fetchone()
    return 0 if row is None else int(row[0])


# --- receipts out ----------------------------------------------------------------------------------------------------


def threads_in(tx: Connection, conversation: str) -> list[str]:
    """The threads of this rail that hold messages of a conversation (one, but after links and registrations)."""
    found: list[str] = []
    last = ""
    while True:
        row = tx.execute(
            "SELECT min(thread) FROM messages WHERE conversation = ? AND thread > ?", (conversation, last)
        ).fetchone()
        if row[0] is None:
            return found
        last = row[0]
        found.append(last)


def latest_for(tx: Connection, *, conversation: str, thread: str, reader: str, position: int) -> str | None:
    """The latest native message at or before a position that is the reader's to read, i.e. not their own."""
    row = tx.execute(
        "SELECT native_id FROM messages WHERE conversation = ? AND thread = ? AND position BETWEEN 1 AND ?"
        " AND author <> ? ORDER BY position DESC, part DESC LIMIT 1",
        (conversation, thread, position, reader),
    ).fetchone()
    return None if row is None else str(row[0])


# --- small state -----------------------------------------------------------------------------------------------------


def get_state(tx: Connection, key: str) -> int:
    """A number kept under a key; 0 when there is none."""
    row = tx.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return 0 if row is None else int(row[0])


def raise_state(tx: Connection, key: str, value: int) -> None:
    """Keep a number that only rises."""
    tx.execute(
        "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
        (key, value),
    )


def count_dead(tx: Connection, more: int = 1) -> None:
    """One more (or several) that could not be understood or delivered."""
    tx.execute(
        "INSERT INTO state VALUES ('dead', ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value", (more,)
    )
