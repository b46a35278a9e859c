"""The embedded nats-server: alone on its store, never an orphan, back on the same port after a death."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest
from structlog.testing import capture_logs

from bus.connection import Connection
from bus.keys import ensure_keys
from bus.server import EmbeddedServer, PortTaken, ServerError, StoreLocked, check_version, find_binary
from tests import must
from tests.integration.conftest import Bus

_PARENT = """
import asyncio, sys
from pathlib import Path
from bus import logs
from bus.keys import ensure_keys
from bus.server import EmbeddedServer

async def main(folder):
    server = EmbeddedServer(folder=folder / "nats", keys=ensure_keys(folder / "keys", ["admin"]), rails=[])
    await server.start()
    print(server.pid, flush=True)
    await server.wait_closed()

logs.configure()
asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_second_server_on_the_same_store_is_refused(nats_server: Bus) -> None:
    """nats-server itself would start and share the files."""
    rival = EmbeddedServer(folder=nats_server.folder / "nats", keys=nats_server.keys, rails=[])
    with pytest.raises(StoreLocked, match="Another nats-server works in"):
        await rival.start()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """A port in use is an error with its number, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = EmbeddedServer(folder=tmp_path, keys=ensure_keys(tmp_path, ["admin"]), rails=[], port=port)
        with pytest.raises(PortTaken, match=str(port)):
            await server.start()


async def test_it_comes_back_on_its_port_after_kill_9(nats_server: Bus, admin: Connection) -> None:
    """Supervision, and a connection that is told of the loss and comes back by itself."""
    url, killed = nats_server.url, nats_server.server.pid
    os.kill(killed, signal.SIGKILL)

    async def is_back() -> None:
        assert nats_server.server.restarts == 1
        assert admin.generation == 1
        assert admin.is_connected

    await must.eventually(is_back)
    assert nats_server.url == url
    assert nats_server.server.pid != killed
    assert (await admin.api("STREAM.INFO.LOG"))["config"]["name"] == "LOG"


async def test_a_server_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    """Stopped in its tracks it holds its port and answers nobody."""
    pairs = ensure_keys(tmp_path / "keys", ["admin"])
    server = EmbeddedServer(folder=tmp_path / "nats", keys=pairs, rails=[], probe_every_s=0.1, sick_after=3)
    await server.start()
    hung = server.pid
    try:
        with capture_logs() as logs:

            async def is_healthy() -> None:
                assert server.is_healthy

            await must.eventually(is_healthy)
            os.kill(hung, signal.SIGSTOP)

            async def is_new() -> None:
                assert server.restarts == 1

            await must.eventually(is_new)
        assert [line["event"] for line in logs][:2] == ["server.sick", "server.died"]
        assert server.pid != hung
    finally:
        await server.stop()


async def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """A kill -9 of the Python process ends its nats-server."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert parent.stdout is not None
        line = await asyncio.wait_for(parent.stdout.readline(), must.PATIENCE_S)
        orphan = psutil.Process(int(line))
        assert "nats-server" in orphan.name()
    finally:
        parent.kill()
        await parent.wait()

    async def is_gone() -> None:
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE

    await must.eventually(is_gone)


async def test_it_syncs_always_and_keeps_its_files_private(nats_server: Bus) -> None:
    """Durability is configured, and nobody else reads keys or configuration."""
    conf = nats_server.folder / "nats" / "server.conf"
    assert '"sync_interval": "always"' in conf.read_text()
    assert conf.stat().st_mode & 0o077 == 0
    assert nats_server.keys["admin"].path.stat().st_mode & 0o077 == 0


async def test_a_binary_that_is_none_is_refused(tmp_path: Path) -> None:
    """A missing or an old nats-server is named."""
    with pytest.raises(ServerError, match="NATS_SERVER_BIN names"):
        find_binary({"NATS_SERVER_BIN": str(tmp_path / "missing")})
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho nats-server: v2.9.10\n")
    old.chmod(0o755)
    with pytest.raises(ServerError, match=r"2\.15\.1 or newer is needed"):
        await check_version(old)
