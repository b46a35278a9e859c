"""What happens in one run, as data: made from a seed, told in words, and made smaller when it fails."""

import random
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tests.simulation.people import ACCOUNTS
from tests.simulation.world import ROUTERS

BRIDGES = ("bridge-whatsapp", "bridge-messenger")
EVERYBODY = (*ROUTERS, *BRIDGES)
_ACTS_WITHIN_MS, _FAULTS_WITHIN_MS = 1500, 2500


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody writes to somebody, or reads what they wrote. Milliseconds of the run."""

    at_ms: int
    what: str
    who: str
    rail: str
    whom: str

    def __str__(self) -> str:
        return f"{self.at_ms:5} ms  {self.who} on {self.rail}: {self.what} {self.whom}"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something goes wrong, and is over after `ms`."""

    at_ms: int
    kind: str
    target: str
    ms: int

    def __str__(self) -> str:
        return f"{self.at_ms:5} ms  {self.kind} {self.target} for {self.ms} ms"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run. `seed`: of everything that is drawn while it runs."""

    seed: int
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        steps = sorted([*self.acts, *self.faults], key=lambda step: step.at_ms)
        return "\n".join(map(str, steps))


FAULTS: dict[str, tuple[tuple[str, ...], int]] = {
    "kill": (EVERYBODY, 1500),
    "stop": (EVERYBODY, 3500),
    "cut": (EVERYBODY, 1),
    "half-open": (EVERYBODY, 4000),
    "lose answers to": (EVERYBODY, 1),
    "restart": (("nats-server",), 1500),
}
"""What can go wrong, with what, and for how long at most."""


Faults = Mapping[str, tuple[tuple[str, ...], int]]


def draw(seed: int, *, accounts: Sequence[tuple[str, str]] = tuple(ACCOUNTS), faults: Faults = FAULTS) -> Plan:
    """The plan of a seed: a few acts close together, and up to four faults among them."""
    chance = random.Random(seed)
    acts = sorted([_act(chance, accounts) for _ in range(chance.randint(2, 9))], key=lambda act: act.at_ms)
    count = chance.choice((0, 1, 1, 2, 2, 3, 4))
    wrong = sorted([_fault(chance, faults) for _ in range(count)], key=lambda one: one.at_ms)
    return Plan(seed=seed, acts=tuple(acts), faults=tuple(wrong))


def _act(chance: random.Random, accounts: Sequence[tuple[str, str]]) -> Act:
    who, rail = chance.choice(accounts)
    whom = chance.choice([one for one in ("alice", "bob", "carla") if one != who])
    what = chance.choice(("writes to", "writes to", "writes to", "reads what came from"))
    return Act(at_ms=chance.randrange(_ACTS_WITHIN_MS), what=what, who=who, rail=rail, whom=whom)


def _fault(chance: random.Random, faults: Faults) -> Fault:
    kind = chance.choice(list(faults))
    targets, longest_ms = faults[kind]
    return Fault(
        at_ms=chance.randrange(_FAULTS_WITHIN_MS),
        kind=kind,
        target=chance.choice(targets),
        ms=1 + int(chance.random() ** 2 * longest_ms),
    )


def shrink(plan: Plan, is_bad: Callable[[Plan], bool]) -> Plan:
    """The same failure with fewer faults and fewer acts: each is left out in turn for as long as it still fails."""
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for name in ("faults", "acts"):
            index = 0
            while index < len(steps := getattr(plan, name)):
                less = msgspec.structs.replace(plan, **{name: steps[:index] + steps[index + 1 :]})
                if is_bad(less):
                    plan, is_smaller = less, True
                else:
                    index += 1
    return plan
