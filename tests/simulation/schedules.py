"""Seeded schedules: people's acts in their order, and between them any turns of any part, with losses and crashes."""

import random
from collections.abc import Callable, Sequence

from tests.simulation.federation import RAILS, Federation

Act = Callable[[], object]
Turn = tuple[str, str]


async def run(federation: Federation, acts: Sequence[Sequence[Act]], seed: int) -> list[str]:
    """Carry out all acts (each inner list in its order), then let it become quiet. What was done, one line a step."""
    chance = random.Random(seed)
    left = [list(some) for some in acts]
    told: list[str] = []
    while any(left):
        if chance.random() < 0.3:
            some = chance.choice([one for one in left if one])
            federation.tick(chance.choice((1, 400, 1000)))
            some.pop(0)()
            told.append(f"act {left.index(some)}")
        else:
            told.append(await _turn(federation, chance))
    told += [await _turn(federation, chance) for _ in range(chance.randrange(40))]
    for rail in federation.rails.values():
        rail.losing.clear()
    await federation.quiet()
    return told


async def _turn(federation: Federation, chance: random.Random) -> str:
    rail = chance.choice(RAILS)
    bridge = federation.bridges[rail]
    what = chance.choice(("hook", "publish", "route", "read", "call", "call", "lose", "crash"))
    match what:
        case "hook":
            twice, swapped = chance.random() < 0.2, chance.random() < 0.2
            await federation.hook(rail, most=chance.choice((1, 2, 200)), twice=twice, swapped=swapped)
        case "publish":
            await bridge.publish()
        case "route":
            await federation.route(rail, chance.choice((1, 100)))
        case "read":
            await bridge.read(chance.choice((1, 100)))
        case "call":
            await bridge.call()
        case "lose":
            federation.rails[rail].losing.append(chance.choice(("before", "after")))
        case _:
            bridge.crash()
    return f"{what} {rail}"
