"""Carry out a plan in a world of its own, and judge it: safety first, then whether it came to an end in time.

The judge is the soak's own (`tests.checker`), given what the rails show; and positions must rise in every conversation.
"""

import asyncio
import hashlib
from collections import Counter

import msgspec

from bus.subjects import LOG
from tests.checker.history import Finding, History, Sent, check
from tests.simulation.ends import positions_wrong, shown
from tests.simulation.faults import begin
from tests.simulation.people import RAILS
from tests.simulation.plans import Plan
from tests.simulation.server import Server
from tests.simulation.world import World

PATIENCE_S = 30.0
"""I10: so long after the last fault everything has come."""

_LOOK_S, _SETTLE_S = 0.25, 0.5


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run. `trace`: a digest of all that was stored; the same seed gives the same."""

    safety: tuple[Finding, ...]
    liveness: str
    trace: str
    drained_s: float
    happened: dict[str, int]
    """Faults by kind, and what they led to."""

    @property
    def is_good(self) -> bool:
        return not self.safety and not self.liveness

    def __str__(self) -> str:
        lines = [f"{one.invariant}: {one.what}: {one.where}: {one.detail}" for one in self.safety]
        return "\n".join([*lines, *([f"I10 liveness: {self.liveness}"] if self.liveness else [])])


def carry_out(plan: Plan, before: Server) -> Outcome:
    """One run, from nothing to quiet."""
    world = World(plan.seed, before)
    happened: Counter[str] = Counter()
    try:
        drained_s = world.loop.run_until_complete(_run(world, plan, happened))
        return _judge(world, drained_s, happened)
    finally:
        world.close()


async def _run(world: World, plan: Plan, happened: Counter[str]) -> float:
    loop = world.loop
    world.start()
    for act in plan.acts:
        do = world.write if act.what == "writes to" else world.read
        loop.call_at(act.at_ms / 1000, do, act.who, act.rail, act.whom, context=loop.main.context)
    for fault in plan.faults:
        loop.call_at(fault.at_ms / 1000, begin, world, fault, happened, context=loop.main.context)
    over_s = max([0, *(act.at_ms for act in plan.acts), *(fault.at_ms + fault.ms for fault in plan.faults)]) / 1000
    await asyncio.sleep(over_s + 0.01)
    healed_s = loop.time()
    while not world.is_quiet() and loop.time() < healed_s + PATIENCE_S:  # noqa: ASYNC110 - time jumps here
        await asyncio.sleep(_LOOK_S)
    drained_s = loop.time() - healed_s
    await asyncio.sleep(_SETTLE_S)  # what should not come may come now
    return drained_s


def _judge(world: World, drained_s: float, happened: Counter[str]) -> Outcome:
    accepted = {event_id: at_s for disk in world.disks.values() for event_id, at_s in disk.accepted.items()}
    sent = tuple(
        Sent(
            sender=one.who,
            recipient=one.whom,
            rail=one.rail,
            text=one.text,
            began_ms=int(one.at_s * 1000),
            ended_ms=int(accepted.get(one.event_id, 1e9) * 1000),
            outcome="accepted" if one.event_id in accepted else "unknown",
        )
        for one in world.written
    )
    history = History(
        sent=sent,
        shown=tuple(thread for rail in RAILS for thread in shown(rail, world.disks[rail])),
        marked=tuple(mark for disk in world.disks.values() for mark in disk.marked),
    )
    found = check(history)
    for rail in RAILS:
        found += [
            Finding(invariant="I3 order", what="a position given twice", where=where, detail="")
            for where in positions_wrong(rail, world.disks[rail])
        ]
    found += [
        Finding(invariant="I9 bounded", what="an error that nobody caught", where="", detail=repr(one))
        for one in world.loop.failures
        if not str(one["message"]).endswith("never retrieved")  # its waiter had been cancelled
    ]
    liveness = "" if world.is_quiet() else _unfinished(world)
    happened["a daemon started anew by itself"] = sum(daemon.deaths for daemon in world.daemons.values())
    for router in world.routers:
        happened.update({f"partition let go: {why}": count for why, count in router._shared.counts.let_go.items()})
    return Outcome(
        safety=tuple(found), liveness=liveness, trace=_trace(world), drained_s=drained_s, happened=dict(happened)
    )


def _unfinished(world: World) -> str:
    awaited = world.ingested() - world.expected
    left = [
        f"{rail}: {len(disk.outbox)} to be published, {disk.entries} of {awaited} read"
        for rail, disk in world.disks.items()
    ]
    return f"not quiet after {PATIENCE_S:g} s: {'; '.join(left)}"


def _trace(world: World) -> str:
    """Everything that is in the log, when and in what order it came."""
    digest = hashlib.blake2b(digest_size=8)
    for kept in world.server.streams[LOG].since(1, None):
        digest.update(b"%d %d " % (kept.sequence, kept.at_ns) + kept.subject + kept.body)
    digest.update(repr((world.loop.time(), world.loop.steps)).encode())
    return digest.hexdigest()
