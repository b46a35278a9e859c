"""The bytes of files: each kept once, in a file named by its SHA-256. Streamed both ways, never whole in memory.

`stage` writes what comes in beside; `keep` gives it its place. Between the two a file is nobody's, and so it is in the
store's list of doubtful files before it has a place: whatever stops the rail, nothing is left behind (`sweep`).
"""

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import structlog

from rails.kit import media, sniffing
from rails.kit.content import File
from rails.kit.model import Refused, Why
from rails.kit.store import Store

log = structlog.get_logger(__name__)

WRITE_BYTES = 256 * 1024
TAKING_IN_WITHIN_S = 600.0


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has come in whole and has no place yet."""

    path: Path
    sha256: str
    size_bytes: int
    mime: str
    animated: bool

    def described(self, name: str) -> File:
        """As one upload of it."""
        return File(
            media_id=media.new_id(),
            kind=sniffing.kind_of(self.mime),
            mime=self.mime,
            size_bytes=self.size_bytes,
            sha256=self.sha256,
            name=media.clean_name(name),
            animated=self.animated,
        )


class Files:
    """The folder of files. One process has it."""

    def __init__(self, *, folder: Path, store: Store) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._store = store
        self._placing = asyncio.Lock()

    def open(self) -> None:
        """Make the folder; what an earlier run had half taken in goes."""
        self._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self._incoming.iterdir():
            left.unlink()

    def path(self, sha256: str) -> Path:
        """Where the file with that hash is."""
        return self._folder / sha256[:2] / sha256

    async def stage(self, parts: AsyncIterator[bytes], *, limit_bytes: int) -> Staged:
        """Take in what comes. `media_size` when it is more than the limit, `bad_request` when it is nothing."""
        path = self._incoming / secrets.token_hex(16)
        try:
            async with asyncio.timeout(TAKING_IN_WITHIN_S):
                return await _take_in(path, parts, limit_bytes)
        except OSError as error:  # a full disk, or a TimeoutError: somebody who sends a byte a minute
            path.unlink(missing_ok=True)
            raise Refused(Why.BUSY, f"The file could not be taken in ({error!r}); try again later") from error
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    async def keep(self, staged: Staged, *, name: str, owner_id: str, now_ms: int) -> File:
        """Give it its place, as an upload of that account."""
        file = staged.described(name)
        try:
            async with self._placing:
                due_ms = now_ms + media.UPLOADING_MS
                await self._store.write(lambda tx: media.doubt(tx, staged.sha256, due_ms=due_ms))
                await asyncio.to_thread(_place, staged.path, self.path(staged.sha256))
            await self._store.write(lambda tx: media.keep(tx, file, owner_id=owner_id, now_ms=now_ms))
        finally:
            staged.path.unlink(missing_ok=True)
        return file

    async def sweep(self, *, now_ms: int) -> int:
        """Delete the files that are due to be looked at and that nobody needs. How many."""
        async with self._placing:
            gone = await self._store.write(lambda tx: media.unneeded(tx, now_ms=now_ms))
            for sha256 in gone:
                await asyncio.to_thread(self.path(sha256).unlink, missing_ok=True)
        if gone:
            log.info("media.files_deleted", files=len(gone))
        return len(gone)


async def _take_in(path: Path, parts: AsyncIterator[bytes], limit_bytes: int) -> Staged:
    digest, size_bytes, head, waiting = hashlib.sha256(), 0, bytearray(), bytearray()
    with open(_created(path), "wb", buffering=0) as file:  # noqa: ASYNC230 - opened is it by then
        async for part in parts:
            size_bytes += len(part)
            if size_bytes > limit_bytes:
                raise Refused(Why.MEDIA_SIZE, f"The file is larger than the {limit_bytes} bytes that are taken")
            if len(head) < sniffing.HEAD_BYTES:
                head += part[: sniffing.HEAD_BYTES - len(head)]
            digest.update(part)
            waiting += part
            if len(waiting) >= WRITE_BYTES:
                await asyncio.to_thread(_write, file.fileno(), bytes(waiting))
                waiting.clear()
        await asyncio.to_thread(_finish, file.fileno(), bytes(waiting))
    if not size_bytes:
        raise Refused(Why.BAD_REQUEST, "The file is empty; send its bytes")
    return Staged(
        path=path,
        sha256=digest.hexdigest(),
        size_bytes=size_bytes,
        mime=sniffing.mime_of(bytes(head)),
        animated=sniffing.is_animated(bytes(head)),
    )


def _created(path: Path) -> int:
    """A new file that nobody else may read."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _write(number: int, part: bytes) -> None:
    view = memoryview(part)
    while view:
        view = view[os.write(number, view) :]


def _finish(number: int, part: bytes) -> None:
    _write(number, part)
    os.fsync(number)


def _place(source: Path, place: Path) -> None:
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    source.rename(place)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
