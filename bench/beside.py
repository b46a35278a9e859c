"""What a ledger that follows costs the router: the router alone and with one beside it, by turns, in one run.

    python -m bench.beside [events] [turns] [ledger's events a second; 0: as many as it can]

A ledger that keeps up with N events a second costs what it costs at that pace, however fast the router is measured: the
third number holds it to that. The ledger is a process of its own, as `trinario ledger run` is one, and as polite: it
leaves the CPU to whoever routes. What counts is only what it has kept while the router was measured: it starts on an
empty log, and says what it keeps and when. A ledger that stood still costs nothing, so one that falls short of its
pace ends the run with 1.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

import uvloop

from bench.router import Figures, loaded
from bench.traffic import pairs
from bus import logs
from bus.connection import Connection
from bus.stored import StoredMessage
from router.daemon import quiet_collector
from router.ledger.daemon import yield_to_others
from router.ledger.projector import OtherLog, Projector
from router.ledger.store import delete, open_store

_RECORDS_AT_ONCE = 8
_ENOUGH = 0.95
_KEPT = "kept"


class Paced(Projector):
    """A ledger that takes at most so many events a second, in small steps; 0: no limit, and the usual steps.

    Notes in the file `kept` when it has kept how many.
    """

    per_s = 0
    kept: Path
    _start_s = 0.0

    async def _take(self, messages: list[StoredMessage]) -> None:
        self._start_s = self._start_s or time.monotonic()
        step = _RECORDS_AT_ONCE if self.per_s else len(messages)
        for place in range(0, len(messages), step):
            before = self.facts
            await super()._take(messages[place : place + step])
            with self.kept.open("a") as notes:
                notes.write(f"{time.monotonic()} {self.facts - before}\n")
            if self.per_s:  # by the clock since the start, so that what reading takes is made up for
                await asyncio.sleep(max(0.0, self._start_s + self.facts / self.per_s - time.monotonic()))


async def follow(url: str, seed: str, folder: Path, per_s: int) -> None:
    """Be the ledger, until killed. A log that was emptied between two turns is another log."""
    yield_to_others()
    conn = await Connection.open(url=url, seed=seed, name="bench-ledger", role="ledger")
    path = folder / "ledger.db"
    while True:
        store = await open_store(path)
        with suppress(OtherLog):
            ledger = Paced(conn=conn, store=store, search=True)
            ledger.per_s, ledger.kept = per_s, folder / _KEPT
            await ledger.run()
        await store.close()
        delete(path)


@contextmanager
def _ledger(url: str, folder: Path, per_s: int) -> Iterator[None]:
    words = [sys.executable, "-m", "bench.beside", "follow", url, str(folder), str(per_s)]
    running = subprocess.Popen(words, env={**os.environ, "TRINARIO_BENCH_LEDGER": "1"})  # noqa: S603
    try:
        yield
    finally:
        running.kill()
        running.wait()


async def compare(*, events: int, turns: int, per_s: int) -> dict[str, float]:
    """Medians: events a second alone and beside a ledger, the ratio, and the ratio by the router's own CPU.

    `kept_per_s`: the ledger's events a second in its slowest turn, within the time in which the router was measured.
    """
    found: dict[str, list[Figures]] = {"alone": [], "beside": []}
    kept_per_s: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with loaded(folder, events=events, talk=pairs(one_partition=False)) as bench:
            await bench.route()
            for _ in range(turns):
                found["alone"].append(await bench.route())
                await bench.empty()  # or it would begin with what the last turn has left
                with _ledger(bench.url, folder, per_s):
                    await asyncio.sleep(1)  # until it has connected: before that it costs nothing
                    start_s = time.monotonic()
                    found["beside"].append(await bench.route())
                    kept_per_s.append(_kept_per_s(folder / _KEPT, start_s, time.monotonic()))
    routed_per_s = {name: median(one.events_per_s for one in figures) for name, figures in found.items()}
    cpu = {name: median(one.cpu_us_per_event for one in figures) for name, figures in found.items()}
    return {
        "alone_per_s": round(routed_per_s["alone"]),
        "beside_per_s": round(routed_per_s["beside"]),
        "of_alone": round(routed_per_s["beside"] / routed_per_s["alone"], 3),
        "of_alone_by_cpu": round(cpu["alone"] / cpu["beside"], 3),
        "kept_per_s": round(min(kept_per_s)),
    }


def _kept_per_s(notes: Path, start_s: float, end_s: float) -> float:
    """What was kept between the two, of the clock that is the same in all processes of a machine."""
    rows = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    return sum(int(count) for at_s, count in rows if start_s <= float(at_s) <= end_s) / (end_s - start_s)


def shown(figures: dict[str, float]) -> str:
    """A line for the terminal."""
    return (
        f"router alone {figures['alone_per_s']:,.0f} events/s, beside a ledger {figures['beside_per_s']:,.0f}: "
        f"{figures['of_alone']:.2f} of it, {figures['of_alone_by_cpu']:.2f} by the router's CPU; "
        f"meanwhile the ledger kept {figures['kept_per_s']:,.0f} events/s in its slowest turn"
    )


def main() -> int:
    """The command."""
    logs.configure("warning")
    if sys.argv[1:2] == ["follow"]:
        folder = Path(sys.argv[3])
        uvloop.run(follow(sys.argv[2], (folder / "keys" / "ledger.nk").read_text().strip(), folder, int(sys.argv[4])))
        return 0
    quiet_collector()
    given = [int(one) for one in sys.argv[1:]]
    events, turns, per_s = (given + [40_000, 5, 0][len(given) :])[:3]
    figures = uvloop.run(compare(events=events, turns=turns, per_s=per_s))
    print(shown(figures))
    return 0 if figures["kept_per_s"] >= per_s * _ENOUGH else 1


if __name__ == "__main__":
    sys.exit(main())
