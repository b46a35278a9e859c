"""The whole path, client to last screen: what a message costs all daemons together, and how long it takes.

Pairs of people who are on all three rails: who writes does so on one, and the message is on its way until five other
screens show it (three of the recipient, two of the sender). One in five is read, on any rail, which the others follow.
`trinario up`, with a process a daemon or all of them in one; CPU is the operating system's, of every daemon and
nats-server, without these clients.
"""

import asyncio
import itertools
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import aiohttp
import msgspec
import psutil

from bus.connection import Connection
from bus.kv import Bucket
from bus.publish import Publisher
from bus.subjects import DIRECTORY, ingress
from schemas.codec import decode_person, encode
from schemas.events import Link
from schemas.handles import Handle
from schemas.ids import OPERATOR, PEOPLE_PARTITION, PersonId, event_id
from schemas.people import handle_key, newcomer, person_key

PAIRS = 20
SCREENS = 5
AT_ONCE = 64
SEED = 1


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One phase. Milliseconds from the call that sends to the last screen."""

    messages: int
    messages_per_s: float
    server_cpu_us_per_message: float
    cpu_us_by_daemon: dict[str, float]
    """The same, a message, split by daemon; all in one process: one name for all of it."""
    p50_ms: float
    p99_ms: float


class _Journey:
    """One message until it is everywhere."""

    __slots__ = ("done", "left", "sent_s")

    def __init__(self) -> None:
        self.sent_s, self.left = time.perf_counter(), SCREENS
        self.done: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def shown(self) -> None:
        """On one more screen."""
        self.left -= 1
        if self.left == 0 and not self.done.done():
            self.done.set_result((time.perf_counter() - self.sent_s) * 1000)


class Crowd:
    """The people, their accounts and open screens. A person is a number; even and odd neighbours are a pair."""

    def __init__(self, *, http: aiohttp.ClientSession, rails: dict[str, str], tasks: asyncio.TaskGroup) -> None:
        self._http, self._rails, self._tasks = http, rails, tasks
        self._tokens: dict[tuple[int, str], str] = {}
        self._journeys: dict[str, _Journey] = {}
        self._dice = random.Random(SEED)
        self._turns = itertools.count()

    def handle(self, person: int, rail: str) -> Handle:
        """Their address on a rail."""
        address = {"whatsapp": f"+3933300{person:05d}", "instagram": f"@bench.{person}"}.get(rail, f"bench.{person}")
        return Handle(f"{rail}:{address}")

    async def join(self, operator: Connection) -> None:
        """Register everybody on every rail, link them, open their screens."""
        publisher = Publisher(operator)
        for person in range(2 * PAIRS):
            handles = [self.handle(person, rail) for rail in self._rails]
            for rail, handle in zip(self._rails, handles, strict=True):
                body = {"address": handle.partition(":")[2], "name": f"Person {person}"}
                self._tokens[person, rail] = (await self._post(rail, "accounts", body, None))["token"]
            await _known(operator, handles)
            for other in handles[1:]:
                link = Link(id=event_id(OPERATOR, "link", "", handles[0], other), handles=(handles[0], other))
                await publisher.publish(ingress(OPERATOR, PEOPLE_PARTITION), encode(link), link.id)
            await _linked(operator, handles)
        opened = [asyncio.Event() for _ in self._tokens]
        for (account, token), event in zip(self._tokens.items(), opened, strict=True):
            self._tasks.create_task(self._watch(account[1], token, event))
        await asyncio.gather(*(event.wait() for event in opened))

    async def say(self) -> float:
        """One message from the next person to the other of their pair; milliseconds until the last screen."""
        turn = next(self._turns)
        author = turn % (2 * PAIRS)
        reader, rail = author ^ 1, self._dice.choice(list(self._rails))
        text = f"message {turn}"
        journey = self._journeys[text] = _Journey()
        await self._post(rail, "messages", {"to": self.handle(reader, rail), "text": text}, (author, rail))
        took_ms = await asyncio.wait_for(journey.done, 60)
        del self._journeys[text]
        if turn % 5 == 0:
            there = self._dice.choice(list(self._rails))
            await self._post(there, "read", {"with": self.handle(author, there)}, (reader, there))
        return took_ms

    async def _watch(self, rail: str, token: str, opened: asyncio.Event) -> None:
        url = f"{self._rails[rail]}/client/v1/ws?token={token}"
        async with self._http.ws_connect(url) as socket:
            opened.set()
            async for frame in socket:
                news = msgspec.json.decode(frame.data)
                if news["type"] == "message" and (journey := self._journeys.get(news["message"]["text"])):
                    journey.shown()

    async def _post(self, rail: str, what: str, body: dict[str, Any], by: tuple[int, str] | None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._tokens[by]}"} if by else {}
        async with self._http.post(f"{self._rails[rail]}/client/v1/{what}", json=body, headers=headers) as answer:
            if answer.status not in (200, 201):
                raise RuntimeError(f"{rail} answered {answer.status} to {what}: {await answer.text()}")
            found: dict[str, Any] = await answer.json()
            return found


async def _known(operator: Connection, handles: list[Handle]) -> None:
    bucket = Bucket(operator, DIRECTORY)
    while len(await bucket.get_many([handle_key(handle) for handle in handles])) < len(handles):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def _linked(operator: Connection, handles: list[Handle]) -> None:
    bucket, first = Bucket(operator, DIRECTORY), newcomer(handles[0], "").id
    while True:
        entry = await bucket.get(person_key(PersonId(first)))
        if entry is not None and len(decode_person(entry.value).accounts) == len(handles):
            return
        await asyncio.sleep(0.005)


async def steadily(crowd: Crowd, *, per_s: int, for_s: float) -> list[float]:
    """Messages at even distances, whatever becomes of those before."""
    began_s = time.perf_counter()
    said: list[asyncio.Task[float]] = []
    for number in range(int(per_s * for_s)):
        await asyncio.sleep(max(0.0, began_s + number / per_s - time.perf_counter()))
        said.append(asyncio.create_task(crowd.say()))
    return list(await asyncio.gather(*said))


async def at_full_speed(crowd: Crowd, *, for_s: float) -> list[float]:
    """As many as go through with `AT_ONCE` on their way."""
    ends_s = time.perf_counter() + for_s
    took: list[float] = []

    async def one_after_another() -> None:
        while time.perf_counter() < ends_s:
            took.append(await crowd.say())

    await asyncio.gather(*(one_after_another() for _ in range(AT_ONCE)))
    return took


async def _measured(daemons: dict[str, psutil.Process], phase: Any) -> Figures:
    began_s, cpu_s = time.perf_counter(), _cpu_s(daemons)
    took = await phase
    seconds = time.perf_counter() - began_s
    used = {name: (after - cpu_s[name]) / len(took) * 1e6 for name, after in _cpu_s(daemons).items()}
    cuts = quantiles(took, n=100)
    return Figures(
        messages=len(took),
        messages_per_s=round(len(took) / seconds, 1),
        server_cpu_us_per_message=round(sum(used.values())),
        cpu_us_by_daemon={name: round(one) for name, one in used.items()},
        p50_ms=round(cuts[49], 1),
        p99_ms=round(cuts[98], 1),
    )


def _cpu_s(processes: dict[str, psutil.Process]) -> dict[str, float]:
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


async def measure(folder: Path, *, for_s: float, processes: bool) -> tuple[Figures, Figures]:
    """At 50 messages a second, and at full speed."""
    command = [
        sys.executable,
        "-m",
        "trinario",
        "up",
        *(["--processes"] if processes else []),
        "--port-base",
        "0",
        "--json",
        "--data",
        str(folder),
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: ASYNC220, S603
    try:
        ready = json.loads(await asyncio.to_thread(running.stdout.readline))  # type: ignore[union-attr]
        by_pid = {one["pid"]: name for name, one in ready["daemons"].items()}
        daemons = {name: psutil.Process(pid) for pid, name in by_pid.items()}
        seed = (folder / "keys" / "operator.nk").read_text().strip()
        operator = await Connection.open(url=ready["nats"], seed=seed, name="bench", role="operator")
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as tasks:
            crowd = Crowd(http=http, rails=ready["rails"], tasks=tasks)
            await crowd.join(operator)
            await steadily(crowd, per_s=50, for_s=2)  # warm
            steady = await _measured(daemons, steadily(crowd, per_s=50, for_s=for_s))
            full = await _measured(daemons, at_full_speed(crowd, for_s=for_s))
            running.terminate()
            await asyncio.to_thread(running.wait)
        await operator.close()
        return steady, full
    finally:
        if running.poll() is None:
            running.kill()
