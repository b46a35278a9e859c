"""Many seeds of a world, one after the other, and what is told of one that fails. Runs in processes of its own."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from router.daemon import quiet_collector
from tests.simulation import runs, whole_runs
from tests.simulation.federation import RAILS
from tests.simulation.plans import Plan, draw, shrink
from tests.simulation.quiet import silence
from tests.simulation.rail import template as empty_rail
from tests.simulation.runs import Outcome
from tests.simulation.whole import settled
from tests.simulation.world import template

WORLDS = ("bus", "whole")


def open_world(world: str) -> tuple[Callable[[int], Plan], Callable[[Plan], Outcome]]:
    """What draws a seed's plan, and what carries it out, in the bus's world or in the whole federation's."""
    silence()
    quiet_collector()
    if world == "bus":
        server = template()
        return draw, lambda plan: runs.carry_out(plan, server)
    with tempfile.TemporaryDirectory() as folder:
        before = settled({rail: empty_rail(Path(folder), rail) for rail in RAILS}, Path(folder))
    return whole_runs.plan_of, lambda plan: whole_runs.carry_out(plan, before)


def carry_out_all(world: str, seeds: range) -> tuple[dict[str, int], float, list[int]]:
    """What happened in them, the CPU seconds that they took, and which failed."""
    plan_of, carry_out = open_world(world)
    began_s = time.process_time()
    happened: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        outcome = carry_out(plan_of(seed))
        happened.update(outcome.happened)
        if not outcome.is_good:
            failed.append(seed)
    return dict(happened), time.process_time() - began_s, failed


def explain(world: str, seed: int) -> str:
    """A seed that fails, as small as it gets, and what is wrong then."""
    plan_of, carry_out = open_world(world)
    plan = plan_of(seed)
    if carry_out(plan).is_good:
        return f"seed {seed} is good now"
    small = shrink(plan, lambda one: not carry_out(one).is_good)
    again = f"make simulation WORLD={world} SEED={seed}"
    return f"seed {seed} fails. The least of it that does:\n{small}\n{carry_out(small)}\nReplay: {again}"
