"""What the bridges' tests stand on: real nats-server, rails and router; bridges as tasks or as processes."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import aiosqlite
import msgspec
import pytest

import router.daemon
import router.ledger.daemon
from bridges.catalogue import discover
from bridges.kit import daemon
from bus.config import BridgeSettings, LedgerSettings, NatsSettings, RailSettings, RouterSettings, Settings
from rails.catalogue import BUNDLED
from rails.kit.daemon import RailServer
from rails.kit.daemon import RailSettings as ServerSettings
from tests.integration.conftest import PARTITIONS, RAILS, Bus
from tests.must import eventually

ROOT = Path(__file__).parents[3]
TOKEN, SECRET = "partner-token", "partner-secret"
ADDRESSES = {
    "whatsapp": {"alice": "+393331112222", "bob": "+393334445555", "carla": "+393336667777"},
    "messenger": {"alice": "alice.bianchi", "bob": "bob.rossi", "carla": "carla.verdi"},
    "instagram": {"alice": "@alice", "bob": "@bob", "carla": "@carla"},
}


def handle(rail: str, who: str) -> str:
    """Somebody's handle on a rail."""
    return f"{rail}:{ADDRESSES[rail][who]}"


class Phone:
    """One person's app on one rail: only the Client API."""

    def __init__(self, http: aiohttp.ClientSession, url: str, account: dict[str, Any], token: str) -> None:
        self.http, self.url, self.token = http, url, token
        self.id, self.handle = account["id"], account["handle"]

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.request(method, f"{self.url}/client/v1/{path}", headers=headers, **more) as answer:
            return answer.status, (await answer.json() if answer.content_type == "application/json" else None)

    async def send(self, to: str, text: str, **more: Any) -> str:
        """Write; while the bridge is away and the address new, again. The native id."""

        async def sent() -> str:
            status, answer = await self.call("POST", "messages", json={"to": to, "text": text, **more})
            assert status in {200, 201}, answer
            return str(answer["native_id"])

        return await eventually(sent)

    async def inbox(self, peer: str) -> list[dict[str, Any]]:
        status, answer = await self.call("GET", "messages", params={"with": peer, "limit": "1000"})
        assert status == 200, answer
        found: list[dict[str, Any]] = answer["messages"]
        return found

    async def texts(self, peer: str) -> list[str]:
        return [message["text"] for message in await self.inbox(peer)]

    async def read(self, peer: str) -> None:
        status, answer = await self.call("POST", "read", json={"with": peer})
        assert status == 200, answer

    async def has(self, peer: str, text: str, *, within_s: float = 60) -> None:
        """This text is in the thread."""

        async def there() -> None:
            assert text in await self.texts(peer)

        await eventually(there, within_s=within_s)

    async def sees(self, peer: str, expected: list[str], *, within_s: float = 60) -> None:
        """Exactly these texts, in this order."""

        async def seen() -> None:
            assert await self.texts(peer) == expected

        await eventually(seen, within_s=within_s)


