"""``python -m tests.soak.backlog``: a rail is dead while tens of thousands of messages wait for it; then it comes back.

The rail is stopped in its tracks (connections open, nothing coming: the worst way to be dead). What people on the
other two rails notice meanwhile is measured by probes, the same before and during; then the rail wakes up, and every
message must be on it, in the order in which it was written. How long the rail is dead follows from how long the pouring
takes: it is the backlog that counts, not the minutes. Prints one JSON document; ends with 1 when a promise is not kept.
"""

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.e2e.conftest import Federation
from tests.must import eventually
from tests.soak.crowd import Phone

DEAD = "instagram"
_CHATS, _PROBES = 20, 300
_SHOWN_WITHIN_S, _DRAINED_WITHIN_S = 60.0, 900.0
_WORSE_AT_MOST, _SLACK_S = 1.10, 0.005
"""How much slower the other rails may be, and what of it no clock on a shared machine can tell."""
_GROWN_AT_MOST_BYTES = 150 * 1024 * 1024


class Town:
    """A federation, its accounts, and what is measured of it."""

    def __init__(self, federation: Federation, http: aiohttp.ClientSession) -> None:
        self._federation, self._http = federation, http
        self.poured: dict[int, list[str]] = {chat: [] for chat in range(_CHATS)}

    async def phone(self, handle: str) -> Phone:
        """A new account's app."""
        rail, _, address = handle.partition(":")
        url = self._federation.rails[rail]
        async with self._http.post(f"{url}/client/v1/accounts", json={"address": address, "name": address}) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
        return Phone(http=self._http, url=url, handle=handle, token=token)

    async def sent(self, phone: Phone, to: str, text: str) -> None:
        """Accepted, whatever it takes."""
        answer = await phone.surely("POST", "messages", json={"to": to, "text": text, "client_key": text})
        assert answer is not None
        assert answer[0] in (200, 201), answer

    async def probe(self, alice: Phone, bob: Phone, text: str) -> float:
        """From the writing on one rail to the showing on another, in seconds."""
        began_s, socket_text = time.monotonic(), ""
        async with self._http.ws_connect(
            f"{self._federation.rails[bob.rail]}/client/v1/ws", headers={"Authorization": f"Bearer {bob.token}"}
        ) as socket:
            began_s = time.monotonic()
            await self.sent(alice, bob.handle, text)
            async with asyncio.timeout(_SHOWN_WITHIN_S):
                while socket_text != text:
                    news = await socket.receive_json()
                    socket_text = news["message"]["text"] if news["type"] == "message" else ""
        return time.monotonic() - began_s

    async def probes(self, alice: Phone, bob: Phone, name: str) -> list[float]:
        """As many as it takes for a 99th percentile."""
        return [await self.probe(alice, bob, f"{name}-{number}") for number in range(_PROBES)]

    async def pour(self, writers: list[Phone], readers: list[Phone], legs: int) -> None:
        """Everybody writes to one account of the dead rail."""

        async def one(chat: int) -> None:
            for number in range(legs // _CHATS):
                text = f"{chat}-{number}"
                await self.sent(writers[chat], readers[chat].handle, text)
                self.poured[chat].append(text)

        async with asyncio.TaskGroup() as tasks:
            for chat in range(_CHATS):
                tasks.create_task(one(chat))

    async def waiting(self) -> int:
        """How many legs the dead rail's bridge holds."""
        url = self._federation.run_file()["bridges"][DEAD]
        async with self._http.get(f"{url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith("trinario_bridge_legs_pending")))

    def rss_bytes(self) -> dict[str, int]:
        """Daemon -> its memory."""
        daemons = self._federation.run_file()["daemons"]
        return {name: psutil.Process(daemon["pid"]).memory_info().rss for name, daemon in daemons.items()}

    def signal_rail(self, number: signal.Signals) -> None:
        """Stop it in its tracks, or let it go on."""
        os.kill(self._federation.run_file()["daemons"][f"rail-{DEAD}"]["pid"], number)

    async def came(self, writers: list[Phone], readers: list[Phone]) -> bool:
        """Whether every message is there; raises when one is out of order, or there twice."""
        is_all = True
        for chat, texts in self.poured.items():
            thread = [message["text"] for message in await readers[chat].thread(writers[chat].handle)]
            assert thread == texts[: len(thread)], f"chat {chat} is out of order"
            is_all &= len(thread) == len(texts)
        return is_all


async def measure(folder: Path, legs: int) -> dict[str, Any]:
    """One run; figures as printed."""
    federation = Federation(folder)
    await federation.start()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            return await _measure(Town(federation, http), legs)
    finally:
        await federation.stop()


async def _measure(town: Town, legs: int) -> dict[str, Any]:
    alice, bob = await town.phone("whatsapp:+393330000001"), await town.phone("messenger:bob.b")
    writers = [await town.phone(f"whatsapp:+39333{chat + 100:07}") for chat in range(_CHATS)]
    readers = [await town.phone(f"{DEAD}:@reader{chat}") for chat in range(_CHATS)]
    for chat in range(_CHATS):  # every thread is known to both rails before one of them dies
        await eventually(lambda chat=chat: town.sent(writers[chat], readers[chat].handle, f"{chat}-hello"))  # type: ignore[misc]
        town.poured[chat].append(f"{chat}-hello")
    await eventually(lambda: town.sent(alice, bob.handle, "hello"))
    await _until(lambda: town.came(writers, readers))
    before, rss_before = await town.probes(alice, bob, "before"), town.rss_bytes()
    town.signal_rail(signal.SIGSTOP)
    dead_s = time.monotonic()
    try:
        await town.pour(writers, readers, legs)
        poured_s = time.monotonic() - dead_s
        await _until(lambda: _holds(town, legs))
        waiting, during, rss_during = await town.waiting(), await town.probes(alice, bob, "during"), town.rss_bytes()
    finally:
        town.signal_rail(signal.SIGCONT)
    woke_s = time.monotonic()
    await _until(lambda: town.came(writers, readers))
    return {
        "legs_waiting": waiting,
        "dead_s": round(woke_s - dead_s, 1),
        "poured_s": round(poured_s, 1),
        "before_ms": _figures(before),
        "during_ms": _figures(during),
        "drained_s": round(time.monotonic() - woke_s, 1),
        "grown_mib": {name: (rss_during[name] - rss) >> 20 for name, rss in rss_before.items() if name in rss_during},
        "troubles": _troubles(before, during, rss_before, rss_during, waiting=waiting, legs=legs),
    }


async def _holds(town: Town, legs: int) -> bool:
    return await town.waiting() >= legs


async def _until(check: Any) -> None:
    async def holds() -> None:
        assert await check()

    until_s = time.monotonic() + _DRAINED_WITHIN_S
    await eventually(holds, within_s=until_s - time.monotonic())


def _figures(seconds: list[float]) -> dict[str, float]:
    return {
        "p50": round(1000 * statistics.median(seconds), 1),
        "p99": round(1000 * statistics.quantiles(seconds, n=100)[98], 1),
    }


def _troubles(
    before: list[float],
    during: list[float],
    rss_before: dict[str, int],
    rss_during: dict[str, int],
    *,
    waiting: int,
    legs: int,
) -> list[str]:
    found = []
    p99 = [statistics.quantiles(seconds, n=100)[98] for seconds in (before, during)]
    if p99[1] > p99[0] * _WORSE_AT_MOST + _SLACK_S:
        found.append(f"the other rails' p99 rose from {p99[0] * 1000:.1f} to {p99[1] * 1000:.1f} ms")
    found += [
        f"{name} grew by {(rss - rss_before[name]) >> 20} MiB"
        for name, rss in rss_during.items()
        if rss - rss_before.get(name, rss) > _GROWN_AT_MOST_BYTES and not name.startswith("nats")
    ]
    if waiting < legs:
        found.append(f"only {waiting} legs waited: this was no test")
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.backlog", description=__doc__)
    parser.add_argument("--legs", type=int, default=50_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trinario-backlog-") as folder:
        found = asyncio.run(measure(Path(folder), asked.legs))
    print(json.dumps(found, indent=1))
    return 1 if found["troubles"] else 0


if __name__ == "__main__":
    sys.exit(main())
