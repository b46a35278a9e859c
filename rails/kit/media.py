"""Files as the rail's store knows them: who uploaded what, which messages show it. Functions of one transaction.

The bytes are in `rails.kit.files`, once a SHA-256; a media id is one upload of them. What neither a message shows nor
somebody has just uploaded is let go: its row here, then (`rails.kit.keeping`) its file.
"""

import re
import secrets
from collections.abc import Callable, Iterable

from rails.kit import sight
from rails.kit.content import Details, File, files
from rails.kit.model import Refused, Why
from rails.kit.store import Tx

_COLUMNS = "media_id, kind, mime, size_bytes, sha256, name, animated"
_SEES = (
    "SELECT 1 FROM media_shown f JOIN messages m ON m.arrival = f.arrival JOIN thread_members t"  # noqa: S608 - constants
    " ON t.thread_id = m.thread_id WHERE f.media_id = ? AND t.account_id = ? AND " + sight.SEEN.format(table="m")
)
NAME_LENGTH = 200
ID_LENGTH = 18
UPLOAD_KEPT_MS = 30 * 24 * 3600 * 1000
"""How long an upload that no message shows is kept (WhatsApp's rule)."""
UPLOADING_MS = 3600 * 1000
"""Within this time an upload has become a row, or has failed."""
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def new_id() -> str:
    """18 digits, which no account has."""
    return str(10**17 + secrets.randbelow(9 * 10**17))


def is_id(text: str) -> bool:
    """Whether it looks like a media id."""
    return len(text) == ID_LENGTH and text.isascii() and text.isdecimal()


def clean_name(name: str) -> str:
    """A file name without folders, control characters and marks that turn the reading direction; may be empty."""
    last = re.split(r"[/\\]", _UNSAFE.sub("", name))[-1].strip().strip(".")
    return last.encode("utf-8", "ignore").decode()[:NAME_LENGTH]


def keep(tx: Tx, file: File, *, owner_id: str, now_ms: int) -> None:
    """Somebody has uploaded it."""
    tx.run(
        "INSERT INTO media (media_id, sha256, kind, mime, size_bytes, name, animated, owner_id, at_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        file.media_id,
        file.sha256,
        file.kind,
        file.mime,
        file.size_bytes,
        file.name,
        int(file.animated),
        owner_id,
        now_ms,
    )


def readable(tx: Tx, media_id: str, *, account_id: str | None) -> File:
    """The file, if the account uploaded it or is in a thread that shows it (None: whoever asks may see everything)."""
    row = tx.one(f"SELECT {_COLUMNS}, owner_id FROM media WHERE media_id = ?", media_id)  # noqa: S608 - constants
    if row is None or (account_id not in {None, row[-1]} and not _sees(tx, media_id, account_id)):
        raise Refused(Why.MEDIA_UNKNOWN, f"No media {media_id[:40]!r} that this account can see; upload it first")
    media_id, kind, mime, size_bytes, sha256, name, animated = row[:-1]
    return File(
        media_id=media_id,
        kind=kind,
        mime=mime,
        size_bytes=size_bytes,
        sha256=sha256,
        name=name,
        animated=bool(animated),
    )


def _sees(tx: Tx, media_id: str, account_id: str | None) -> bool:
    return tx.one(_SEES, media_id, account_id, account_id) is not None


def show(tx: Tx, shown: Iterable[File], *, arrival: int) -> None:
    """The message shows these."""
    for file in shown:
        tx.run("INSERT OR IGNORE INTO media_shown VALUES (?, ?)", file.media_id, arrival)


def hide(tx: Tx, *, arrival: int, now_ms: int) -> None:
    """The message shows nothing any more; what no other message shows is gone."""
    shown = tx.all("DELETE FROM media_shown WHERE arrival = ? RETURNING media_id", arrival)
    for (media_id,) in shown:
        if tx.one("SELECT 1 FROM media_shown WHERE media_id = ? LIMIT 1", media_id) is None:
            drop(tx, media_id, now_ms=now_ms)


def drop(tx: Tx, media_id: str, *, now_ms: int) -> None:
    """Nobody can fetch it any more; its file is looked at next."""
    for (sha256,) in tx.all("DELETE FROM media WHERE media_id = ? RETURNING sha256", media_id):
        doubt(tx, sha256, due_ms=now_ms)


def delete_upload(tx: Tx, media_id: str, *, owner_id: str | None, now_ms: int) -> None:
    """Its owner needs it no longer (None: whoever asks may). What a message shows stays, as on the platform."""
    row = tx.one("SELECT owner_id FROM media WHERE media_id = ?", media_id)
    if row is None or owner_id not in {None, row[0]}:
        raise Refused(Why.MEDIA_UNKNOWN, f"No media {media_id[:40]!r} of this account")
    if tx.one("SELECT 1 FROM media_shown WHERE media_id = ? LIMIT 1", media_id) is None:
        drop(tx, media_id, now_ms=now_ms)


def doubt(tx: Tx, sha256: str, *, due_ms: int) -> None:
    """Look then whether anybody needs the file; the latest word counts."""
    tx.run(
        "INSERT INTO media_doubtful VALUES (?, ?)"
        " ON CONFLICT (sha256) DO UPDATE SET due_ms = max(due_ms, excluded.due_ms)",
        sha256,
        due_ms,
    )


def has_due(tx: Tx, *, now_ms: int) -> bool:
    """Whether a file is to be looked at."""
    return tx.one("SELECT 1 FROM media_doubtful WHERE due_ms <= ? LIMIT 1", now_ms) is not None


def unneeded(tx: Tx, *, now_ms: int) -> list[str]:
    """The files that are due to be looked at and that nobody needs."""
    due = tx.all("DELETE FROM media_doubtful WHERE due_ms <= ? RETURNING sha256", now_ms)
    return [sha256 for (sha256,) in due if tx.one("SELECT 1 FROM media WHERE sha256 = ? LIMIT 1", sha256) is None]


def forget_old_uploads(tx: Tx, now_ms: int) -> None:
    """Let go of uploads that no message has come to show."""
    old = tx.all(
        "SELECT media_id FROM media m WHERE at_ms < ? AND NOT EXISTS"
        " (SELECT 1 FROM media_shown s WHERE s.media_id = m.media_id)",
        now_ms - UPLOAD_KEPT_MS,
    )
    for (media_id,) in old:
        drop(tx, media_id, now_ms=now_ms)


def urls(details: Details | None, url_of: Callable[[str], str]) -> dict[str, str]:
    """Where the files of a message can be fetched, by media id."""
    return {} if details is None else {file.media_id: url_of(file.media_id) for file in files(details.content)}
