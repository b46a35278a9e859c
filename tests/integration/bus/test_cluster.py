"""Three nats-servers that keep the bus together: one may die, be emptied or be restarted, and nothing is lost."""

import asyncio
import os
import shutil
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus import keys, subjects, topology
from bus.cluster import Cluster
from bus.connection import ApiError, Connection, NoAnswer, NotConnected
from bus.publish import Publisher
from bus.server import ServerError
from bus.stored import read_range
from tests import must

RAIL = "whatsapp"
MANY = 600


class Three(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster with the bus on it, and a connection that may do everything."""

    cluster: Cluster
    admin: Connection
    folder: Path

    async def leader(self, stream: str) -> int:
        """Which server (from 0) leads a stream, as soon as one does."""

        async def led() -> int:
            return int((await self._placed(stream))["leader"].rpartition("-")[2]) - 1

        return await must.eventually(led)

    async def _placed(self, stream: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = (await self.admin.api(f"STREAM.INFO.{stream}"))["cluster"]
        except (ApiError, NoAnswer, NotConnected) as error:  # between two leaders nobody answers
            raise AssertionError(str(error)) from error
        assert found.get("leader"), stream
        return found

    async def everybody_is_up_to_date(self) -> None:
        """Every stream has a leader and two others that have all it has."""
        for stream in topology.streams(rails=[RAIL], limits=topology.Limits(), replicas=3):
            replicas = (await self._placed(stream["name"]))["replicas"]
            assert [other["current"] for other in replicas] == [True, True], stream["name"]


@pytest.fixture
async def three(tmp_path: Path) -> AsyncIterator[Three]:
    """Started, with every stream on all three."""
    pairs = keys.ensure_keys(tmp_path / "keys", keys.all_roles([RAIL]))
    cluster = Cluster(folder=tmp_path / "nats", keys=pairs, rails=[RAIL], ports=[0, 0, 0])
    url = await cluster.start()
    admin = await Connection.open(url=url, seed=pairs["admin"].seed, name="test", role="admin")
    try:
        await topology.ensure(admin, rails=[RAIL], replicas=3)
        yield Three(cluster=cluster, admin=admin, folder=tmp_path)
    finally:
        await admin.close()
        await cluster.stop()


async def _published(three: Three, first: int, during: asyncio.Task[None]) -> int:
    """Publish one by one, each until acknowledged, at least until `during` is done; the number behind the last."""
    publisher = Publisher(three.admin, within_s=must.PATIENCE_S)
    number = first
    try:
        while not during.done() or number < first + MANY:
            await publisher.publish(subjects.ingress(RAIL, 0), b"%d" % number, f"evt_{number}")
            number += 1
    finally:
        await publisher.close()
    await during
    return number


async def _stored(three: Three) -> list[int]:
    found: list[int] = []
    first = 1
    while part := await read_range(three.admin, subjects.ingress_stream(RAIL), first=first):
        found += [int(message.data) for message in part]
        first = part[-1].sequence + 1
    return found


async def _killed(three: Three, number: int, how: signal.Signals) -> None:
    """End a server; it is started again by its supervision, and catches up."""
    server = three.cluster.servers[number]
    restarts = server.restarts
    os.kill(server.pid, how)

    async def is_back() -> None:
        assert server.restarts == restarts + 1
        await three.everybody_is_up_to_date()

    await must.eventually(is_back)


async def test_the_leader_dies_and_everything_is_restarted_in_turn(three: Three) -> None:
    """While somebody publishes: ``kill -9`` of the leader, then an orderly restart of each; every ack holds, once."""

    async def faults() -> None:
        await _killed(three, await three.leader(subjects.ingress_stream(RAIL)), signal.SIGKILL)
        for number in range(3):
            await _killed(three, number, signal.SIGTERM)

    last = await _published(three, 0, asyncio.create_task(faults()))
    assert await _stored(three) == list(range(last))


async def test_a_server_whose_disk_is_gone_is_filled_again(three: Three) -> None:
    """One of three loses its whole store; it takes everything from the others, which then may be the ones to die."""
    last = await _published(three, 0, asyncio.create_task(asyncio.sleep(0)))
    lost = (await three.leader(subjects.ingress_stream(RAIL)) + 1) % 3
    server = three.cluster.servers[lost]
    await server.stop()
    await asyncio.to_thread(shutil.rmtree, three.folder / "nats" / str(lost + 1) / "store")
    await server.start()
    await must.eventually(three.everybody_is_up_to_date)
    await _killed(three, await three.leader(subjects.ingress_stream(RAIL)), signal.SIGKILL)
    assert await _stored(three) == list(range(last))


async def test_without_a_certificate_nobody_joins(three: Three) -> None:
    """Who speaks TLS and shows no certificate of ours is cut off before it can say anything."""
    conf = msgspec.json.decode((three.folder / "nats" / "1" / "server.conf").read_bytes())
    host, _, port = conf["cluster"]["listen"].rpartition(":")
    context = ssl.create_default_context(cafile=conf["cluster"]["tls"]["ca_file"])

    def knock() -> bytes:
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            wrapped.sendall(b"CONNECT {}\r\nPING\r\n")
            return wrapped.recv(4096)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(knock)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (three.folder / "nats" / "tls").iterdir())


def test_an_even_number_is_refused(tmp_path: Path) -> None:
    """Two servers are no safer than one, and four than three."""
    with pytest.raises(ServerError, match="choose 3 or 5"):
        Cluster(folder=tmp_path, keys={}, rails=[], ports=[0, 0])
