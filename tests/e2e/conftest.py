"""A federation in real processes, and people with phones on its rails. Nothing here looks inside what is tested."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from tests.must import eventually

ROOT = Path(__file__).parents[2]


class CommandFailed(Exception):
    """A command ended with another code than 0."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"exit {code}: {said}")
        self.code = code


class Federation:
    """`trinario up --processes` on free ports, in a folder of its own. `servers`: how many nats-servers.

    `environ`: more of it. `port_base` other than 0: it comes back on the same ports.
    """

    def __init__(
        self, folder: Path, *, servers: int = 1, environ: Mapping[str, str] | None = None, port_base: int = 0
    ) -> None:
        self.folder, self._port_base = folder, port_base
        self._environ = {**os.environ, "TRINARIO_NATS__SERVERS": str(servers), **(environ or {})}
        self.rails: dict[str, str] = {}
        self._up: asyncio.subprocess.Process | None = None
        self._log = (folder / "up.log").open("ab")

    async def start(self) -> None:
        """Until it says that it is ready."""
        self._up = await asyncio.create_subprocess_exec(
            *self._command("up", "--port-base", str(self._port_base), "--processes", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env=self._environ,
        )
        assert self._up.stdout is not None
        line = await asyncio.wait_for(self._up.stdout.readline(), 60)
        assert line, f"no ready line: {(self.folder / 'up.log').read_text()[-3000:]}"
        ready = json.loads(line)
        assert ready["ready"] is True
        self.rails = ready["rails"]

    async def stop(self) -> None:
        """As Ctrl-C does; it must end by itself, with code 0."""
        assert self._up is not None
        self._up.send_signal(signal.SIGINT)
        try:
            code = await asyncio.wait_for(self._up.wait(), 30)
        except TimeoutError:
            self._up.kill()
            raise
        finally:
            self._log.close()
        assert code == 0

    async def abandon(self) -> None:
        """End one that never became ready."""
        assert self._up is not None
        if self._up.returncode is None:
            self._up.kill()
            await self._up.wait()
        self._log.close()

    async def crash(self) -> None:
        """Everything is killed at once, as when the power goes; `start` starts it again."""
        assert self._up is not None
        parent = psutil.Process(self._up.pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await self._up.wait()

    def run_file(self) -> dict[str, Any]:
        """What `up` says of itself in run.json."""
        found: dict[str, Any] = json.loads((self.folder / "data" / "run.json").read_text())
        return found

    async def kill(self, daemon: str) -> None:
        """``kill -9``, and wait until there is a successor."""
        pid = self.run_file()["daemons"][daemon]["pid"]
        os.kill(pid, signal.SIGKILL)

        async def succeeded() -> None:
            assert self.run_file()["daemons"][daemon]["pid"] != pid

        await eventually(succeeded)

    def _command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "trinario", *words, "--data", str(self.folder / "data")]

    async def cli(self, *words: str) -> list[Any]:
        """Run one command with --json; its documents (one, or a line each). Raises `CommandFailed`."""
        process = await asyncio.create_subprocess_exec(
            *self._command(*words, "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
        if process.returncode != 0:
            raise CommandFailed(process.returncode or 0, err.decode())
        return [json.loads(line) for line in out.splitlines()]


class Phone:
    """One person's app on one rail: only the Client API."""

    def __init__(self, *, http: aiohttp.ClientSession, url: str, handle: str, token: str) -> None:
        self.handle = handle
        self._http, self._url = http, url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._seen: set[str] = set()
        self._news = asyncio.Condition()

    async def send(self, to: str, text: str) -> str:
        """Write to a handle; the native id."""
        native_id = str((await self._post("messages", {"to": to, "text": text}))["native_id"])
        self._seen.add(text)
        return native_id

    async def read(self, peer: str) -> int:
        """Mark the whole thread read; how many were new."""
        return int((await self._post("read", {"with": peer}))["read"])

    async def inbox(self, peer: str) -> list[dict[str, Any]]:
        """The thread with a peer, as the app would show it: fetched page by page, shown by rank."""
        url, found, after = f"{self._url}/client/v1/messages", [], 0
        while True:
            params = {"with": peer, "after": str(after), "limit": "1000"}
            async with self._http.get(url, params=params, headers=self._headers) as answer:
                assert answer.status == 200, await answer.text()
                page = await answer.json()
            if not page["messages"]:
                return sorted(found, key=lambda message: (message["rank"], message["arrival"]))
            found += page["messages"]
            after = page["next"]

    async def sees(self, text: str, *, within_s: float = 60) -> None:
        """Wait until the app has been shown this text."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: text in self._seen)

    async def stay_online(self) -> None:
        """Follow the WebSocket until cancelled."""
        async with self._http.ws_connect(f"{self._url}/client/v1/ws", headers=self._headers) as socket:
            async for frame in socket:
                news = json.loads(frame.data)
                if news["type"] == "message":
                    async with self._news:
                        self._seen.add(news["message"]["text"])
                        self._news.notify_all()

    async def _post(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._http.post(f"{self._url}/client/v1/{what}", json=body, headers=self._headers) as answer:
            assert answer.status in (200, 201), await answer.text()
            found: dict[str, Any] = await answer.json()
            return found


class People:
    """Registers people and gives them phones that are online until the test ends."""

    def __init__(self, federation: Federation, http: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        self._federation, self._http, self._tasks = federation, http, tasks
        self.online: list[asyncio.Task[None]] = []

    async def join(self, name: str, *handles: str) -> dict[str, Phone]:
        """Register a person on some rails, linked; rail -> phone."""
        phones = {handle.partition(":")[0]: await self._phone(handle, name) for handle in handles}
        for other in handles[1:]:
            await self._federation.cli("person", "link", handles[0], other, "--trust")
        await eventually(lambda: self._is_known(handles[0]))
        return phones

    async def _is_known(self, handle: str) -> None:
        """The federation hears of an account a moment after its rail has made it."""
        try:
            await self._federation.cli("person", "show", handle)
        except CommandFailed as error:
            raise AssertionError(str(error)) from error

    async def _phone(self, handle: str, name: str) -> Phone:
        rail, _, address = handle.partition(":")
        url = self._federation.rails[rail]
        body = {"address": address, "name": name}
        async with self._http.post(f"{url}/client/v1/accounts", json=body) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
        phone = Phone(http=self._http, url=url, handle=handle, token=token)
        self.online.append(self._tasks.create_task(phone.stay_online()))
        return phone


@pytest.fixture
async def federation(tmp_path: Path) -> AsyncIterator[Federation]:
    """Started, and stopped the polite way."""
    running = Federation(tmp_path)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


@pytest.fixture
async def people(federation: Federation) -> AsyncIterator[People]:
    """Somebody to talk to."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        with contextlib.suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as tasks:
                crowd = People(federation, http, tasks)
                yield crowd
                for task in crowd.online:
                    task.cancel()
