"""An 80 MB film from WhatsApp to people on the other rails: a link, and no daemon holds it in memory.

Every daemon is a process of its own here. Its peak is what the kernel has kept (`VmHWM`) since before the film was
sent, so nothing between two looks is missed. nats-server is measured and told, not judged: it keeps what it has just
written or read in its own cache for some seconds, as large as that was, and there is no setting for it.
"""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.conftest import Federation
from tests.must import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ALICE, READERS = "whatsapp:+393331112222", ("messenger:bob.rossi", "instagram:@carla")
SIZE_BYTES = 80_000_000
GROWTH_MOST_BYTES = 32_000_000
HEAD = bytes.fromhex("00000020667479706973") + b"om\0\0\2\0isomiso2avc1mp41"


class Memory:
    """The resident memory of every daemon that runs."""

    def __init__(self, federation: Federation) -> None:
        self._pids = {name: int(one["pid"]) for name, one in federation.run_file()["daemons"].items()}
        for pid in self._pids.values():
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        self._before = {name: _kept(pid, "VmRSS") for name, pid in self._pids.items()}

    def grown_bytes(self) -> dict[str, int]:
        """Daemon -> its peak since then, above what it had then."""
        return {name: _kept(pid, "VmHWM") - self._before[name] for name, pid in self._pids.items()}


def _kept(pid: int, what: str) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


async def call(http: aiohttp.ClientSession, method: str, url: str, token: str, **more: Any) -> Any:
    """One call of the Client API."""
    async with http.request(method, url, headers={"Authorization": f"Bearer {token}"}, **more) as answer:
        assert answer.status in (200, 201), await answer.text()
        return await answer.json()


async def register(federation: Federation, http: aiohttp.ClientSession, handle: str) -> tuple[str, str]:
    """Somebody's Client API, and their token."""
    rail, _, address = handle.partition(":")
    url = f"{federation.rails[rail]}/client/v1"
    told = await call(http, "POST", f"{url}/accounts", "", json={"address": address, "name": address.strip("@+")})
    return url, str(told["token"])


async def digest_behind(http: aiohttp.ClientSession, link: str) -> str:
    """The SHA-256 of what a link leads to."""
    digest = hashlib.sha256()
    async with http.get(link) as answer:
        assert (answer.status, answer.content_length) == (200, SIZE_BYTES)
        async for chunk in answer.content.iter_chunked(1 << 16):
            digest.update(chunk)
    return digest.hexdigest()


def film(path: Path) -> str:
    """Write one; its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        left = SIZE_BYTES
        for chunk in (HEAD, *(os.urandom(1_000_000) for _ in range(80))):
            part = chunk[:left]
            left -= len(part)
            digest.update(part)
            file.write(part)
    return digest.hexdigest()


@pytest.mark.thread("mautrix/whatsapp#144")
async def test_mautrix_whatsapp_144_a_large_film_goes_as_a_link_and_no_daemon_swells(
    federation: Federation, tmp_path: Path
) -> None:
    """Rails, bridges, router, ledger, console: none grows by more than 32 MB, with two readers at once."""
    sha256 = await asyncio.to_thread(film, tmp_path / "film.mp4")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http:
        alice, token = await register(federation, http, ALICE)
        readers = {handle: await register(federation, http, handle) for handle in READERS}

        async def texts(handle: str) -> list[str]:
            url, mine = readers[handle]
            found = await call(http, "GET", f"{url}/messages", mine, params={"with": ALICE})
            return [message["text"] for message in found["messages"]]

        async def send(handle: str, said: dict[str, Any]) -> None:
            async def taken() -> None:
                await call(http, "POST", f"{alice}/messages", token, json={"to": handle, **said})

            await eventually(taken)

        async def shows(handle: str, count: int) -> str:
            async def there() -> str:
                found = await texts(handle)
                assert len(found) == count
                return found[-1]

            return await eventually(there, within_s=120)

        for handle in READERS:
            await send(handle, {"text": "Wait for it."})
            await shows(handle, 1)
        memory = Memory(federation)
        with (tmp_path / "film.mp4").open("rb") as file:
            media = await call(http, "POST", f"{alice}/media?name=film.mp4", token, data=file)
        assert (media["kind"], media["size_bytes"]) == ("video", SIZE_BYTES)
        for handle in READERS:
            await send(handle, {"content": {"type": "video", "media_id": media["media_id"]}})
        for handle in READERS:
            text = await shows(handle, 2)
            assert "80.0 MB" in text
            assert await digest_behind(http, text.split(": ")[-1]) == sha256
        grown = memory.grown_bytes()
        print({name: f"{size / 1e6:.1f} MB" for name, size in sorted(grown.items())})  # noqa: T201 - for `pytest -s`
        grown.pop("nats")
        rails = {"whatsapp", "messenger", "instagram"}
        assert {"router", "ledger", *(f"{what}-{rail}" for what in ("rail", "bridge") for rail in rails)} <= set(grown)
        assert max(grown.values()) <= GROWTH_MOST_BYTES, grown
