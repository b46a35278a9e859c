"""Media in the bus's object store: files named by the SHA-256 of their bytes, kept once, streamed in and out.

A file is a row of chunks, ``$O.MEDIA.C.<writer>.<sha256>.<index>``, and a card, ``$O.MEDIA.M.<sha256>``, that says what
it is and comes last: what has no card is not there. Every chunk has a subject of its own and is written only if that
is empty, so whoever was killed half-way, or comes twice, goes on where it stopped and nothing is stored twice. A
writer may use only its own chunk subjects. Read without a consumer (bridges may make none), a few chunks at a time;
the bytes are hashed on the way, because a card or a chunk may be anybody's.

Called by the bridges. The stream is made by `bus.topology`.
"""

import hashlib
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


_cards = msgspec.json.Decoder(Card)


class MediaStore:
    """The object store, for one writer (a rail's name)."""

    def __init__(self, conn: Connection, *, writer: str) -> None:
        self._conn, self._writer = conn, writer

    async def find(self, sha256: str) -> Card | None:
        """The card of a file; None when it is not there. Raises what `Connection.request` does."""
        found = await last_directly(self._conn, _STREAM, subjects.media_card(sha256))
        if found is None:
            return None
        try:
            return _cards.decode(found.data)
        except msgspec.DecodeError:
            return None

    async def put(self, path: Path, *, sha256: str, mime: str) -> Card:
        """Store a file whose digest is known; harmless when it is there. Raises `MediaFull` and as `find`."""
        known = await self.find(sha256)
        if known is not None:
            return known
        first, size_bytes, index = 0, 0, 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):  # from the page cache: it was written a moment ago
                subject = subjects.media_chunk(self._writer, sha256, index)
                sequence = await self._write(subject, chunk)
                first = sequence if index == 0 else first  # 0: it was there before, so any may be the first
                size_bytes += len(chunk)
                index += 1
        card = Card(sha256=sha256, size_bytes=size_bytes, mime=mime, writer=self._writer, first=first)
        await self._write(subjects.media_card(sha256), msgspec.json.encode(card))
        return await self.find(sha256) or card

    async def read(self, card: Card) -> AsyncIterator[bytes]:
        """The bytes, chunk by chunk. Raises `MediaDamaged`, perhaps after the last one: nothing is whole before.

        Raises what `Connection.request` does, too.
        """
        digest, left, first = hashlib.sha256(), card.size_bytes, max(card.first, 1)
        chunks = subjects.media_chunks(card.writer, card.sha256)
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

    async def _write(self, subject: str, body: bytes) -> int:
        """Write what is not there yet; its sequence, 0 when it was there."""
        answer = await self._conn.request(
            subject, body, headers={"Nats-Expected-Last-Subject-Sequence": "0"}, wait_s=10.0
        )
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
