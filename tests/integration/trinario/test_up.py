"""`trinario up`: ready, one a folder, no port of anybody else's, restarts, and nothing left behind."""

import asyncio
import os
import signal
import socket
import stat

import aiohttp
import psutil
import pytest

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually
from trinario.ports import planned

pytestmark = pytest.mark.timeout(240)

RAILS = {"whatsapp", "messenger", "instagram"}


async def test_ready_means_that_everything_answers_and_the_end_leaves_nothing(trinario: Trinario) -> None:
    """The ready line, run.json, every /readyz; SIGTERM ends it with 0; again on the same data, and SIGINT."""
    trinario.start()
    ready = trinario.ready
    assert list(ready)[:5] == ["ready", "data", "nats", "rails", "console"]
    assert ready == trinario.run_file()
    assert ready["ready"] is True
    page = ready["console"].partition("/#key=")[0]
    assert set(ready["rails"]) == set(ready["bridges"]) == RAILS
    async with aiohttp.ClientSession() as http:
        for url in (page, ready["router"], *ready["rails"].values(), *ready["bridges"].values()):
            for path in ("healthz", "readyz", "metrics"):
                async with http.get(f"{url}/{path}") as answer:
                    assert answer.status == 200, (url, path)
    assert trinario.stop(signal.SIGTERM) == 0
    assert not (trinario.data / "run.json").exists()
    trinario.start()
    assert trinario.stop(signal.SIGINT) == 0


async def test_nothing_in_the_data_folder_is_readable_by_others(trinario: Trinario) -> None:
    """Keys, secrets and sessions: 0600 in 0700."""
    trinario.start()
    await trinario.cli("account", "register", "instagram:@carla", "--name", "Carla")
    for name in ("keys", "secrets", "sessions"):
        folder = trinario.data / name
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(trinario.data.stat().st_mode) == 0o700


async def test_a_second_up_on_the_same_folder_is_refused(trinario: Trinario) -> None:
    """It names the process that has it; the first goes on."""
    trinario.start()
    failed = await trinario.refused("up", "--port-base", "0")
    assert failed.code == 78
    assert f"process {trinario.ready['pid']}" in failed.said
    assert (await trinario.cli("status"))[0]["router"]["partitions"] is not None
    failed = await trinario.refused("ledger", "run")
    assert failed.code == 78
    assert "Another ledger keeps" in failed.said


async def test_a_taken_port_is_named(trinario: Trinario) -> None:
    """Nothing is started."""
    with socket.socket() as other:
        base = planned(0, ()).nats
        other.bind(("127.0.0.1", base + 2))
        other.listen()
        failed = await trinario.refused("up", "--port-base", str(base))
    assert failed.code == 78
    assert f"{base + 2} (rail-messenger)" in failed.said
    assert not (trinario.data / "run.json").exists()


async def test_with_processes_a_killed_daemon_comes_back(trinario: Trinario) -> None:
    """``kill -9`` of each kind of daemon: another process on the same port, and it is said; people go on writing."""
    trinario.start("--processes")
    before = trinario.ready["daemons"]
    assert len({daemon["pid"] for daemon in before.values()}) == 10
    await trinario.cli("account", "register", "whatsapp:+393331112222", "--name", "Alice")
    await trinario.cli("account", "register", "instagram:@carla", "--name", "Carla")
    killed = ("router", "ledger", "rail-whatsapp", "bridge-instagram", "nats")
    for name in killed:
        os.kill(before[name]["pid"], signal.SIGKILL)

    async def all_have_successors() -> None:
        now = trinario.run_file()["daemons"]
        assert all(psutil.pid_exists(now[name]["pid"]) and now[name] != before[name] for name in killed)
        found = (await trinario.cli("status"))[0]
        assert found["nats"]["state"] == "connected"
        assert {rail["state"] for rail in found["rails"].values()} == {"ready"}
        assert {bridge["state"] for bridge in found["bridges"].values()} == {"connected"}

    await eventually(all_have_successors)
    for name in killed:
        assert f"{name} " in trinario.talk.read_text()
    await trinario.cli("send", "--as", "whatsapp:+393331112222", "--to", "instagram:@carla", "Still here.")

    async def arrived() -> None:
        shown = await trinario.cli("inbox", "--as", "instagram:@carla")
        assert [one["text"] for one in shown] == ["Still here."]

    await eventually(arrived)
    assert trinario.stop() == 0


async def test_no_daemon_outlives_a_killed_up(trinario: Trinario) -> None:
    """``kill -9`` of `up` itself takes everything with it, and the folder can be used again at once."""
    trinario.start("--processes")
    pids = [daemon["pid"] for daemon in trinario.ready["daemons"].values()]
    os.kill(trinario.ready["pid"], signal.SIGKILL)

    async def all_gone() -> None:
        assert [pid for pid in pids if _is_alive(pid)] == []

    await eventually(all_gone)
    await asyncio.to_thread(trinario.forget)
    trinario.start()
    assert trinario.stop() == 0


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_three_servers(trinario: Trinario) -> None:
    """With nats.servers = 3 a message goes its way although one has just died; the number is then fixed."""
    three = {"TRINARIO_NATS__SERVERS": "3"}
    alice, carla = "whatsapp:+393331112222", "instagram:@carla"
    trinario.start("--processes", environ=three)
    assert trinario.ready["nats"].count("nats://") == 3
    assert {"nats-1", "nats-2", "nats-3"} <= set(trinario.run_file()["daemons"])
    for handle, name in ((alice, "Alice"), (carla, "Carla")):
        await trinario.cli("account", "register", handle, "--name", name)
    os.kill(trinario.run_file()["daemons"]["nats-1"]["pid"], signal.SIGKILL)
    await trinario.cli("send", "--as", alice, "--to", carla, "two of three are enough")

    async def there() -> None:
        assert [one["text"] for one in await trinario.cli("inbox", "--as", carla)] == ["two of three are enough"]

    await eventually(there)
    assert trinario.stop() == 0
    with pytest.raises(AssertionError, match=r"made with 3 nats-servers, and nats\.servers says 1"):
        trinario.start()
    trinario.forget()