class BridgeProcess:
    """A bridge in a process of its own, to be killed."""

    def __init__(self, settings: Path, rail: str, log: Path) -> None:
        self._settings, self.rail, self._log = settings, rail, log
        self.process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.integration.bridges.process",
                str(self._settings),
                self.rail,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 60)
        assert line, self._log.read_text()[-4000:]
        self.url = json.loads(line)["url"]

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def kill(self) -> None:
        """``kill -9``."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
            await self.process.wait()
            self.process = None


class World:
    """A federation on free ports."""

    def __init__(self, *, bus: Bus, folder: Path, http: aiohttp.ClientSession) -> None:
        self.bus, self.folder, self.http = bus, folder, http
        self.rails: dict[str, RailServer] = {}
        self.settings = Settings()
        self.bridges: dict[str, str] = {}
        self.processes: list[BridgeProcess] = []
        self.running: dict[str, asyncio.Task[None]] = {}

    async def start_rails(self, *names: str) -> None:
        for name in names:
            await self.start_rail(name)
        self.settings = Settings(
            data=self.folder,
            nats=NatsSettings(url=self.bus.url),
            rails={
                name: RailSettings(url=rail.url, partner_token=TOKEN, partner_secret=SECRET)
                for name, rail in self.rails.items()
            },
            bridges={name: BridgeSettings() for name in self.rails},
            router=RouterSettings(partitions=PARTITIONS, port=0),
            ledger=LedgerSettings(port=0),
        )

    async def start_rail(self, name: str, port: int = 0) -> None:
        """One rail, on its data of before if it has run already."""
        settings = ServerSettings(data_dir=self.folder / "rails", port=port, partner_token=TOKEN, partner_secret=SECRET)
        self.rails[name] = RailServer(rail=BUNDLED[name], settings=settings)
        await self.rails[name].start()

    async def kill_bus(self) -> None:
        """``kill -9`` of nats-server; its supervisor starts another."""
        server = self.bus.server
        before = server.restarts
        os.kill(server.pid, signal.SIGKILL)

        async def restarted() -> None:
            assert server.restarts > before

        await eventually(restarted)

    async def partner(self, rail: str, method: str, path: str, body: object = None) -> Any:
        """A call of the federation extension, as the partner."""
        url, headers = f"{self.rails[rail].url}/v1.0/federation/{path}", {"Authorization": f"Bearer {TOKEN}"}
        async with self.http.request(method, url, headers=headers, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def spawn(self, name: str, main: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.running[name] = asyncio.create_task(main, name=name)  # ended by `stop_task`
        return self.running[name]

    async def _run(self, name: str, main: Callable[[daemon.Ready], Coroutine[Any, Any, None]]) -> dict[str, Any]:
        is_ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        task = self.spawn(name, main(is_ready.set_result))
        await asyncio.wait({task, is_ready}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return is_ready.result()

    async def start_router(self) -> None:
        await self._run("router", lambda ready: router.daemon.run(self.settings, ready=ready))

    async def start_ledger(self) -> None:
        await self._run("ledger", lambda ready: router.ledger.daemon.run(self.settings, ready=ready))

    async def start_bridge(self, name: str, *, without: Mapping[str, Any] | None = None, **more: Any) -> None:
        """In this process. `without`: what its rail is to do without (capabilities); `more`: settings of the bridge."""
        translator = discover()[name]  # type: ignore[index]
        if without:
            poorer = msgspec.structs.replace(translator.capabilities, **without)
            translator = type(type(translator).__name__, (type(translator),), {"capabilities": poorer})()
        bridges = {**self.settings.bridges, name: BridgeSettings(**more)}
        settings = msgspec.structs.replace(self.settings, bridges=bridges)
        said = await self._run(f"bridge-{name}", lambda ready: daemon.run(settings, translator=translator, ready=ready))
        self.bridges[name] = said["url"]

    async def start_process(self, name: str) -> BridgeProcess:
        """In a process of its own, always on the same port."""
        path = self.folder / "settings.json"
        path.write_bytes(msgspec.json.encode(self.settings, enc_hook=str))
        process = BridgeProcess(path, name, self.folder / f"{name}.log")
        self.processes.append(process)
        await process.start()
        self.bridges[name] = process.url
        return process

    async def start(self, *names: str) -> None:
        """Rails, router, and bridges as tasks."""
        await self.start_rails(*names)
        await self.start_router()
        for name in names:
            await self.start_bridge(name)

    async def stop_task(self, name: str) -> None:
        task = self.running.pop(name)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def stop(self) -> None:
        """Whatever runs."""
        for process in self.processes:
            await process.kill()
        for name in list(self.running):
            await self.stop_task(name)
        for rail in self.rails.values():
            await rail.stop()

    async def register(self, rail: str, who: str, **more: Any) -> Phone:
        return await self.register_as(rail, ADDRESSES[rail][who], name=who.title(), **more)

    async def register_as(self, rail: str, address: str, **more: Any) -> Phone:
        """Somebody without a part in the stories."""
        url = self.rails[rail].url
        body = {"address": address, **more}
        async with self.http.post(f"{url}/client/v1/accounts", json=body) as answer:
            told = await answer.json()
            assert answer.status == 201, told
        return Phone(self.http, url, told["account"], told["token"])

    async def uploads(self, rail: str) -> int:
        """How many files the rail's bridge has given it, as it remembers."""
        path = self.folder / "bridges" / f"{rail}.db"
        async with aiosqlite.connect(f"file:{path}?mode=ro", uri=True) as db:
            rows = await db.execute_fetchall("SELECT count(*) FROM uploads")
            return int(next(iter(rows))[0])

    async def status(self, rail: str) -> dict[str, Any]:
        async with self.http.get(f"{self.bridges[rail]}/status") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def settled(self, *, within_s: float = 60) -> None:
        """Nothing is on its way on any bridge."""

        async def nothing_pending() -> None:
            for rail in self.bridges:
                status = await self.status(rail)
                assert status["pending"] == 0, status

        await eventually(nothing_pending, within_s=within_s)

    async def faults(self, rail: str, **plan: Any) -> dict[str, Any]:
        """Set a fault plan, clear it (no plan); what has fired so far."""
        url, headers = f"{self.rails[rail].url}/federation/faults", {"Authorization": f"Bearer {TOKEN}"}
        async with self.http.get(url, headers=headers) as answer:
            before: dict[str, Any] = await answer.json()
        if plan:
            async with self.http.put(url, headers=headers, json=plan) as answer:
                assert answer.status == 200, await answer.text()
        else:
            async with self.http.delete(url, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
        return before

    async def post_webhook(self, rail: str, body: bytes, signature: str | None = None) -> int:
        """What the bridge answers to a webhook; signed well unless told otherwise."""
        signed = "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": signed if signature is None else signature}
        async with self.http.post(f"{self.bridges[rail]}/webhook", data=body, headers=headers) as answer:
            return answer.status


@pytest.fixture
async def world(nats_server: Bus, tmp_path: Path) -> AsyncIterator[World]:
    """Nothing runs yet but the bus."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        made = World(bus=nats_server, folder=tmp_path, http=http)
        try:
            yield made
        finally:
            await made.stop()


__all__ = ["RAILS", "Phone", "World", "handle"]
