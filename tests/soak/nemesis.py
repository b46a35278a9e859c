"""What goes wrong: a seeded plan of faults against real processes, each counted only when it has really happened.

kill    ``kill -9`` of any daemon, nats-server too, just after somebody's message was accepted; `up` starts it again
stop    SIGSTOP for a while, long enough for leases and connections to be lost, then SIGCONT (a zombie wakes up)
rail    a rail's fault switch: webhooks twice, late, in the wrong order; calls refused, failed, or done in silence
link    what is sent to a listening port, or by it, is dropped for a while: open connections in which nothing comes
disk    the disk is full for a while
clock   one daemon's wall clock jumps by up to two hours, and back
power   the disk stops in mid-write, everything dies, and starts again from what was synced
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any

import aiohttp

from tests.must import eventually
from tests.soak.ground import Ground

ACK_WITHIN_S = 0.05
AT_ACK = "kill-at-ack"
"""A kill that came within `ACK_WITHIN_S` of an acknowledgement; it is counted as a kill, too."""

LANES = {"kill": 3, "stop": 2, "rail": 1, "link": 2, "disk": 1, "clock": 3, "power": 1}
"""Kind -> how many of it at a time."""

_POWER_EVERY_S = 45.0
_RAIL_PLAN = {
    "duplicate": 0.2,
    "delay": 0.1,
    "delay_ms": 200,
    "reorder": 0.2,
    "drop_answer": 0.05,
    "too_many": 0.05,
    "server_error": 0.1,
}


class Bell:
    """Rung when somebody's message has been accepted."""

    def __init__(self) -> None:
        self._rang, self.rang_s = asyncio.Event(), 0.0

    def ring(self) -> None:
        """Now."""
        self.rang_s = time.monotonic()
        self._rang.set()

    async def heard(self, *, within_s: float) -> None:
        """Until it is rung next, or that long."""
        self._rang.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._rang.wait()


