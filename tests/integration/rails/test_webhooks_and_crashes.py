"""Webhooks come in order and again until taken; faults fire when asked for; kill -9 loses nothing acknowledged."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer, RailSettings
from rails.kit.store import StoreDamaged

PARTNER = {"Authorization": "Bearer partner-token"}


async def eventually(condition: Any, *, within_s: float = 20.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.02)


async def test_refused_webhooks_come_again_in_order(house: Any) -> None:
    """The partner is ill for a while: nothing is lost, nothing overtakes, and it all comes in few POSTs."""
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    partner.status = 500
    for n in range(50):
        await alice.send(bob.handle, f"text {n}")
    partner.status = 200
    await partner.event(lambda e: house.received(e, "text 49"))
    texts = [e["messages"][0]["text"]["body"] for e in partner.events if "messages" in e]
    if house.name != "whatsapp":
        texts = [e["message"]["text"] for e in partner.events if "message" in e]
    assert texts == [f"text {n}" for n in range(50)]
    assert max(len(post["entry"]) for post in partner.posts) > 1
    async with house.http.get(f"{house.url}/metrics") as answer:
        assert f'rail_webhook_retries_total{{rail="{house.name}"}}' in await answer.text()


async def test_a_handshake_that_fails_is_refused(house: Any) -> None:
    """Nobody is sent anything who did not ask for it."""
    receiver = await house.receiver()
    body = {"callback_url": f"{receiver.url}/hook", "verify_token": "wrong", "resolve_url": f"{receiver.url}/resolve"}
    status, answer = await house.graph("POST", "federation/subscription", json=body)
    assert (status, answer["error"]["code"]) == (400, 100)
    status, answer = await house.graph("POST", "federation/subscription", json={**body, "callback_url": "file:///etc"})
    assert (status, answer["error"]["code"]) == (400, 100)


async def test_faults_fire_and_are_counted(house: Any) -> None:
    """Each fault does what it says, on the Platform API and the webhooks, never on the Client API."""
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")

    async def set_plan(plan: dict[str, Any]) -> Any:
        async with house.http.put(f"{house.url}/federation/faults", json=plan, headers=PARTNER) as answer:
            assert answer.status == 200
        return answer

    async def fired() -> dict[str, int]:
        async with house.http.get(f"{house.url}/federation/faults", headers=PARTNER) as answer:
            counts: dict[str, int] = (await answer.json())["fired"]
            return counts

    path, body = f"{alice.id}/messages", house.text_body(bob.id, "x")
    await set_plan({"seed": 1, "too_many": 1})
    status, answer = await house.graph("POST", path, json=body)
    assert (status, answer["error"]["code"]) == (400, {"whatsapp": 130429}.get(house.name, 613))
    assert (await fired())["too_many"] == 1
    await set_plan({"seed": 1, "server_error": 1})
    assert (await house.graph("POST", path, json=body))[0] == 500
    await alice.send(bob.handle, "people are spared")
    assert len(await bob.inbox()) == 1
    await set_plan({"seed": 1, "drop_answer": 1})
    headers = {**PARTNER, "Idempotency-Key": "k"}
    with contextlib.suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as fresh:
            await fresh.post(f"{house.url}/v19.0/{path}", json=body, headers=headers)
        pytest.fail("the connection should have closed without an answer")
    assert (await fired())["drop_answer"] == 1
    await set_plan({"seed": 1, "duplicate": 1, "delay": 1, "delay_ms": 1})
    assert house.native_id((await house.graph("POST", path, json=body, headers=headers))[1])
    assert len(await bob.inbox()) == 2
    await alice.send(bob.handle, "twice")
    await eventually(lambda: sum(house.received(e, "twice") for e in partner.events) == 2)
    counts = await fired()
    assert counts["duplicate"] >= 1
    assert counts["delay"] >= 2
    async with house.http.delete(f"{house.url}/federation/faults", headers=PARTNER) as answer:
        assert (await answer.json())["plan"] is None
    async with house.http.put(f"{house.url}/federation/faults", json={"delay": 2}, headers=PARTNER) as answer:
        assert answer.status == 400
    async with house.http.get(f"{house.url}/federation/faults") as answer:
        assert answer.status == 401


async def test_reordering(open_house: Any) -> None:
    """With the fault on, later updates overtake, and none is lost."""
    house = await open_house("messenger")
    partner = await house.partner()
    alice, bob = await house.person("alice"), await house.person("bob")
    async with house.http.put(f"{house.url}/federation/faults", json={"reorder": 1}, headers=PARTNER) as answer:
        assert answer.status == 200
    partner.status = 500
    for n in range(10):
        await alice.send(bob.handle, str(n))
    partner.status = 200
    await eventually(lambda: sum("message" in e for e in partner.events) >= 10)
    texts = [e["message"]["text"] for e in partner.events if "message" in e]
    assert sorted(texts) == [str(n) for n in range(10)]
    assert texts != sorted(texts)


async def test_a_rail_can_be_stopped_and_started(tmp_path: Path) -> None:
    """The same data, the same accounts, the same tokens; stopping twice is harmless."""
    settings = RailSettings(data_dir=tmp_path, partner_token="partner-token", partner_secret="s")
    server = RailServer(rail=BUNDLED["instagram"], settings=settings)
    await server.start()
    async with aiohttp.ClientSession() as http:
        body = {"address": "@alice", "name": "Alice"}
        async with http.post(f"{server.url}/client/v1/accounts", json=body) as answer:
            token = (await answer.json())["token"]
        socket = await http.ws_connect(f"{server.url}/client/v1/ws?token={token}")
        await server.stop()
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
        await server.stop()
        await server.start()
        headers = {"Authorization": f"Bearer {token}"}
        async with http.get(f"{server.url}/client/v1/account", headers=headers) as answer:
            assert (await answer.json())["handle"] == "instagram:@alice"
        port = int(server.url.rpartition(":")[2])
        taken = RailServer(
            rail=BUNDLED["messenger"],
            settings=RailSettings(data_dir=tmp_path, port=port, partner_token="t", partner_secret="s"),
        )
        with pytest.raises(OSError, match="in use"):
            await taken.start()
        await server.stop()


async def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    """The error names the file and the way out."""
    path = tmp_path / "whatsapp.sqlite3"
    settings = RailSettings(data_dir=tmp_path, partner_token="t", partner_secret="s")
    server = RailServer(rail=BUNDLED["whatsapp"], settings=settings)
    await server.start()
    await server.stop()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    with pytest.raises(StoreDamaged, match=r"whatsapp\.sqlite3.*restore this file"):
        await server.start()
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreDamaged, match=r"whatsapp\.sqlite3"):
        await server.start()
    path.write_bytes(whole)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StoreDamaged, match="newer program"):
        await server.start()


@contextlib.asynccontextmanager
async def rail_process(name: str, folder: Path, port: int = 0) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A rail as a process of its own, and its URL; ended by its id."""
    command = [sys.executable, "-m", "rails", name, "--data", str(folder), "--port", str(port)]
    command += ["--partner-token", "partner-token", "--partner-secret", "partner-secret"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while True:
                line = await process.stdout.readline()
                assert line, "the rail ended before it was ready"
                if line.startswith(b'{"ready"'):
                    yield process, json.loads(line)["url"]
                    break
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_kill_9_loses_no_acknowledged_message_and_no_webhook(tmp_path: Path, open_receiver: Any) -> None:
    """Killed under load, the receiver refusing at the time: all that was acknowledged is there, and is told."""
    receiver = await open_receiver("partner-secret", "verify-me")
    acknowledged: list[str] = []
    async with aiohttp.ClientSession() as http, rail_process("messenger", tmp_path) as (process, url):
        body = {"callback_url": f"{receiver.url}/hook", "verify_token": "verify-me", "resolve_url": f"{receiver.url}/r"}
        async with http.post(f"{url}/v1.0/federation/subscription", json=body, headers=PARTNER) as answer:
            assert answer.status == 200
        tokens = []
        for address in ("alice", "bob"):
            new = {"address": address, "name": address}
            async with http.post(f"{url}/client/v1/accounts", json=new) as answer:
                tokens.append((await answer.json())["token"])
        headers = {"Authorization": f"Bearer {tokens[0]}"}

        async def write(writer: int) -> None:
            with contextlib.suppress(aiohttp.ClientError):
                for n in range(10_000):
                    text = {"to": "bob", "text": f"{writer}-{n}"}
                    async with http.post(f"{url}/client/v1/messages", json=text, headers=headers) as answer:
                        if answer.status == 201:
                            acknowledged.append((await answer.json())["native_id"])

        writers = asyncio.gather(*(write(n) for n in range(5)))
        await eventually(lambda: len(acknowledged) > 100)
        receiver.status = 503
        await eventually(lambda: len(acknowledged) > 300)
        process.send_signal(signal.SIGKILL)
        await writers
        await process.wait()
    receiver.status = 200
    async with aiohttp.ClientSession() as http, rail_process("messenger", tmp_path) as (process, url):
        stored: set[str] = set()
        headers = {"Authorization": f"Bearer {tokens[1]}"}
        after = 0
        while True:
            query = f"{url}/client/v1/messages?after={after}"
            async with http.get(query, headers=headers) as answer:
                told = await answer.json()
            if not told["messages"]:
                break
            stored |= {message["native_id"] for message in told["messages"]}
            after = told["next"]
        assert set(acknowledged) <= stored

        def heard() -> set[str]:
            return {event["message"]["mid"] for event in receiver.events if "message" in event}

        await eventually(lambda: heard() >= set(acknowledged))
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
