"""What each message that we posted shows, as far as a later edit or vote has to know. Inside transactions.

No words are kept: a digest tells whether a part says already what it should say.
"""

from collections.abc import Iterable
from sqlite3 import Connection as Transaction
from typing import Literal

import msgspec

from bridges.kit.downgrade import AlbumPiece, MediaPiece, Piece, TextPiece
from schemas.codec import encode
from schemas.content import Poll
from schemas.ids import digest

Kind = Literal["text", "captioned", "file", "poll", "other", "gone"]

_polls = msgspec.msgpack.Decoder(Poll)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a native message shows. `poll`: the question that it asks in words, for the answers."""

    kind: Kind
    digest: str = ""
    poll: Poll | None = None

    @property
    def has_words(self) -> bool:
        return self.kind in ("text", "captioned", "poll")


GONE = Shown(kind="gone")


def of(piece: Piece, *, poll: Poll | None = None) -> Shown:
    """What a piece shows once it is posted."""
    match piece:
        case TextPiece(body=body):
            return Shown(kind="text" if poll is None else "poll", digest=words_digest(body), poll=poll)
        case MediaPiece(caption=caption) | AlbumPiece(caption=caption):
            return Shown(kind="captioned" if caption else "file", digest=words_digest(caption))
        case _:
            return Shown(kind="other")


def words_digest(body: str) -> str:
    """What is kept of words."""
    return digest("shown", body)


def save(tx: Transaction, found: Iterable[tuple[str, Shown]]) -> None:
    """Native messages show this from now on. What is gone stays gone."""
    tx.executemany(
        "INSERT INTO shown VALUES (?, ?, ?, ?) ON CONFLICT (native_id) DO UPDATE SET kind = excluded.kind,"
        " digest = excluded.digest, poll = excluded.poll WHERE kind <> 'gone'",
        [(native_id, one.kind, one.digest, encode(one.poll) if one.poll else None) for native_id, one in found],
    )


def get(tx: Transaction, native_id: str) -> Shown:
    """What a native message shows; a text of unknown words when we never got an answer to its post."""
    row = tx.execute("SELECT kind, digest, poll FROM shown WHERE native_id = ?", (native_id,)).fetchone()
    if row is None:
        return Shown(kind="text")
    return Shown(kind=row[0], digest=row[1], poll=None if row[2] is None else _polls.decode(row[2]))


def changed_here(tx: Transaction, event_id: str) -> None:
    """The message's author has edited it on this rail: its words are no longer those that we put there."""
    tx.execute(
        "UPDATE shown SET digest = '' WHERE native_id IN (SELECT native_id FROM messages WHERE event_id = ?)",
        (event_id,),
    )
