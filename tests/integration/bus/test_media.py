"""The object store for media, on a real server, with the bridges' own keys."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from bus import subjects
from bus.connection import Connection, NoAnswer
from bus.media import CHUNK_BYTES, MediaDamaged, MediaStore
from tests.integration.conftest import Connect
from tests.must import eventually

STREAM = subjects.object_stream(subjects.MEDIA)


def file_of(folder: Path, size_bytes: int) -> tuple[Path, str]:
    """A file of random bytes, and its digest."""
    path = folder / f"file-{size_bytes}"
    path.write_bytes(os.urandom(size_bytes))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


async def whole(store: MediaStore, sha256: str) -> bytes:
    """All of a file."""
    card = await store.find(sha256)
    assert card is not None
    return b"".join([chunk async for chunk in store.read(card)])


async def stored(conn: Connection) -> int:
    """How many messages the store has."""
    return int((await conn.api(f"STREAM.INFO.{STREAM}"))["state"]["messages"])


async def test_a_file_goes_in_and_out(connect: Connect, tmp_path: Path) -> None:
    """Of any size; one bridge stores it, another reads it."""
    ours = MediaStore(await connect("bridge-whatsapp"), writer="whatsapp")
    theirs = MediaStore(await connect("bridge-instagram"), writer="instagram")
    for size_bytes in (1, CHUNK_BYTES, 9 * CHUNK_BYTES + 17):
        path, sha256 = file_of(tmp_path, size_bytes)
        assert await theirs.find(sha256) is None
        card = await ours.put(path, sha256=sha256, mime="image/png")
        assert (card.size_bytes, card.mime) == (size_bytes, "image/png")
        assert await whole(theirs, sha256) == path.read_bytes()


async def test_the_same_file_is_kept_once(connect: Connect, admin: Connection, tmp_path: Path) -> None:
    """However often, and by whomever, it is stored."""
    path, sha256 = file_of(tmp_path, 3 * CHUNK_BYTES)
    for rail in ("whatsapp", "instagram", "whatsapp"):
        await MediaStore(await connect(f"bridge-{rail}"), writer=rail).put(path, sha256=sha256, mime="image/png")
    assert await stored(admin) == 4


async def test_who_was_stopped_half_way_goes_on(connect: Connect, admin: Connection, tmp_path: Path) -> None:
    """What has been written is not written again, and there is no file before its card."""
    path, sha256 = file_of(tmp_path, 3 * CHUNK_BYTES)
    conn = await connect("bridge-whatsapp")
    store = MediaStore(conn, writer="whatsapp")
    for index in (0, 1):
        part = path.read_bytes()[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        await conn.request(subjects.media_chunk("whatsapp", sha256, index), part)
    assert await store.find(sha256) is None
    await store.put(path, sha256=sha256, mime="image/png")
    assert await stored(admin) == 4
    assert await whole(store, sha256) == path.read_bytes()


async def test_what_is_not_what_its_name_says_is_not_believed(connect: Connect, tmp_path: Path) -> None:
    """A bridge gone bad may store anything; readers look at the bytes."""
    path, _ = file_of(tmp_path, 2 * CHUNK_BYTES)
    store = MediaStore(await connect("bridge-whatsapp"), writer="whatsapp")
    await store.put(path, sha256="ab" * 32, mime="image/png")
    with pytest.raises(MediaDamaged, match="another digest"):
        await whole(store, "ab" * 32)


async def test_a_bridge_writes_under_its_own_name_only(connect: Connect) -> None:
    """Nobody else's chunks, and no wiping out."""
    conn = await connect("bridge-whatsapp")
    with pytest.raises(NoAnswer):
        await conn.request(subjects.media_chunk("instagram", "ab" * 32, 0), b"x", wait_s=0.5)
    answer = await conn.request(
        subjects.media_chunk("whatsapp", "ab" * 32, 0), b"x", headers={"Nats-Rollup": "all"}, wait_s=5
    )
    assert b"rollup not permitted" in answer.body


async def test_a_copy_for_a_time_goes_and_takes_nothing_else_with_it(
    connect: Connect, admin: Connection, tmp_path: Path
) -> None:
    """Chunks and card; who needs the file for longer has it for longer, whoever comes first."""
    ours = MediaStore(await connect("bridge-whatsapp"), writer="whatsapp")
    theirs = MediaStore(await connect("bridge-instagram"), writer="instagram")
    soon_ms = int(time.time() * 1000) + 4000
    alone, first, last = (file_of(tmp_path, CHUNK_BYTES + more) for more in (1, 2, 3))
    for path, sha256 in (alone, first):
        card = await ours.put(path, sha256=sha256, mime="image/png", until_ms=soon_ms)
        assert (card.until_ms, await whole(theirs, sha256)) == (soon_ms, path.read_bytes())
    assert (await theirs.put(first[0], sha256=first[1], mime="image/png")).until_ms == 0
    await ours.put(last[0], sha256=last[1], mime="image/png")
    assert (await theirs.put(last[0], sha256=last[1], mime="image/png", until_ms=soon_ms)).until_ms == 0

    async def gone() -> None:
        assert await ours.find(alone[1]) is None
        assert await stored(admin) == 2 * 3

    await eventually(gone)
    for path, sha256 in (first, last):
        assert await whole(ours, sha256) == path.read_bytes()
