"""`trinario` as people run it: real processes, real nats-server, nothing but the contract's commands and their JSON."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60


class CommandFailed(Exception):
    """A command ended with another code than 0."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"exit {code}: {said}")
        self.code, self.said = code, said


class Trinario:
    """The commands on one data folder, and the `up` that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.talk = folder / "up.err"
        self.ready: dict[str, Any] = {}
        self._up: subprocess.Popen[bytes] | None = None

    def start(self, *words: str, environ: Mapping[str, str] | None = None) -> None:
        """`up` on free ports, until it says that it is ready. `environ`: settings beside the test's own environment."""
        with self.talk.open("ab") as talk:
            self._up = subprocess.Popen(
                self.command("up", "--port-base", "0", *words, "--json"),
                stdout=subprocess.PIPE,
                stderr=talk,
                cwd=ROOT,
                env={**os.environ, **(environ or {})},
            )
        assert self._up.stdout is not None
        line = self._up.stdout.readline()
        assert line, f"no ready line: {self.talk.read_text()[-3000:]}"
        self.ready = json.loads(line)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; its exit code. It must end by itself, and leave no process behind."""
        assert self._up is not None
        family = [psutil.Process(self._up.pid), *psutil.Process(self._up.pid).children(recursive=True)]
        self._up.send_signal(how)
        try:
            code = self._up.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._up.kill()
            raise
        assert self._up.stdout is not None
        self._up.stdout.close()
        self._up = None
        _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
        assert alive == []
        return code

    def forget(self) -> None:
        """`up` was killed by the test."""
        assert self._up is not None
        self._up.wait(PATIENCE_S)
        assert self._up.stdout is not None
        self._up.stdout.close()
        self._up = None

    def end(self) -> None:
        """Whatever a failed test has left."""
        if self._up is not None:
            self.stop()

    def run_file(self) -> dict[str, Any]:
        """What `up` says of itself."""
        found: dict[str, Any] = json.loads((self.data / "run.json").read_text())
        return found

    def command(self, *words: str) -> list[str]:
        """The words to run a command on this data folder."""
        return [sys.executable, "-m", "trinario", *words, "--data", str(self.data)]

    async def cli(self, *words: str) -> list[Any]:
        """Run a command with ``--json``; its documents. Raises `CommandFailed`."""
        process = await asyncio.create_subprocess_exec(
            *self.command(*words), "--json", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT
        )
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        if process.returncode != 0:
            raise CommandFailed(process.returncode or 0, out.decode() + err.decode())
        return [json.loads(line) for line in out.splitlines()]

    async def faults(self, rail: str, **plan: float) -> None:
        """Set a rail's fault plan, or clear it."""
        token = json.loads((self.data / "secrets" / f"{rail}.json").read_text())["partner_token"]
        url, headers = f"{self.ready['rails'][rail]}/federation/faults", {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request("PUT" if plan else "DELETE", url, json=plan or None) as answer,
        ):
            assert answer.status == 200, await answer.text()

    async def refused(self, *words: str) -> CommandFailed:
        """Run a command that must not succeed; how it failed."""
        try:
            said = await self.cli(*words)
        except CommandFailed as failed:
            return failed
        raise AssertionError(f"{words} succeeded: {said}")


@pytest.fixture
def trinario(tmp_path: Path) -> Iterator[Trinario]:
    """Not yet started."""
    made = Trinario(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trinario]:
    """Started, with the demo's people; shared by the tests of a module that only add to it."""
    made = Trinario(tmp_path_factory.mktemp("town"))
    made.start("--demo")
    yield made
    assert made.stop() == os.EX_OK
