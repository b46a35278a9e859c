"""Files that the rail has been given, and what it calls them: one upload, however many messages show the file.

The table is asked in transactions while a leg is planned. What is missing, `Uploader` gives to the rail.
"""

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from sqlite3 import Connection as Transaction

import structlog

from bridges.kit.contract import Offer, Translator, Upload
from bridges.kit.rail import Answer, RailAway, RailClient, Unanswered
from bridges.kit.steps import Wanting
from bus.media import Card, MediaDamaged, MediaStore
from bus.sqlite import Store
from schemas.content import Media, MediaKind

_log = structlog.get_logger(__name__)

AT_ONCE = 4
"""Uploads under way at one time."""
REFUSED_FOR_S = 86_400

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


class Lost(Exception):
    """The bus does not keep the file any more (or not whole): it cannot be shown."""


class NotNow(Exception):
    """The rail takes it later; in `wait_s`, if it says so."""

    def __init__(self, why: str, wait_s: float) -> None:
        super().__init__(why)
        self.wait_s = wait_s


class Uploader:
    """Gives files to one rail, each once, however many ask at the same time."""

    def __init__(
        self,
        *,
        translator: Translator,
        client: RailClient,
        store: Store,
        media: MediaStore,
        now_ms: Callable[[], int],
    ) -> None:
        self._translator, self._client, self._store, self._media = translator, client, store, media
        self._now_ms = now_ms
        self._locks: dict[tuple[str, MediaKind], tuple[asyncio.Lock, int]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def give(self, wanting: Wanting) -> None:
        """Until the rail has all of these files, or has refused them (which is remembered, too).

        Raises `Lost`, `NotNow`, `RailAway`, `Unanswered` and what the bus raises.
        """
        for media, kind in wanting.files:
            key = (media.sha256, kind)
            lock, waiting = self._locks.get(key, (asyncio.Lock(), 0))
            self._locks[key] = lock, waiting + 1
            try:
                async with lock:
                    await self._give_one(wanting.node, media, kind)
            finally:
                lock, waiting = self._locks.pop(key)
                if waiting > 1:
                    self._locks[key] = lock, waiting - 1

    async def _give_one(self, node: str, media: Media, kind: MediaKind) -> None:
        is_there = await self._store.write(lambda tx: not isinstance(of(tx, [(media, kind)], self._now_ms()), list))
        if is_there:
            return
        card = await self._media.find(media.sha256)
        if card is None:
            raise Lost(f"the {media.kind} is not kept any more")
        upload = self._translator.upload(Offer(node=node, kind=kind, mime=media.mime))
        async with self._slots:
            answer = await self._send(upload, media, card)
        verdict = self._translator.judge(answer.status, answer.body)
        if verdict.outcome in ("temporary", "uncertain", "bad_credentials"):
            raise NotNow(verdict.text, verdict.wait_s or answer.wait_s)
        name = self._translator.uploaded(answer.body) if verdict.outcome == "done" else REFUSED
        if verdict.outcome == "done" and not name:
            raise NotNow("the answer to an upload names no file", 0.0)
        if name == REFUSED:
            _log.warning("upload.refused", rail=self._translator.rail, kind=kind, mime=media.mime, reason=verdict.code)
        lasts_s = REFUSED_FOR_S if name == REFUSED else upload.lasts_s
        until_ms = self._now_ms() + lasts_s * 1000
        await self._store.write(lambda tx: remember(tx, sha256=media.sha256, kind=kind, name=name, until_ms=until_ms))

    async def _send(self, upload: Upload, media: Media, card: Card) -> Answer:
        source = Source(self._media.read(card))
        name = media.name or media.sha256[:12] + (mimetypes.guess_extension(media.mime) or "")
        try:
            return await self._client.upload(
                upload, chunks=source.chunks(), size_bytes=card.size_bytes, mime=media.mime, name=name
            )
        except (RailAway, Unanswered):
            if isinstance(source.error, MediaDamaged):
                raise Lost(f"the {media.kind} is not kept whole any more") from source.error
            raise


class Source:
    """A stream that remembers why it broke off: whoever sends it only says that it could not be sent."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self.error: Exception | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The chunks."""
        try:
            async for chunk in self._chunks:
                yield chunk
        except Exception as error:
            self.error = error
            raise
