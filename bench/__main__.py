"""`python -m bench`: the router beside the bare relay, the ledger, the whole path: to bench/results/latest.json.

`BARS_QUICK=1` makes a shorter run that ends within 40 s. Figures of different runs or machines do not compare; the
ratios do.
"""

import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop

from bench import beside, budget, group, ledger, path
from bench.router import compare, summary
from bus import logs
from router.daemon import quiet_collector

RESULTS = Path(__file__).parent / "results" / "latest.json"

_CALLED = {"copy": "bare copy", "relay": "bare relay", "router": "router"}


_BESIDE = {"events": 600_000, "turns": 3, "per_s": 5_000}


async def _measure(*, events: int, turns: int, path_s: float, is_quick: bool) -> dict[str, Any]:
    figures: dict[str, Any] = {"machine": _machine()}
    print(f"{'':<30}{'events/s':>10}{'CPU us':>9}{'server us':>11}{'of relay':>10}{'by CPU':>8}")
    for name, words, one_partition in (
        ("router", "one partition", True),
        ("router_partitions", "sixteen partitions", False),
    ):
        with tempfile.TemporaryDirectory() as folder:
            found = await compare(Path(folder), events=events, turns=turns, one_partition=one_partition)
        figures[name] = summary(found)
        relay = found["relay"]
        for who, one in found.items():
            print(
                f"{words + ', ' + _CALLED[who]:<30}{one.events_per_s:>10,.0f}{one.cpu_us_per_event:>9.1f}"
                f"{one.server_cpu_us_per_event:>11.1f}{one.events_per_s / relay.events_per_s:>10.2f}"
                f"{relay.cpu_us_per_event / one.cpu_us_per_event:>8.2f}"
            )
    in_group = await group.compare(events=events, turns=turns, members=1000)
    figures["group"] = in_group
    print(group.shown(in_group))
    with_search, without = await ledger.compare(messages=events // 4)
    figures["ledger"] = {**msgspec.to_builtins(with_search), "no_texts": msgspec.to_builtins(without)}
    print(ledger.shown(with_search), ledger.shown(without), sep="\n")
    if not is_quick:
        figures["ledger"]["beside"] = await beside.compare(**_BESIDE)
        print(beside.shown(figures["ledger"]["beside"]))
    for name, words, processes in (
        ("path", "a process a daemon", True),
        ("path_in_process", "all in one process", False),
    ):
        with tempfile.TemporaryDirectory() as folder:
            steady, full = await path.measure(Path(folder), for_s=path_s, processes=processes)
        figures[name] = {**msgspec.to_builtins(full), "at_50_per_s": msgspec.to_builtins(steady)}
        for pace, one in (("at 50 messages/s", steady), ("at full speed", full)):
            print(
                f"whole path, {words}, {pace}: {one.messages_per_s:,.0f} messages/s, "
                f"{one.server_cpu_us_per_message:,.0f} us server CPU a message, p50 {one.p50_ms:.1f} ms, "
                f"p99 {one.p99_ms:.1f} ms"
            )
    return figures


def _machine() -> dict[str, Any]:
    return {
        "cpus": psutil.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def main() -> int:
    """Measure, print, write; 1 when a part costs more than `bench/budget.toml` allows."""
    logs.configure("warning")
    quiet_collector()
    quick = os.environ.get("BARS_QUICK") == "1"
    events, turns, path_s = (8_000, 3, 3) if quick else (40_000, 5, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures = runner.run(_measure(events=events, turns=turns, path_s=path_s, is_quick=quick))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    before = msgspec.json.decode(RESULTS.read_bytes()) if RESULTS.exists() else {}
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode({**before, **figures}), indent=2) + b"\n")
    print(f"Written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}.")
    over = budget.over(figures, budget.read())
    print(*(f"over budget: {line}" for line in over), sep="\n", end="\n" if over else "")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
