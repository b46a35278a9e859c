"""Streams as files and back, with JetStream's own snapshots: consistent, online, one file a stream.

A snapshot is what the server sends for ``STREAM.SNAPSHOT`` (an S2-compressed archive, opaque to us); beside it stand
the stream's configuration and state, which ``STREAM.RESTORE`` wants back. Consumers are not in it: ours are made by
`bus.topology`. Needs the admin's key. Called by `trinario backup` and `trinario restore`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from bus.connection import ApiError, Connection, Delivery, NoAnswer

_CHUNK_BYTES = 128 * 1024
_SILENCE_S = 30.0
_STREAM_EXISTS = 10058


class SnapshotError(Exception):
    """A stream could not be saved or brought back."""


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds."""

    stream: str
    messages: int
    bytes: int
    last_sequence: int


async def stream_names(conn: Connection) -> list[str]:
    """Every stream of the bus, buckets and object stores too."""
    names: list[str] = []
    while True:
        answer = await conn.api("STREAM.NAMES", {"offset": len(names)})
        found = answer.get("streams") or []
        names += found
        if not found or len(names) >= answer.get("total", 0):
            return sorted(names)


async def save(conn: Connection, stream: str, folder: Path) -> Saved:
    """Write ``<stream>.snapshot`` and ``<stream>.json`` into the folder. Raises `SnapshotError`, `ApiError`."""
    async with _chunks(conn) as (subject, chunks):
        request = {"deliver_subject": subject, "no_consumers": True, "chunk_size": _CHUNK_BYTES}
        answer = await conn.api(f"STREAM.SNAPSHOT.{stream}", request, wait_s=_SILENCE_S)
        with (folder / f"{stream}.snapshot").open("wb") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
    state = answer["state"]
    about = {"config": answer["config"], "state": state}
    (folder / f"{stream}.json").write_bytes(msgspec.json.format(msgspec.json.encode(about)))
    return Saved(
        stream=stream, messages=state["messages"], bytes=state["bytes"], last_sequence=state.get("last_seq", 0)
    )


@asynccontextmanager
async def _chunks(conn: Connection) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """An inbox for a snapshot, and its pieces as they come, each acknowledged so that the next ones are sent."""
    arrived: asyncio.Queue[Delivery] = asyncio.Queue()
    inbox = await conn.open_inbox(arrived.put_nowait)

    async def pieces() -> AsyncIterator[bytes]:
        while True:
            try:
                async with asyncio.timeout(_SILENCE_S):
                    piece = await arrived.get()
            except TimeoutError as error:
                raise SnapshotError(f"The server fell silent for {_SILENCE_S:g} s. Try again.") from error
            if piece.status not in (b"", b"200"):
                raise SnapshotError(f"The server broke it off: {piece.headers.decode(errors='replace').strip()}")
            if not piece.body:
                return
            yield piece.body
            if piece.reply:
                await conn.publish_core(piece.reply.decode(), b"")

    try:
        yield inbox.subject, pieces()
    finally:
        await inbox.close()


async def restore(conn: Connection, stream: str, folder: Path) -> None:
    """Bring a stream back as it was. Raises `SnapshotError` when there is one of that name, or the file is damaged."""
    about: dict[str, Any] = msgspec.json.decode((folder / f"{stream}.json").read_bytes())
    try:
        answer = await conn.api(f"STREAM.RESTORE.{stream}", about)
        await _send(conn, answer["deliver_subject"], folder / f"{stream}.snapshot")
    except ApiError as error:
        if error.err_code == _STREAM_EXISTS:
            raise SnapshotError(f"There is a stream {stream} already. Restore into an empty data folder.") from error
        raise SnapshotError(f"{stream} cannot be restored: {error}") from error
    except NoAnswer as error:
        raise SnapshotError(f"{stream}: the server did not take it: {error}") from error


async def _send(conn: Connection, subject: str, path: Path) -> None:
    """The file, piece by piece, each answered before the next; an empty one ends it and brings the verdict."""
    with path.open("rb") as file:
        for piece in _pieces(file.read):
            _check(subject, (await conn.request(subject, piece, wait_s=_SILENCE_S)).body)
    _check(subject, (await conn.request(subject, b"", wait_s=_SILENCE_S)).body)


def _pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while piece := read(_CHUNK_BYTES):
        yield piece


def _check(subject: str, body: bytes) -> None:
    if not body:
        return
    error = msgspec.json.decode(body).get("error")
    if error:
        raise ApiError(
            subject, code=error["code"], err_code=error.get("err_code", 0), description=error.get("description", "")
        )