class Nemesis:
    """Makes faults on one federation until told to stop; `heal` undoes what lasts.

    `ground`: what the federation stands on; None: only what takes no power over the machine. `reboot`: the power has
    gone; returns when everything is up again.
    """

    def __init__(
        self,
        *,
        data: Path,
        http: aiohttp.ClientSession,
        seed: int,
        pause_s: tuple[float, float],
        ground: Ground | None = None,
        reboot: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._data, self._http, self._seed, self._pause_s = data, http, seed, pause_s
        self._ground, self._reboot = ground, reboot
        self._dice = random.Random(seed)
        self._stopped: set[int] = set()
        self._stepped: set[int] = set()
        self._has_power, self._under_way = asyncio.Event(), 0
        self._has_power.set()
        self.bell = Bell()
        self.done: Counter[str] = Counter()

    @property
    def kinds(self) -> list[str]:
        """What can be made here."""
        more = [
            kind for kind in ("link", "disk", "clock", "power") if self._ground and kind not in self._ground.missing
        ]
        return ["kill", "stop", "rail", *more]

    async def rage(self) -> None:
        """Faults of every kind until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self.kinds:
                for _ in range(LANES[kind]):
                    tasks.create_task(self._rage(kind))

    async def rest(self, raging: asyncio.Task[None]) -> None:
        """End the raging, but never between a power cut and the start after it."""
        await self._has_power.wait()
        raging.cancel()
        await asyncio.gather(raging, return_exceptions=True)

    async def _rage(self, kind: str) -> None:
        while True:
            await asyncio.sleep(_POWER_EVERY_S if kind == "power" else self._dice.uniform(*self._pause_s))
            if kind == "power":
                await self.cut_power()
                continue
            await self._has_power.wait()
            with self._counted():
                await self._make(kind)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def _make(self, kind: str) -> None:
        dice = self._dice
        match kind:
            case "kill":
                await self.bell.heard(within_s=2)
                await self.kill(dice.choice(sorted(self._pids())))
            case "stop":
                await self.stop(dice.choice(sorted(self._pids())), for_s=dice.choice((0.3, 0.5, 1, 1, 2, 4)))
            case "rail":
                await self.switch(dice.choice(sorted(self._rails())), for_s=dice.uniform(2, 4))
            case "link":
                await self.cut_link(dice.choice(sorted(self._pids())), for_s=dice.choice((0.3, 0.5, 1, 1, 2, 4)))
            case "disk":
                await self.fill_disk(for_s=dice.uniform(0.1, 0.8))
            case _:
                off_s = dice.choice((-1, 1)) * dice.randrange(60, 7200)
                await self.step_clock(dice.choice(sorted(self._pids())), off_s=off_s, for_s=dice.uniform(0.5, 3))

    async def kill(self, daemon: str) -> None:
        """Kill a daemon, and wait for its successor."""
        pid = self._pids()[daemon]
        after_s = time.monotonic() - self.bell.rang_s
        if self._signal(pid, signal.SIGKILL):
            self.done[f"kill {daemon}"] += 1
            self.done[f"{AT_ACK} {daemon}"] += after_s <= ACK_WITHIN_S
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

    async def cut_link(self, daemon: str, *, for_s: float) -> None:
        """Drop what is sent to a port of a daemon, or what it answers from there."""
        assert self._ground is not None
        ports = sorted(self._ground.ports().get(self._pids()[daemon], ()))
        if not ports:
            return
        port, way = self._dice.choice(ports), self._dice.choice(("dport", "sport"))
        try:
            with self._ground.link_cut(port, way=way):
                is_cut = not await self._connects(port)
                await asyncio.sleep(for_s)
        except CalledProcessError:  # two lanes at one port: the other has it
            return
        self.done[f"link {daemon}"] += is_cut

    @staticmethod
    async def _connects(port: int) -> bool:
        try:
            async with asyncio.timeout(0.1):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    async def fill_disk(self, *, for_s: float) -> None:
        """There is no space for a while."""
        assert self._ground is not None
        try:
            is_full = self._ground.fill()
            await asyncio.sleep(for_s)
        finally:
            self._ground.empty()
        self.done["disk full"] += is_full

    async def step_clock(self, daemon: str, *, off_s: int, for_s: float) -> None:
        """A daemon's wall clock jumps, and later jumps back. Not nats-server's: no library gets at its clock."""
        if self._ground is None or daemon.startswith("nats"):
            return
        pid = self._pids()[daemon]
        ports = self._ground.ports().get(pid, ())
        if not ports or pid in self._stepped:
            return
        self._ground.set_clock(pid, off_s)
        self._stepped.add(pid)
        try:
            seen_off_s = await self._off_s(min(ports))
            await asyncio.sleep(for_s)
        finally:
            self._ground.set_clock(pid, 0)
            self._stepped.discard(pid)
        self.done[f"clock {daemon}"] += seen_off_s is not None and abs(seen_off_s - off_s) < 30

    async def _off_s(self, port: int) -> float | None:
        """How far off a daemon's clock is, by the date on its answers; None when it gives none."""
        with suppress(aiohttp.ClientError, TimeoutError, OSError, KeyError):
            async with asyncio.timeout(2), self._http.get(f"http://127.0.0.1:{port}/") as answer:
                return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
        return None

    async def cut_power(self) -> None:
        """The disk stops, everything dies, and comes back from what had been synced. No other fault meanwhile."""
        assert self._ground is not None
        assert self._reboot is not None
        self._has_power.clear()
        try:
            await eventually(self._alone)
            self._ground.cut_power()
            self.done["power cut"] += 1
            await self._reboot()
        finally:
            self._has_power.set()

    async def _alone(self) -> None:
        assert self._under_way == 0

    async def heal(self) -> None:
        """Undo what lasts: nothing is stopped, no rail misbehaves."""
        if self._ground is not None and "disk" not in self._ground.missing:
            self._ground.empty()
        for pid in list(self._stopped):
            self._signal(pid, signal.SIGCONT)
        for rail in self._rails():
            await self._surely_cleared(rail)

    async def _surely_cleared(self, rail: str) -> None:
        async def cleared() -> None:
            assert await self._faults(rail, "DELETE") is not None, f"{rail} does not answer, and nothing is done to it"

        await eventually(cleared)

    def _run(self) -> dict[str, Any]:
        """What `up` says; nothing while it starts."""
        with suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self._data / "run.json").read_text())
            return found
        return {"daemons": {}, "rails": {}}

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
        assert self._pids().get(daemon, pid) != pid

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
