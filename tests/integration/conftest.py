"""Fixtures that every integration test may use: a real nats-server in a temporary folder, with the whole topology.

The keys of all roles are in `<tmp_path>/keys`; `connect(role)` opens a connection as one of them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from bus import keys, topology
from bus.connection import Connection
from bus.server import EmbeddedServer

RAILS = ["whatsapp", "messenger", "instagram"]
PARTITIONS = 16

Connect = Callable[[str], Awaitable[Connection]]


class Bus(msgspec.Struct, frozen=True, kw_only=True):
    """A running server and the keys to it."""

    server: EmbeddedServer
    keys: dict[str, keys.KeyPair]
    folder: Path

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture
async def nats_server(tmp_path: Path) -> AsyncIterator[Bus]:
    """An embedded server with keys for all roles and every stream, bucket and consumer made."""
    pairs = keys.ensure_keys(tmp_path / "keys", keys.all_roles(RAILS))
    server = EmbeddedServer(folder=tmp_path / "nats", keys=pairs, rails=RAILS)
    await server.start()
    try:
        admin = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="ensure", role="admin")
        await topology.ensure(admin, rails=RAILS, partitions=PARTITIONS)
        await admin.close()
        yield Bus(server=server, keys=pairs, folder=tmp_path)
    finally:
        await server.stop()


@pytest.fixture
async def connect(nats_server: Bus) -> AsyncIterator[Connect]:
    """What opens a connection with a role's key, e.g. the router's. All are closed after the test."""
    opened: list[Connection] = []

    async def open_as(role: str) -> Connection:
        seed = nats_server.keys[role].seed
        opened.append(await Connection.open(url=nats_server.url, seed=seed, name=f"test-{role}", role=role))
        return opened[-1]

    yield open_as
    for conn in opened:
        await conn.close()


@pytest.fixture
async def admin(connect: Connect) -> Connection:
    """A connection that may do everything."""
    return await connect("admin")
