"""What goes wrong: a seeded plan of faults against real processes, each counted only when it has really happened.

kill    ``kill -9`` of any daemon, nats-server too; `up` starts it again
stop    SIGSTOP for a while, long enough for leases and connections to be lost, then SIGCONT (a zombie wakes up)
rail    a rail's fault switch: webhooks twice, late, in the wrong order; calls refused, failed, or done in silence
"""

import asyncio
import json
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp

from tests.must import eventually

_RAIL_PLAN = {
    "duplicate": 0.2,
    "delay": 0.1,
    "delay_ms": 200,
    "reorder": 0.2,
    "drop_answer": 0.05,
    "too_many": 0.05,
    "server_error": 0.1,
}


class Nemesis:
    """Makes faults on one federation until told to stop; `healed` undoes what lasts."""

    def __init__(self, *, data: Path, http: aiohttp.ClientSession, seed: int, pause_s: tuple[float, float]) -> None:
        self._data, self._http, self._seed, self._pause_s = data, http, seed, pause_s
        self._dice = random.Random(seed)
        self._stopped: set[int] = set()
        self.done: Counter[str] = Counter()

    async def rage(self, *, lanes: int) -> None:
        """Faults until cancelled, up to so many at a time."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(lanes):
                tasks.create_task(self._rage())

    async def _rage(self) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(*self._pause_s))
            kind = self._dice.choices(("kill", "stop", "rail"), weights=(5, 3, 2))[0]
            match kind:
                case "kill":
                    await self.kill(self._dice.choice(sorted(self._pids())))
                case "stop":
                    await self.stop(self._dice.choice(sorted(self._pids())), for_s=self._dice.uniform(0.5, 5))
                case _:
                    await self.switch(self._dice.choice(sorted(self._rails())), for_s=self._dice.uniform(2, 5))

    async def kill(self, daemon: str) -> None:
        """Kill a daemon, and wait for its successor."""
        pid = self._pids()[daemon]
        if self._signal(pid, signal.SIGKILL):
            self.done[f"kill {daemon}"] += 1
            await eventually(lambda: self._replaced(daemon, pid))

    async def stop(self, daemon: str, *, for_s: float) -> None:
        """Stop a daemon in its tracks for a while."""
        pid = self._pids()[daemon]
        if not self._signal(pid, signal.SIGSTOP):
            return
        self._stopped.add(pid)
        try:
            await asyncio.sleep(for_s)
        finally:
            self._signal(pid, signal.SIGCONT)
            self._stopped.discard(pid)
        self.done[f"stop {daemon}"] += 1

    async def switch(self, rail: str, *, for_s: float) -> None:
        """Have a rail behave as platforms do on bad days; what fired is counted by the rail."""
        plan = {**_RAIL_PLAN, "seed": self._dice.randrange(2**31)}
        if await self._faults(rail, "PUT", plan) is None:
            return
        await asyncio.sleep(for_s)
        answer = await self._faults(rail, "GET")
        for kind, count in (answer or {}).get("fired", {}).items():
            self.done[f"{rail} {kind}"] += count
        await self._faults(rail, "DELETE")

    async def heal(self) -> None:
        """Undo what lasts: nothing is stopped, no rail misbehaves."""
        for pid in list(self._stopped):
            self._signal(pid, signal.SIGCONT)
        for rail in self._rails():
            await self._surely_cleared(rail)

    async def _surely_cleared(self, rail: str) -> None:
        async def cleared() -> None:
            assert await self._faults(rail, "DELETE") is not None, f"{rail} does not answer, and nothing is done to it"

        await eventually(cleared)

    def _run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self._data / "run.json").read_text())
        return found

    def _pids(self) -> dict[str, int]:
        return {name: daemon["pid"] for name, daemon in self._run()["daemons"].items()}

    def _rails(self) -> dict[str, str]:
        rails: dict[str, str] = self._run()["rails"]
        return rails

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> bool:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    async def _replaced(self, daemon: str, pid: int) -> None:
        assert self._pids()[daemon] != pid

    async def _faults(self, rail: str, method: str, plan: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The answer; None when the rail is away."""
        token = json.loads((self._data / "secrets" / f"{rail}.json").read_text())["partner_token"]
        url = f"{self._rails()[rail]}/federation/faults"
        try:
            async with (
                asyncio.timeout(5),
                self._http.request(method, url, json=plan, headers={"Authorization": f"Bearer {token}"}) as answer,
            ):
                body = await answer.read()
                if answer.status >= 500:
                    return None
                assert answer.status < 300, f"{method} {url}: {answer.status} {body[:200]!r}"
                return json.loads(body) if body else {}
        except (aiohttp.ClientError, TimeoutError):
            return None
