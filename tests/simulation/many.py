"""Many seeds, one after the other, and what is told of one that fails. Its functions run in processes of their own."""

import time
from collections import Counter

from router.daemon import quiet_collector
from tests.simulation.plans import draw, shrink
from tests.simulation.quiet import silence
from tests.simulation.runs import carry_out
from tests.simulation.world import template


def carry_out_all(seeds: range) -> tuple[dict[str, int], float, list[int]]:
    """What happened in them, the CPU seconds that they took, and which failed."""
    silence()
    quiet_collector()
    before, began_s = template(), time.process_time()
    happened: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        outcome = carry_out(draw(seed), before)
        happened.update(outcome.happened)
        if not outcome.is_good:
            failed.append(seed)
    return dict(happened), time.process_time() - began_s, failed


def explain(seed: int) -> str:
    """A seed that fails, as small as it gets, and what is wrong then."""
    silence()
    before = template()
    plan = draw(seed)
    if carry_out(plan, before).is_good:
        return f"seed {seed} is good now"
    small = shrink(plan, lambda one: not carry_out(one, before).is_good)
    found = carry_out(small, before)
    return f"seed {seed} fails. The least of it that does:\n{small}\n{found}\nReplay: make simulation SEED={seed}"
