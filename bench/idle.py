"""What it costs that nothing happens: CPU of each daemon, and messages stored. `python -m bench.idle [SECONDS]`.

`trinario up --processes` with the bundled rails and nobody writing. CPU is the operating system's; a message stored is
an fsync, whatever it is for. Its bar: all of it together takes less than 1 % of a core.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bus.connection import Connection

BAR_PERCENT = 1.0
_SETTLE_S = 10.0


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One look at an idle system."""

    seconds: float
    percent_of_a_core: float
    """All processes together."""
    percent_by_daemon: Mapping[str, float]
    resident_mib_by_daemon: Mapping[str, float]
    stored_per_s: float
    stored_by_stream: Mapping[str, float]


async def measure(folder: Path, *, for_s: float) -> Figures:
    """Start everything, let it settle, look for `for_s`."""
    with _up(folder) as ready:
        processes = {name: psutil.Process(one["pid"]) for name, one in ready["daemons"].items()}
        seed = (folder / "keys" / "admin.nk").read_text().strip()
        admin = await Connection.open(url=ready["nats"], seed=seed, name="bench", role="admin")
        await asyncio.sleep(_SETTLE_S)
        cpu_s, stored = _cpu_s(processes), await _stored(admin)
        await asyncio.sleep(for_s)
        used_s = {name: after - cpu_s[name] for name, after in _cpu_s(processes).items()}
        written = {name: last - stored.get(name, 0) for name, last in (await _stored(admin)).items()}
        await admin.close()
        return Figures(
            seconds=for_s,
            percent_of_a_core=round(sum(used_s.values()) / for_s * 100, 2),
            percent_by_daemon={name: round(one / for_s * 100, 2) for name, one in used_s.items()},
            resident_mib_by_daemon={name: round(one.memory_info().rss / 2**20, 1) for name, one in processes.items()},
            stored_per_s=round(sum(written.values()) / for_s, 2),
            stored_by_stream={name: round(count / for_s, 2) for name, count in written.items() if count},
        )


@contextmanager
def _up(folder: Path) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "trinario", "up", "--processes", "--port-base", "0", "--json"]
    running = subprocess.Popen(  # noqa: S603 - our own program
        [*command, "--data", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield json.loads(running.stdout.readline())  # type: ignore[union-attr]
        running.terminate()
        running.wait(30)
    finally:
        if running.poll() is None:
            running.kill()


def _cpu_s(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


async def _stored(admin: Connection) -> dict[str, int]:
    """Stream -> its last sequence: how many messages it was ever given."""
    listed = await admin.api("STREAM.LIST")
    return {one["config"]["name"]: one["state"]["last_seq"] for one in listed["streams"]}


def shown(figures: Figures) -> str:
    """A table for the terminal."""
    lines = [
        f"{name:<24}{percent:>6.2f} % of a core{figures.resident_mib_by_daemon[name]:>8.1f} MiB"
        for name, percent in sorted(figures.percent_by_daemon.items(), key=lambda one: -one[1])
    ]
    stored = ", ".join(f"{name} {per_s}" for name, per_s in figures.stored_by_stream.items())
    total = (
        f"idle, all together: {figures.percent_of_a_core:.2f} % of a core (bar {BAR_PERCENT}); "
        f"{figures.stored_per_s:.2f} messages stored a second ({stored or 'none'})"
    )
    return "\n".join([*lines, total])


def main() -> int:
    """Measure and print; 1 when the bar is not held."""
    for_s = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(Path(folder), for_s=for_s))
    print(shown(figures))
    return 0 if figures.percent_of_a_core <= BAR_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
