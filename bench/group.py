"""What a message costs the bus in a large group, and between two: ``python -m bench.group [EVENTS] [TURNS] [MEMBERS]``.

One conversation each, on a bus each, routed by turns in one run: events in, bytes stored (the log, and the snapshots of
conversations), CPU of the router and of nats-server. One leg a rail in both, three of them.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

import uvloop

from bench.router import Bench, loaded
from bench.traffic import Talk, circle, pairs
from bus import logs
from router.daemon import quiet_collector

MOST = 1.2


async def compare(*, events: int, turns: int, members: int) -> dict[str, float]:
    """Ratios, group to direct: of bytes and of CPU a message; and the group's figures."""
    talks: dict[str, Talk] = {"direct": pairs(one_partition=False)[0], "group": circle(members)}
    cpu: dict[str, list[float]] = {name: [] for name in talks}
    stored: dict[str, list[float]] = {name: [] for name in talks}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            loaded(folder / "direct", events=events, talk=[talks["direct"]]) as direct,
            loaded(folder / "group", events=events, talk=[talks["group"]]) as group,
        ):
            benches: dict[str, Bench] = {"direct": direct, "group": group}
            for turn in range(turns + 1):
                for which, bench in benches.items():
                    figures = await bench.route()
                    if turn:  # the first warms up
                        cpu[which].append(figures.cpu_us_per_event + figures.server_cpu_us_per_event)
                        stored[which].append(await bench.stored_bytes() / events)
    return {
        "members": members,
        "events": 1.0,
        "bytes": round(median(stored["group"]) / median(stored["direct"]), 3),
        "cpu": round(median(cpu["group"]) / median(cpu["direct"]), 3),
        "bytes_a_message": round(median(stored["group"])),
        "cpu_us_a_message": round(median(cpu["group"]), 1),
    }


def shown(figures: dict[str, float]) -> str:
    """A line for the terminal."""
    return (
        f"a group of {figures['members']:,.0f} beside a direct message: {figures['bytes']:.2f} of its bytes "
        f"({figures['bytes_a_message']:,.0f}), {figures['cpu']:.2f} of its CPU ({figures['cpu_us_a_message']:.1f} us)"
    )


def main() -> int:
    """Measure, print; 1 when a group costs more than it may."""
    logs.configure("error")
    quiet_collector()
    given = [int(one) for one in sys.argv[1:]]
    events, turns, members = (given + [40_000, 5, 1000][len(given) :])[:3]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(compare(events=events, turns=turns, members=members))
    print(shown(figures))
    return 0 if max(figures["bytes"], figures["cpu"]) <= MOST else 1


if __name__ == "__main__":
    raise SystemExit(main())
