"""Each daemon by its own command, found by the others through trinario.toml, with no `up` anywhere."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator

import pytest

from tests.integration.trinario.conftest import PATIENCE_S, ROOT, Trinario
from tests.must import eventually
from trinario.ports import planned

pytestmark = pytest.mark.timeout(240)

RAILS = ("whatsapp", "messenger", "instagram")
DAEMONS = (
    ("nats", "run"),
    ("router", "run"),
    *(("rail", "run", rail) for rail in RAILS),
    *(("bridge", "run", rail) for rail in RAILS),
)


@contextlib.asynccontextmanager
async def alone(trinario: Trinario, *words: str) -> AsyncIterator[dict[str, object]]:
    """One daemon until the block ends; its ready line. SIGTERM must end it with 0."""
    with trinario.talk.open("ab") as talk:
        process = await asyncio.create_subprocess_exec(
            *trinario.command(*words), "--json", stdout=asyncio.subprocess.PIPE, stderr=talk, cwd=ROOT
        )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        assert line, f"{words}: {trinario.talk.read_text()[-3000:]}"
        yield json.loads(line)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_daemons_one_by_one(trinario: Trinario) -> None:
    """Eight processes, and a message crosses; then doctor and status find all well."""
    trinario.data.mkdir()
    ports = planned(0, RAILS)
    (trinario.data / "trinario.toml").write_text(
        f"[nats]\nport = {ports.nats}\n[router]\nport = {ports.router}\n"
        f"[ledger]\nport = {ports.ledger}\n"
        + "".join(f"[rails.{rail}]\nport = {ports.rails[rail]}\n" for rail in RAILS)
        + "".join(f"[bridges.{rail}]\nport = {ports.bridges[rail]}\n" for rail in RAILS)
    )
    async with contextlib.AsyncExitStack() as stack:
        for words in DAEMONS:
            ready = await stack.enter_async_context(alone(trinario, *words))
            assert ready["ready"] is True
            assert str(ready["url"]).startswith(("http://127.0.0.1:", "nats://127.0.0.1:"))
        await eventually(lambda: well(trinario))
        await trinario.cli("account", "register", "whatsapp:+393331112222", "--name", "Alice")
        await trinario.cli("account", "register", "instagram:@carla", "--name", "Carla")
        await trinario.cli("send", "--as", "instagram:@carla", "--to", "whatsapp:+393331112222", "Hello")

        async def arrived() -> None:
            shown = await trinario.cli("inbox", "--as", "whatsapp:+393331112222")
            assert [(one["from"], one["text"]) for one in shown] == [("instagram:@carla", "Hello")]

        await eventually(arrived)
    failed = await trinario.refused("status")
    assert failed.code == 69


async def well(trinario: Trinario) -> None:
    """Everything is there."""
    found = (await trinario.cli("status"))[0]
    assert found["nats"]["state"] == "connected"
    assert {bridge["state"] for bridge in found["bridges"].values()} == {"connected"}


async def test_a_rail_serves_its_own_people_without_a_bus(trinario: Trinario) -> None:
    """Registered and written to on one rail; nobody elsewhere can be, and that is said."""
    trinario.data.mkdir()
    ports = planned(0, RAILS)
    (trinario.data / "trinario.toml").write_text(f"[rails.instagram]\nport = {ports.rails['instagram']}\n")
    async with alone(trinario, "rail", "run", "instagram"):
        for handle in ("instagram:@carla", "instagram:@bob"):
            made = (await trinario.cli("account", "register", handle, "--name", "Somebody"))[0]
            assert made["handle"] == handle
            assert made["person"].startswith("per_")
        await trinario.cli("send", "--as", "instagram:@carla", "--to", "instagram:@bob", "Hi")
        assert [one["text"] for one in await trinario.cli("inbox", "--as", "instagram:@bob")] == ["Hi"]
        failed = await trinario.refused("send", "--as", "instagram:@carla", "--to", "whatsapp:+393331112222", "Hi")
        assert failed.code == 3
        assert "no federation partner" in failed.said


async def test_watch_and_tail_tell_what_happens(trinario: Trinario) -> None:
    """JSON lines: the message as its recipient's app hears of it, and the router's decision without its text."""
    trinario.start()
    for handle, name in (("instagram:@carla", "Carla"), ("messenger:bob.rossi", "Bob")):
        await trinario.cli("account", "register", handle, "--name", name)
    async with (
        following(trinario, "watch", "--as", "messenger:bob.rossi") as watched,
        following(trinario, "tail", "--rail", "messenger") as tailed,
    ):
        await trinario.cli("send", "--as", "instagram:@carla", "--to", "messenger:bob.rossi", "Ciao Bob")
        news = await first(watched, type="message")
        assert (news["message"]["from"], news["message"]["text"]) == ("instagram:@carla", "Ciao Bob")
        decided = await first(tailed, kind="message")
        assert decided["source"] == "instagram"
        assert decided["legs"]["messenger"] == "post"
        assert "Ciao" not in json.dumps(decided)


@contextlib.asynccontextmanager
async def following(trinario: Trinario, *words: str) -> AsyncIterator[asyncio.StreamReader]:
    """The stdout of a command that follows something, once it says on stderr that it does. Ctrl-C ends it with 130."""
    process = await asyncio.create_subprocess_exec(
        *trinario.command(*words), "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert b"Ctrl-C" in await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
        yield process.stdout
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 130
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def first(lines: asyncio.StreamReader, **wanted: str) -> dict[str, dict[str, str]]:
    """The first JSON line with these members."""
    while True:
        line = await asyncio.wait_for(lines.readline(), PATIENCE_S)
        assert line
        found: dict[str, dict[str, str]] = json.loads(line)
        if wanted.items() <= found.items():
            return found
