"""``python -m tests.soak.recovery``: how long after a ``kill -9`` of each daemon the next message is shown elsewhere.

One at a time: a daemon is killed, at once a message is written on one rail, and the clock stops when the other rail's
phone shows it. The daemon killed is on the message's way. Medians and the worst of several turns.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.e2e.conftest import Federation
from tests.must import eventually
from tests.soak.crowd import Phone
from tests.soak.nemesis import Nemesis

WITHIN_S = 60.0
DAEMONS = ("router", "nats", "bridge-whatsapp", "bridge-instagram", "rail-instagram")
"""Between WhatsApp, where it is written, and Instagram, where it is looked for."""

ALICE, BOB = "whatsapp:+393331112222", "instagram:@bob"


async def _phone(federation: Federation, http: aiohttp.ClientSession, handle: str) -> Phone:
    rail, _, address = handle.partition(":")
    url = federation.rails[rail]
    async with http.post(f"{url}/client/v1/accounts", json={"address": address, "name": address}) as answer:
        token = (await answer.json())["token"]
    return Phone(http=http, url=url, handle=handle, token=token)


async def _taken(alice: Phone, body: dict[str, str]) -> None:
    answer = await alice.surely("POST", "messages", json=body)
    assert answer is not None
    assert answer[0] in (200, 201)


async def _delivered_s(alice: Phone, bob: Phone, text: str) -> float:
    """Write, and look until it is there."""
    began_s = time.monotonic()
    body = {"to": BOB, "text": text, "client_key": text}
    await eventually(lambda: _taken(alice, body))  # bob may have just come: the federation has yet to hear of him
    while time.monotonic() - began_s < WITHIN_S:
        if any(message["text"] == text for message in await bob.thread(ALICE)):
            return time.monotonic() - began_s
        await asyncio.sleep(0.02)
    raise AssertionError(f"{text} was not shown within {WITHIN_S:g} s")


async def measure(folder: Path, turns: int) -> dict[str, dict[str, float]]:
    """Daemon -> seconds from its end to the next delivery; ``nobody``: without a kill."""
    federation = Federation(folder)
    await federation.start()
    found: dict[str, list[float]] = {}
    try:
        async with aiohttp.ClientSession() as http:
            alice, bob = [await _phone(federation, http, handle) for handle in (ALICE, BOB)]
            nemesis = Nemesis(data=folder / "data", http=http, seed=0, pause_s=(0, 0))
            await _delivered_s(alice, bob, "hello")
            for turn in range(turns):
                for daemon in (None, *DAEMONS):
                    killing = asyncio.create_task(nemesis.kill(daemon)) if daemon else None
                    await asyncio.sleep(0)
                    found.setdefault(daemon or "nobody", []).append(
                        await _delivered_s(alice, bob, f"{daemon or 'nobody'}-{turn}")
                    )
                    if killing is not None:
                        await killing
                    await asyncio.sleep(11)  # a daemon that lives for 10 s is started again without a longer pause
    finally:
        await federation.stop()
    return {
        daemon: {"median_s": round(statistics.median(times), 2), "worst_s": round(max(times), 2)}
        for daemon, times in found.items()
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.recovery", description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="trinario-recovery-") as folder:
        print(json.dumps(asyncio.run(measure(Path(folder), asked.turns)), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
