"""A disk that is full: nats-server's stream freezes and stays so. It is started again, and everything goes on."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bus.connection import Connection, NoAnswer, NoResponder, NotConnected
from bus.keys import KeyPair, all_roles, ensure_keys
from bus.server import EmbeddedServer
from tests import must

pytestmark = pytest.mark.e2e

AWAY = (NoAnswer, NoResponder, NotConnected)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if made.returncode:
        pytest.fail(f"A disk that can be filled takes the right to mount one (Linux, root): {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def server(disk: Path) -> AsyncIterator[EmbeddedServer]:
    """On that disk, looked at often."""
    running = EmbeddedServer(
        folder=disk / "nats",
        keys=_keys(disk),
        rails=["whatsapp"],
        max_file_bytes=24 * 1024 * 1024,
        probe_every_s=0.2,
        sick_after=2,
    )
    await running.start()
    yield running
    await running.stop()


def _keys(disk: Path) -> dict[str, KeyPair]:
    return ensure_keys(disk / "keys", all_roles(["whatsapp"]))


def _fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


async def _pour_until_refused(connection: Connection) -> None:
    with suppress(*AWAY):
        while True:
            await connection.request("notes", bytes(65_536), wait_s=0.5)


@pytest.mark.parametrize("dies", [False, True], ids=["it lives", "it dies meanwhile"])
async def test_a_stream_that_met_a_full_disk_takes_messages_once_there_is_space(
    disk: Path, server: EmbeddedServer, *, dies: bool
) -> None:
    """Also when the server was started while the disk was full, and was never well."""
    keys = _keys(disk)
    connection = await Connection.open(url=server.url, name="alice", role="admin", seed=keys["admin"].seed)
    try:
        await connection.api("STREAM.CREATE.NOTES", {"name": "NOTES", "subjects": ["notes"], "storage": "file"})
        ballast = _fill(disk)
        await _pour_until_refused(connection)
        if dies:
            with suppress(ProcessLookupError):  # it may be between two lives already
                os.kill(server.pid, signal.SIGKILL)
        ballast.unlink()

        async def taken() -> None:
            try:
                await connection.request("notes", b"bob", wait_s=0.5)
            except AWAY as error:
                raise AssertionError(str(error)) from error

        await must.eventually(taken)
        assert server.restarts >= 1
    finally:
        await connection.close()
