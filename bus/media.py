"""Media in the bus's object store: files named by the SHA-256 of their bytes, kept once, streamed in and out.

A file is a row of chunks, ``$O.MEDIA.C.<writer>.<sha256>.<index>``, and a card, ``$O.MEDIA.M.<sha256>``, that says what
it is and comes last: what has no card is not there. Every chunk has a subject of its own and is written only if that
is empty, so whoever was killed half-way, or comes twice, goes on where it stopped and nothing is stored twice. A
writer may use only its own chunk subjects. Read without a consumer (bridges may make none), a few chunks at a time;
the bytes are hashed on the way, because a card or a chunk may be anybody's.

A file that only a message shows which is to go may be stored until a time. Such a copy has chunks of its own, so that
it takes nothing with it that somebody else needs; a card for longer takes the place of its card.

Called by the bridges. The stream is made by `bus.topology`.
"""

import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from bus import subjects
from bus.connection import ApiError, Connection, raise_api_error
from bus.kv import WRONG_LAST_SEQUENCE
from bus.stored import last_directly, read_range

CHUNK_BYTES = 256 * 1024
"""Part of the format: what is stored is found again only by writers with the same size."""

_AT_ONCE = 4
_STREAM = subjects.object_stream(subjects.MEDIA)
_FULL = {10077, 10023, 10047}


class MediaFull(Exception):
    """The store has reached its size and takes nothing more. Raise `nats.media_bytes`, or keep media less long."""


class MediaDamaged(Exception):
    """What is in the store is not what its name says, or not all of it is there (any more)."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a stored file is. `mime`: what its bytes were found to be by whoever stored it."""

    sha256: str
    size_bytes: int
    mime: str
    writer: str
    first: int
    """A stream sequence that none of its chunks comes before."""
    until_ms: int = 0
    """When it goes, Unix milliseconds; 0: not before its age limit."""

    def lasts(self, until_ms: int) -> bool:
        """Whether it is there for as long as that (0: for good)."""
        return self.until_ms == 0 or 0 < until_ms <= self.until_ms


_cards = msgspec.json.Decoder(Card)


class MediaStore:
    """The object store, for one writer (a rail's name)."""

    def __init__(self, conn: Connection, *, writer: str) -> None:
        self._conn, self._writer = conn, writer

    async def find(self, sha256: str) -> Card | None:
        """The card of a file; None when it is not there. Raises what `Connection.request` does."""
        return (await self._look(sha256))[0]

    async def _look(self, sha256: str) -> tuple[Card | None, int]:
        """And where in the stream it is; 0: nowhere."""
        found = await last_directly(self._conn, _STREAM, subjects.media_card(sha256))
        if found is None:
            return None, 0
        try:
            return _cards.decode(found.data), found.sequence
        except msgspec.DecodeError:
            return None, found.sequence

    async def put(self, path: Path, *, sha256: str, mime: str, until_ms: int = 0) -> Card:
        """Store a file whose digest is known; harmless when it is there. Raises `MediaFull` and as `find`.

        `until_ms`: it is needed till then only. What is there for longer stays.
        """
        known, sequence = await self._look(sha256)
        if known is not None and known.lasts(until_ms):
            return known
        first, size_bytes, index = 0, 0, 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):  # from the page cache: it was written a moment ago
                subject = subjects.media_chunk(self._writer, sha256, index, until_ms=until_ms)
                written = await self._write(subject, chunk, until_ms=until_ms)
                first = written if index == 0 else first  # 0: it was there before, so any may be the first
                size_bytes += len(chunk)
                index += 1
        card = Card(
            sha256=sha256, size_bytes=size_bytes, mime=mime, writer=self._writer, first=first, until_ms=until_ms
        )
        after = sequence if known is not None else 0
        await self._write(subjects.media_card(sha256), msgspec.json.encode(card), until_ms=until_ms, after=after)
        found = await self.find(sha256)
        if found is not None and not found.lasts(until_ms):  # somebody's for a shorter time came in between
            return await self.put(path, sha256=sha256, mime=mime, until_ms=until_ms)
        return found or card

    async def read(self, card: Card) -> AsyncIterator[bytes]:
        """The bytes, chunk by chunk. Raises `MediaDamaged`, perhaps after the last one: nothing is whole before.

        Raises what `Connection.request` does, too.
        """
        digest, left, first = hashlib.sha256(), card.size_bytes, max(card.first, 1)
        chunks = subjects.media_chunks(card.writer, card.sha256, until_ms=card.until_ms)
        while left > 0:
            found = await read_range(self._conn, _STREAM, first=first, subject_filter=chunks, limit=_AT_ONCE)
            if not found:
                raise MediaDamaged(f"{card.sha256}: {left} of {card.size_bytes} bytes are not there.")
            for message in found:
                digest.update(message.data)
                left -= len(message.data)
                yield message.data
            first = found[-1].sequence + 1
        if left < 0 or digest.hexdigest() != card.sha256:
            raise MediaDamaged(f"{card.sha256}: the bytes that are there have another digest.")

    async def _write(self, subject: str, body: bytes, *, until_ms: int, after: int = 0) -> int:
        """Write what is not there yet (or, `after`: in place of what is); its sequence, 0 when it was there."""
        headers = {"Nats-Expected-Last-Subject-Sequence": str(after)}
        if until_ms:
            headers["Nats-TTL"] = f"{max(1, until_ms // 1000 - int(time.time()))}s"
        answer = await self._conn.request(subject, body, headers=headers, wait_s=10.0)
        decoded = msgspec.json.decode(answer.body)
        try:
            raise_api_error(subject, decoded)
        except ApiError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                return 0
            if error.err_code in _FULL:
                raise MediaFull(f"The media store is full: {error.description}.") from error
            raise
        return int(decoded["seq"])
