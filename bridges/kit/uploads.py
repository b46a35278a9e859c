"""Files that the rail has been given, and what it calls them: one upload, however many messages show the file.

The table is asked in transactions while a leg is planned. What is missing, `Uploader` gives to the rail.
"""

from collections.abc import Sequence
from sqlite3 import Connection as Transaction

from schemas.content import Media, MediaKind

REFUSED = ""
"""The name of a file that the rail does not take as that kind."""


def of(
    tx: Transaction, files: Sequence[tuple[Media, MediaKind]], now_ms: int
) -> dict[str, str] | list[tuple[Media, MediaKind]]:
    """SHA-256 -> the rail's name of each file; or, if not all are there, those that are not."""
    found: dict[str, str] = {}
    missing: list[tuple[Media, MediaKind]] = []
    for media, kind in files:
        row = tx.execute(
            "SELECT name FROM uploads WHERE sha256 = ? AND kind = ? AND until_ms > ?", (media.sha256, kind, now_ms)
        ).fetchone()
        if row is None:
            missing.append((media, kind))
        else:
            found[media.sha256] = row[0]
    return missing or found


def refused(tx: Transaction, sha256: str) -> list[MediaKind]:
    """The kinds as which the rail has refused a file."""
    rows = tx.execute("SELECT kind FROM uploads WHERE sha256 = ? AND name = ?", (sha256, REFUSED)).fetchall()
    return [row[0] for row in rows]


def remember(tx: Transaction, *, sha256: str, kind: MediaKind, name: str, until_ms: int) -> None:
    """The rail calls the file so until then."""
    tx.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", (sha256, kind, name, until_ms))


def forget(tx: Transaction, names: Sequence[str]) -> int:
    """The rail knows these names no more; how many of them we had."""
    return sum(tx.execute("DELETE FROM uploads WHERE name = ?", (name,)).rowcount for name in names)
