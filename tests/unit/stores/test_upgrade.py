"""Stores that earlier versions wrote are opened by this one: nothing is lost, and they end as new ones begin.

`written/` holds what each earlier version made of its own schema, with rows in every table; those files are never
edited. A version that raises its schema's number leaves one more of them behind.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridges.kit.daemon import MIGRATIONS, SCHEMA, SCHEMA_VERSION
from bus.sqlite import Store, StoreTooNew
from rails.kit import store as rail_store

WRITTEN = Path(__file__).parent / "written"
Rows = dict[str, list[dict[str, object]]]


def _earlier(kind: str) -> list[Path]:
    return sorted(WRITTEN.glob(f"{kind}-*.sql"))


def _made(written: Path, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(written.read_text())


def _rows(path: Path) -> Rows:
    """Table -> its rows, in the order of their text."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        names = [
            row[0]
            for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        ]
        return {
            name: sorted((dict(row) for row in db.execute(f"SELECT * FROM {name}")), key=str)  # noqa: S608 - our tables
            for name in names
        }


def _shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What tables and indexes there are, and their columns.

    Not the columns' order nor their defaults: a column that came later stands last, and must have one.
    """
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        columns = 'SELECT name, type, "notnull", pk FROM pragma_table_info(?)'
        found = {name: sorted(db.execute(columns, (name,)), key=str) for (name,) in tables.fetchall()}
        indexes = db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_%'")
        return {
            **found,
            **{
                name: db.execute("SELECT seqno, name FROM pragma_index_info(?)", (name,)).fetchall()
                for (name,) in indexes
            },
        }


def _kept(before: Rows, after: Rows) -> None:
    """Every value of before is there after, in its table and column."""
    assert sum(map(len, before.values())) > 10
    for table, rows in before.items():
        if table == "schema_version":
            continue
        columns = list(rows[0])
        assert sorted(str([row[name] for name in columns]) for row in rows) == sorted(
            str([row[name] for name in columns]) for row in after[table]
        ), table


async def _opened(path: Path) -> None:
    store = await Store.open(path, schema_sql=SCHEMA, version=SCHEMA_VERSION, migrations=MIGRATIONS)
    await store.close()


@pytest.mark.parametrize("written", _earlier("bridge"), ids=lambda path: path.stem)
async def test_a_bridges_store_of_every_earlier_version_is_taken_over(tmp_path: Path, written: Path) -> None:
    """All rows are kept, the shape is that of a new store, and a second start changes nothing."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    _made(written, old)
    before = _rows(old)
    await _opened(old)
    await _opened(new)
    _kept(before, _rows(old))
    assert _shape(old) == _shape(new)
    once = _rows(old)
    await _opened(old)
    assert _rows(old) == once


@pytest.mark.parametrize("written", _earlier("rail"), ids=lambda path: path.stem)
async def test_a_rails_store_of_every_earlier_version_is_taken_over(tmp_path: Path, written: Path) -> None:
    """As a bridge's."""
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    _made(written, old)
    before = _rows(old)
    for path in (old, new, old):
        opened = rail_store.Store(path=path, on_commit=lambda _: None)
        await opened.open()
        await opened.shut()
    _kept(before, _rows(old))
    assert _shape(old) == _shape(new)


def test_no_earlier_version_is_left_out() -> None:
    """From the first on, without a gap; the latest ones have their file once they were in use."""
    for kind, version in (("bridge", SCHEMA_VERSION), ("rail", rail_store.SCHEMA_VERSION)):
        found = [path.stem for path in _earlier(kind)]
        assert found == [f"{kind}-{number}" for number in range(1, len(found) + 1)]
        assert 1 < len(found) < version


async def test_an_older_program_leaves_a_newer_store_alone(tmp_path: Path) -> None:
    """It says so, and nothing is changed: going back takes the backup from before."""
    path = tmp_path / "new.db"
    await _opened(path)
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="Update the program"):
        await Store.open(path, schema_sql=SCHEMA, version=SCHEMA_VERSION - 1, migrations=MIGRATIONS)
    assert path.read_bytes() == before
