"""An open store with a bridge's schema."""

from collections.abc import Iterator
from sqlite3 import Connection, connect

import pytest

from bridges.kit.daemon import SCHEMA


def open_store() -> Connection:
    """A bridge's tables in memory: the same SQL as in the file."""
    made = connect(":memory:", isolation_level=None)
    made.executescript(SCHEMA)
    return made


@pytest.fixture
def tx() -> Iterator[Connection]:
    """As inside a transaction of the bridge's store."""
    made = open_store()
    yield made
    made.close()
