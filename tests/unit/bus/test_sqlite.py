"""The SQLite store: shared commits, errors that stay with their caller, damage that is told."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bus.sqlite import Store, StoreDamaged, StoreError, StoreTooNew
from tests.must import eventually

SCHEMA = "CREATE TABLE leg (id TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;"


async def _open(path: Path) -> Store:
    return await Store.open(path / "store.db", schema_sql=SCHEMA, version=1)


def _insert(conn: sqlite3.Connection, name: str, number: int = 0) -> int:
    return conn.execute("INSERT INTO leg VALUES (?, ?)", (name, number)).rowcount


async def test_writes_that_wait_together_share_commits(tmp_path: Path) -> None:
    """A hundred writes, a few commits."""
    store = await _open(tmp_path)
    answers = await asyncio.gather(*(store.write(lambda c, n=n: _insert(c, f"a{n}", n)) for n in range(100)))
    assert answers == [1] * 100
    assert store.writes == 100
    assert store.commits <= 3
    rows = await store.read("SELECT id, n FROM leg WHERE n >= :least ORDER BY n", {"least": 98})
    assert [(row["id"], row["n"]) for row in rows] == [("a98", 98), ("a99", 99)]
    await store.close()


async def test_a_failing_write_is_undone_alone(tmp_path: Path) -> None:
    """Its neighbours in the same transaction are kept, and only its caller hears of it."""
    store = await _open(tmp_path)

    def fail(conn: sqlite3.Connection) -> None:
        _insert(conn, "half")
        raise LookupError("bob")

    results = await asyncio.gather(
        store.write(lambda c: _insert(c, "alice")),
        store.write(fail),
        store.write(lambda c: _insert(c, "alice")),
        store.write(lambda c: _insert(c, "carla")),
        return_exceptions=True,
    )
    assert results[0] == results[3] == 1
    assert isinstance(results[1], LookupError)
    assert isinstance(results[2], sqlite3.IntegrityError)
    assert [row["id"] for row in await store.read("SELECT id FROM leg ORDER BY id")] == ["alice", "carla"]
    assert store.commits == 1
    await store.close()


async def test_what_was_written_is_there_after_reopening_and_a_cancelled_caller_harms_nobody(tmp_path: Path) -> None:
    """A caller that goes away mid-write takes nothing with it."""
    store = await _open(tmp_path)
    cancelled = asyncio.ensure_future(store.write(lambda c: _insert(c, "alice")))
    kept = asyncio.ensure_future(store.write(lambda c: _insert(c, "bob")))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert await kept == 1
    await store.close()
    with pytest.raises(StoreError, match="is closed"):
        await store.write(lambda c: _insert(c, "carla"))
    store = await _open(tmp_path)
    assert "bob" in [row["id"] for row in await store.read("SELECT id FROM leg")]
    await store.close()


async def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    """More writes than one group holds, all kept."""
    store = await _open(tmp_path)
    writes = [asyncio.ensure_future(store.write(lambda c, n=n: _insert(c, f"a{n}"))) for n in range(2000)]
    await asyncio.sleep(0)
    await store.close()
    assert sum(await asyncio.gather(*writes)) == 2000


async def test_the_pragmas_are_set(tmp_path: Path) -> None:
    """Durability and safety on the writer; the reader cannot write."""
    store = await _open(tmp_path)
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "trusted_schema": 0}
    found = await store.write(lambda c: {name: c.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted})
    assert found == wanted
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await store.read("DELETE FROM leg")
    await store.close()


async def test_migrations_lead_to_the_wanted_version_once(tmp_path: Path) -> None:
    """Step by step, and not again at the next start."""
    await (await _open(tmp_path)).close()
    steps = {
        2: "ALTER TABLE leg ADD COLUMN rail TEXT NOT NULL DEFAULT 'whatsapp'",
        3: "CREATE INDEX by_rail ON leg (rail)",
    }
    for _ in range(2):
        store = await Store.open(tmp_path / "store.db", schema_sql="-- never run", version=3, migrations=steps)
        assert [row["name"] for row in await store.read("PRAGMA table_info(leg)")] == ["id", "n", "rail"]
        await store.close()
    with pytest.raises(StoreTooNew, match="has version 3"):
        await _open(tmp_path)
    with pytest.raises(StoreError, match="no migration to 4"):
        await Store.open(tmp_path / "store.db", schema_sql="", version=4, migrations=steps)


async def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    """A step is one transaction."""
    await (await _open(tmp_path)).close()
    steps = {2: "CREATE TABLE half (id TEXT); CREATE TABLE leg (id TEXT)"}
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        await Store.open(tmp_path / "store.db", schema_sql="", version=2, migrations=steps)
    store = await _open(tmp_path)
    assert [row["name"] for row in await store.read("SELECT name FROM sqlite_schema WHERE type = 'table'")] == ["leg"]
    await store.close()


@pytest.mark.parametrize("where", ["header", "page"])
async def test_a_damaged_file_is_refused_with_the_way_out(tmp_path: Path, where: str) -> None:
    """And left exactly as it is."""
    store = await _open(tmp_path)
    await asyncio.gather(*(store.write(lambda c, n=n: _insert(c, f"alice-{n}" * 20, n)) for n in range(500)))
    await store.close()
    path = tmp_path / "store.db"
    content = bytearray(path.read_bytes())
    start = 0 if where == "header" else 3 * 4096
    content[start : start + 1024] = b"\xa5" * 1024
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"store\.db is damaged .* latest backup"):
        await _open(tmp_path)
    assert path.read_bytes() == content


async def test_a_backup_is_a_whole_store(tmp_path: Path) -> None:
    """A copy taken while the store is open can be opened itself."""
    store = await _open(tmp_path)
    await store.write(lambda c: _insert(c, "alice"))
    await store.backup(tmp_path / "copy.db")
    await store.close()
    copy = await Store.open(tmp_path / "copy.db", schema_sql=SCHEMA, version=1)
    assert [row["id"] for row in await copy.read("SELECT id FROM leg")] == ["alice"]
    await copy.close()


async def test_what_may_follow_later_is_seen_at_once_and_is_on_disk_soon(tmp_path: Path) -> None:
    """Carried out in order, without a commit of its own; the next durable write takes it along, and so does time."""
    store = await _open(tmp_path)
    assert await store.write(lambda c: _insert(c, "alice"), durable=False) == 1
    store.later(lambda c: _insert(c, "bob"))
    assert store.commits == 0
    assert await store.read("SELECT id FROM leg") == []
    count = "SELECT count(*) FROM leg"
    assert await store.write(lambda c: c.execute(count).fetchone()[0], durable=False) == 2
    await store.write(lambda c: _insert(c, "carla"))
    assert store.commits == 1
    assert (await store.read(count))[0][0] == 3
    store.later(lambda c: _insert(c, "alice-2"))

    async def is_on_disk() -> None:
        assert (await store.read(count))[0][0] == 4

    await eventually(is_on_disk)
    store.later(lambda c: _insert(c, "bob-2"))
    await store.close()
    store = await _open(tmp_path)
    assert (await store.read(count))[0][0] == 5
    await store.close()


async def test_a_promise_that_the_disk_breaks_is_fatal(tmp_path: Path) -> None:
    """A write that nobody waits for and that fails stops the store: what came after it may rest on it."""
    store = await _open(tmp_path)
    store.later(lambda c: c.execute("INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(StoreError, match="could not be written"):
        await store.failure()
    with pytest.raises(StoreError):
        await store.write(lambda c: _insert(c, "alice"))
    await store.close()
