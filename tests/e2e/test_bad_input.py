"""Broken, hostile and mistaken input: each gets a clear answer that names the way out, and nothing is lost."""

import hashlib
import hmac
import json
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import CommandFailed, Federation, People
from tests.must import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ALICE, BOB = "whatsapp:+393331112222", "instagram:@bob"
NEST = b'{"object":' + b"[" * 100_000


async def test_webhooks_that_nobody_signed_or_nobody_can_read(federation: Federation, people: People) -> None:
    """Unsigned, wrongly signed, malformed, bottomless: refused or parked; what comes after is delivered."""
    alice, bob = await people.join("Alice", ALICE), await people.join("Bob", BOB)
    running = federation.run_file()
    url = running["bridges"]["whatsapp"] + "/webhook"
    secret = json.loads((federation.folder / "data" / "secrets" / "whatsapp.json").read_text())["partner_secret"]
    body = b'{"object": "whatsapp_business_account", "entry": []}'
    async with aiohttp.ClientSession() as http:
        assert await post(http, url, body, {}) == 401
        assert await post(http, url, body, {"X-Hub-Signature-256": "sha256=" + "0" * 64}) == 401
        assert await post(http, url, body, {"X-Hub-Signature-256": "sha256=\u00e9"}) == 401
        for broken in (
            b"",
            b"{",
            b"[]",
            b"null",
            b"\xff\xfe",
            NEST,
            b'{"object": "whatsapp_business_account", "entry": 7}',
        ):
            assert await post(http, url, broken, signed(secret, broken)) in (200, 400)
        for rail in running["rails"].values():
            for broken in (b"", b"{", b"\xff", NEST, b'{"to": 1, "text": {}}'):
                assert 400 <= await post(http, f"{rail}/client/v1/messages", broken, {}) < 500
    await alice["whatsapp"].send(BOB, "still here")

    async def arrived() -> None:
        assert [message["text"] for message in await bob["instagram"].inbox(ALICE)] == ["still here"]

    await eventually(arrived)


async def post(http: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer."""
    async with http.post(url, data=body, headers={"Content-Type": "application/json", **headers}) as answer:
        return answer.status


def signed(secret: str, body: bytes) -> dict[str, str]:
    """As the rail signs."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def test_what_people_mistype(federation: Federation) -> None:
    """Unknown handles, no session, texts over the limit, no handle at all: an exit code and the way out."""
    await federation.cli("account", "register", ALICE, "--name", "Alice")
    await federation.cli("account", "register", BOB, "--name", "Bob")
    for words, code, says in (
        (("send", "--as", ALICE, "--to", "instagram:@nobody", "hello"), 3, "Nobody on the federation has this address"),
        (("send", "--as", "instagram:@carla", "--to", ALICE, "hello"), 3, "account register"),
        (("send", "--as", ALICE, "--to", BOB, "x" * 70_000), 4, "65536"),
        (("send", "--as", "bob", "--to", BOB, "hello"), 2, "rail:address"),
        (("trace", "evt_unknown"), 3, "evt_unknown"),
        (("route", "explain", "--from", ALICE, "--to", "messenger:nobody"), 3, "messenger:nobody"),
    ):
        with pytest.raises(CommandFailed) as failed:
            await federation.cli(*words)
        assert failed.value.code == code, str(failed.value)
        assert says in str(failed.value), str(failed.value)


async def test_a_setting_nobody_knows(tmp_path: Path) -> None:
    """Refused with its path and the nearest known one, before anything starts."""
    federation = Federation(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "trinario.toml").write_text("[router]\nbatsh = 3\n")
    with pytest.raises(CommandFailed, match=r"router\.batsh.*router\.batch") as failed:
        await federation.cli("up", "--port-base", "0")
    assert failed.value.code == 78


async def test_a_taken_port(tmp_path: Path) -> None:
    """The error names the port and whose it was to be."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        base = taken.getsockname()[1] - 2
        with pytest.raises(CommandFailed, match=str(base + 2)) as failed:
            await Federation(tmp_path).cli("up", "--port-base", str(base))
    assert failed.value.code == 78


async def test_a_damaged_store(tmp_path: Path) -> None:
    """A rail's file with a torn page: it does not start on it, says which file, and goes on with the restored one."""
    federation = Federation(tmp_path)
    await federation.start()
    await federation.cli("account", "register", ALICE, "--name", "Alice")
    await federation.cli("account", "register", BOB, "--name", "Bob")
    await federation.cli("send", "--as", ALICE, "--to", BOB, "before the damage")
    await eventually(lambda: bob_has(federation, "before the damage"))
    await federation.stop()
    store = next((tmp_path / "data" / "rails").rglob("instagram*.sqlite3"))
    sound = store.read_bytes()
    store.write_bytes(sound[:4096] + b"\x00" * 4096 + sound[8192:])

    damaged = Federation(tmp_path)
    with pytest.raises((AssertionError, TimeoutError)):
        await damaged.start()
    await damaged.abandon()
    assert store.name in (tmp_path / "up.log").read_text()

    store.write_bytes(sound)
    restored = Federation(tmp_path)
    await restored.start()
    await bob_has(restored, "before the damage")
    await restored.stop()


async def bob_has(federation: Federation, text: str) -> None:
    """Bob's inbox shows it."""
    inbox: list[dict[str, Any]] = await federation.cli("inbox", "--as", BOB)
    assert [message["text"] for message in inbox] == [text]
