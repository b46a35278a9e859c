"""Files in: from the rail by way of a file on disk into the bus's object store, where they are kept once.

What the rail says is stored already is not fetched. Nothing is held in memory whole, nothing is fetched from anywhere
but the rail's own origin, and no more than `max_bytes` of it. Called by intake (is it there?) and by `arrivals`.
"""

import hashlib
import secrets
from pathlib import Path

import aiohttp
import msgspec
import structlog

from bridges.kit.contract import NativeContent, NativeFiles, NativeMedia, Translator
from bridges.kit.rail import Elsewhere, RailClient, Unanswered
from bridges.kit.sniffing import HEAD_BYTES, clean_name, is_animated, settled
from bus.media import Card, MediaStore
from schemas.content import Album, Content, Media, Text, Unsupported
from schemas.vanishing import Expiry

_log = structlog.get_logger(__name__)

NOT_NOW = (401, 408, 425, 429)
"""Refusals of a download that another try may not meet. All others mean that the address leads nowhere any more: the
platforms answer 404, or 403 when a signature has expired."""
CHUNK_BYTES = 64 * 1024
AWAY_MS = 24 * 3600 * 1000
_HEX = frozenset("0123456789abcdef")


class NotFetched(Exception):
    """A file that cannot be had, now or ever; why, in words for people."""


class _Fetched(msgspec.Struct, frozen=True, kw_only=True):
    path: Path
    sha256: str
    size_bytes: int
    head: bytes


class Files:
    """The files of one rail. `folder` holds what is on its way; it is emptied at start."""

    def __init__(
        self, *, store: MediaStore, client: RailClient, translator: Translator, folder: Path, max_bytes: int
    ) -> None:
        self._store, self._client, self._translator = store, client, translator
        self._folder, self._max_bytes = folder, max_bytes
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.iterdir():
            left.unlink()

    async def stored(self, files: NativeContent, expires: Expiry | None) -> Content | None:
        """The content, if every file of it (if there are any) is in the store by the digest that the rail has told.

        `expires`: of the message; a file has to be there for as long as that.
        """
        if not isinstance(files, NativeFiles):
            return files
        found: list[Media] = []
        for native in files.items:
            if len(native.sha256) != 64 or not _HEX.issuperset(native.sha256):
                return None
            card = await self._store.find(native.sha256)
            if card is None or not card.lasts(needed_until_ms(expires)):
                return None
            found.append(_media(native, card, kind_from=card.mime))
        return _content(found, files.caption)

    async def fetched(self, files: NativeFiles, expires: Expiry | None) -> Content:
        """The content, each file fetched if need be. What cannot be had is said in words, the rest is shown.

        Raises what says "not now": `RailAway`, `Unanswered`, `MediaFull` and the bus's.
        """
        found: list[Media] = []
        failed: list[str] = []
        for native in files.items:
            try:
                found.append(await self._one(native, needed_until_ms(expires)))
            except NotFetched as error:
                _log.warning("file.not_fetched", rail=self._translator.rail, kind=native.kind, reason=str(error))
                failed.append(f"{native.kind}: {error}")
        if not failed:
            return _content(found, files.caption)
        missing = Unsupported(what="; ".join(failed))
        if not found:
            if files.caption is None:
                return missing
            return Text(body=f"{files.caption.body}\n({missing.what})", marks=files.caption.marks)
        said = files.caption.body if files.caption is not None else ""
        marks = files.caption.marks if files.caption is not None else ()
        return _content(found, Text(body=f"{said}\n({missing.what})".strip(), marks=marks))

    async def _one(self, native: NativeMedia, until_ms: int) -> Media:
        self._check(native.size_bytes)
        if len(native.sha256) == 64 and _HEX.issuperset(native.sha256):
            card = await self._store.find(native.sha256)
            if card is not None and card.lasts(until_ms):
                return _media(native, card, kind_from=card.mime)
        fetched = await self._fetch(native)
        try:
            kind, mime = settled(native.kind, native.mime, fetched.head)
            card = await self._store.put(fetched.path, sha256=fetched.sha256, mime=mime, until_ms=until_ms)
        finally:
            fetched.path.unlink(missing_ok=True)
        return Media(
            kind=kind,
            sha256=card.sha256,
            size_bytes=card.size_bytes,
            mime=mime,
            name=clean_name(native.name),
            animated=native.animated or is_animated(fetched.head),
        )

    async def _fetch(self, native: NativeMedia) -> _Fetched:
        """From where the webhook says; if that has gone, from where the rail says now."""
        if native.url:
            found = await self._download(native.url)
            if found is not None:
                return found
        url = await self._locate(native.ref) if native.ref else ""
        found = await self._download(url) if url else None
        if found is None:
            raise NotFetched("it is no longer there")
        return found

    async def _locate(self, ref: str) -> str:
        locator = self._translator.locator
        if locator is None:
            return ""
        answer = await self._client.ask(locator.locate(ref))
        verdict = self._translator.judge(answer.status, answer.body)
        if verdict.outcome == "permanent":
            return ""
        if verdict.outcome != "done":
            raise Unanswered(f"{ref}: {verdict.text}")
        return locator.located(answer.body)

    async def _download(self, url: str) -> _Fetched | None:
        """The file on disk, with its digest; None when it has gone."""
        path = self._folder / secrets.token_hex(16)
        try:
            async with self._client.download(url) as response:
                is_gone = 400 <= response.status < 500 and response.status not in NOT_NOW
                return None if is_gone else await self._written(response, path)
        except Elsewhere as error:
            raise NotFetched(str(error)) from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    async def _written(self, response: aiohttp.ClientResponse, path: Path) -> _Fetched:
        if response.status != 200:
            raise Unanswered(f"a file: HTTP {response.status}")
        self._check(response.content_length or 0)
        digest, size_bytes, head = hashlib.sha256(), 0, b""
        with path.open("wb") as file:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                size_bytes += len(chunk)
                self._check(size_bytes)
                digest.update(chunk)
                head = head if len(head) >= HEAD_BYTES else head + chunk[: HEAD_BYTES - len(head)]
                file.write(chunk)
        if size_bytes == 0:
            raise NotFetched("it is empty")
        return _Fetched(path=path, sha256=digest.hexdigest(), size_bytes=size_bytes, head=head)

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._max_bytes:
            raise NotFetched(f"{size_bytes // 1_000_000} MB are too large")


def needed_until_ms(expires: Expiry | None) -> int:
    """Until when a file of a message that goes is needed: a day longer, for bridges that are away; 0: for good.

    One that goes when it is read is kept as any other: nobody knows when that is.
    """
    return expires.at_ms + AWAY_MS if expires is not None and expires.at_ms else 0


def _media(native: NativeMedia, card: Card, *, kind_from: str) -> Media:
    """A stored file as this message shows it: what it is was found out when it was stored."""
    kind, mime = native.kind, kind_from
    if mime.partition("/")[2] in ("ogg", "mp4", "webm") and kind in ("audio", "voice", "video"):
        mime = f"{'video' if kind == 'video' else 'audio'}/{mime.partition('/')[2]}"
    major = {"image": "image", "sticker": "image", "video": "video", "audio": "audio", "voice": "audio"}.get(kind)
    return Media(
        kind=kind if major is None or mime.startswith(f"{major}/") else "document",
        sha256=card.sha256,
        size_bytes=card.size_bytes,
        mime=mime,
        name=clean_name(native.name),
        animated=native.animated,
    )


def _content(found: list[Media], caption: Text | None) -> Content:
    if len(found) == 1:
        return msgspec.structs.replace(found[0], caption=caption)
    return Album(items=tuple(found), caption=caption)
