"""``python -m tests.simulation [--world bus|whole] [--seed N] [--schedules N]``: a simulation, for as long as you like.

Two processes share the seeds from ``--seed`` on (without: a random one, printed). The first that fails is made smaller
and told step by step; ``--schedules 1`` with its seed carries it out again, step by step the same. Ends with 1 then.
"""

import argparse
import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial

from tests.simulation.many import WORLDS, carry_out_all, explain

_CHUNK = 250


def _chunks(first: int, count: int) -> Iterator[range]:
    for start in range(first, first + count, _CHUNK):
        yield range(start, min(start + _CHUNK, first + count))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--schedules", type=int, default=10_000)
    parser.add_argument("--world", choices=WORLDS, default="bus")
    asked = parser.parse_args()
    first = secrets.randbelow(1_000_000_000) if asked.seed is None else asked.seed
    print(f"simulation of the {asked.world}: {asked.schedules} schedules from seed {first}", flush=True)
    happened: Counter[str] = Counter()
    cpu_s, done, began_s = 0.0, 0, time.monotonic()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for some, used_s, failed in pool.imap_unordered(
            partial(carry_out_all, asked.world), _chunks(first, asked.schedules)
        ):
            happened.update(some)
            cpu_s += used_s
            done += _CHUNK
            if failed:
                print(explain(asked.world, failed[0]))
                return 1
            if done % 10_000 == 0:
                print(f"simulation: {done} good, {time.monotonic() - began_s:.0f} s", flush=True)
    faults = ", ".join(f"{count} x {kind}" for kind, count in sorted(happened.items()))
    print(f"simulation: all {asked.schedules} good; {asked.schedules / cpu_s:.0f} a CPU second; {faults}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
