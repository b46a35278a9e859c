"""Carry out a plan in the whole federation, and judge it by what the rails' apps show: see `runs`."""

import asyncio
from collections import Counter

import msgspec

from bus.subjects import LOG
from schemas.codec import decode_record
from tests.checker.history import Finding, History, Line, Marked, Sent, Shown, check
from tests.simulation import faults
from tests.simulation.federation import ADDRESSES, PAIRS, RAILS
from tests.simulation.plans import Fault, Faults, Plan, draw
from tests.simulation.runs import Outcome
from tests.simulation.whole import Before, Whole
from tests.simulation.world import ROUTERS

PATIENCE_S = 30.0
ACCOUNTS = tuple((who, rail) for who, addresses in ADDRESSES.items() for rail in addresses)
BRIDGES, SERVICES = tuple(f"bridge-{rail}" for rail in RAILS), tuple(f"rail-{rail}" for rail in RAILS)
FAULTS: Faults = {
    "kill": ((*ROUTERS, *BRIDGES, *SERVICES), 1500),
    "stop": ((*ROUTERS, *BRIDGES, *SERVICES), 3500),
    "cut": ((*ROUTERS, *BRIDGES), 1),
    "half-open": ((*ROUTERS, *BRIDGES), 4000),
    "lose answers to": ((*ROUTERS, *BRIDGES), 1),
    "restart": (("nats-server",), 1500),
    "lose calls to": (SERVICES, 1),
    "lose the answer of": (SERVICES, 3),
    "send webhooks twice from": (SERVICES, 3),
    "lose answers to webhooks of": (SERVICES, 3),
    "swap webhooks of": (("rail-messenger", "rail-instagram"), 3),
    "hold back webhooks of": (SERVICES, 8000),
    "put clocks forward of": (("everybody",), 3),
}
"""Beside those of the bus: calls and webhooks that get lost or come twice, and a clock that makes a step of an hour.

Not drawn: one past the window in which the bus remembers ids, at the very moment when an acknowledgement is lost. Then
the event is in the log twice (and shown once). The named tests pass the window when nothing is on its way.

Webhooks are swapped where a rail's times tell (the WhatsApp-like one has seconds).
"""

_HOUR_NS = 3600 * 1_000_000_000
_LOOK_S, _SETTLE_S = 0.25, 1.0


def plan_of(seed: int) -> Plan:
    """The plan of a seed."""
    return draw(seed, accounts=ACCOUNTS, faults=FAULTS)


class _Told(msgspec.Struct):
    """What clients and rails have written down so far."""

    sent: list[Sent] = []
    marked: list[Marked] = []
    counts: Counter[str] = msgspec.field(default_factory=Counter)


def carry_out(plan: Plan, before: Before, *, with_read_states: bool = False) -> Outcome:
    """One run, from nothing to quiet. `with_read_states`: judge it for what is known to differ, too.

    Known: what has no place yet is read on its own rail with what was read elsewhere, and comes unread to the others.
    """
    whole = Whole(plan.seed, before)
    happened: Counter[str] = Counter()
    told = _Told()
    try:
        drained_s = whole.loop.run_until_complete(_run(whole, plan, told, happened))
        return _judge(whole, told, drained_s, happened, with_read_states=with_read_states)
    finally:
        whole.close()


async def _run(whole: Whole, plan: Plan, told: _Told, happened: Counter[str]) -> float:
    loop = whole.loop
    whole.start()

    def do(what: str, who: str, rail: str, whom: str) -> None:
        if what != "writes to":
            whole.read(who, rail, whom)
            return
        told.counts[who] += 1
        text, now_ms = f"{who}-{told.counts[who]}", int(loop.time() * 1000)
        whole.post(who, rail, whom, text)
        told.sent.append(
            Sent(sender=who, recipient=whom, rail=rail, text=text, began_ms=now_ms, ended_ms=now_ms, outcome="accepted")
        )

    for act in plan.acts:
        loop.call_at(act.at_ms / 1000, do, act.what, act.who, act.rail, act.whom, context=loop.main.context)
    for fault in plan.faults:
        loop.call_at(fault.at_ms / 1000, _begin, whole, fault, happened, context=loop.main.context)
    over_s = max([0, *(act.at_ms for act in plan.acts), *(fault.at_ms + fault.ms for fault in plan.faults)]) / 1000
    while loop.time() < over_s + 0.01:
        await asyncio.sleep(_LOOK_S)
        told.marked += _marks(whole)
    for site in whole.sites.values():
        site.rail.losing.clear()
        site.loses_hooks = site.doubles = 0
    healed_s = loop.time()
    while not whole.is_quiet() and loop.time() < healed_s + PATIENCE_S:
        await asyncio.sleep(_LOOK_S)
        told.marked += _marks(whole)
    drained_s = loop.time() - healed_s
    await asyncio.sleep(_SETTLE_S)  # what should not come may come now
    return drained_s


def _begin(whole: Whole, fault: Fault, happened: Counter[str]) -> None:
    site = whole.sites.get(fault.target.removeprefix("rail-"))
    times = 1 + fault.ms % 3
    match fault.kind:
        case "put clocks forward of":
            whole.server.clock_ns += _HOUR_NS
        case "pass every window of":
            whole.server.clock_ns += 3 * _HOUR_NS
        case "hold back webhooks of" if site is not None:
            site.held_until_s = whole.loop.time() + fault.ms / 1000
        case "lose calls to" if site is not None:
            site.rail.losing.append("before")
        case "lose the answer of" if site is not None:
            site.rail.losing += ["after"] * times
        case "send webhooks twice from" if site is not None:
            site.doubles += times
        case "swap webhooks of" if site is not None:
            site.swaps += times
        case "lose answers to webhooks of" if site is not None:
            site.loses_hooks += times
        case _:
            faults.begin(whole, fault, happened)
            return
    happened[fault.kind] += 1


def _shown(whole: Whole) -> list[Shown]:
    """Every thread of every account with each of the two others."""
    found = []
    for owner, peer in PAIRS:
        for rail in ADDRESSES[owner]:
            one, other = whole.accounts[owner, rail], whole.accounts[peer, rail]
            authors = {one: owner, other: peer}
            lines = tuple(
                Line(text=text, author=authors[sender], is_read=is_read, failed=failed)
                for text, sender, is_read, failed in whole.sites[rail].rail.thread(one, other)
            )
            found.append(Shown(owner=owner, peer=peer, rail=rail, lines=lines))
    return found


def _marks(whole: Whole) -> list[Marked]:
    """How much of each thread its owner has read now."""
    return [
        Marked(
            owner=thread.owner,
            peer=thread.peer,
            rail=thread.rail,
            read=sum(line.is_read for line in thread.lines if line.author == thread.peer),
        )
        for thread in _shown(whole)
    ]


def _logged_twice(whole: Whole) -> list[Finding]:
    """The rails would hide it, since bridges know what they have posted; but positions and readers would not."""
    seen: Counter[tuple[str, str]] = Counter()
    for kept in whole.server.streams[LOG].since(1, None):
        seen.update((entry.source, entry.event_id) for entry in decode_record(kept.body).entries)
    twice = [event_id for (_, event_id), count in seen.items() if count > 1]
    return [Finding(invariant="I2 no-dup", what="twice in the log", where="", detail=one) for one in twice]


def _judge(whole: Whole, told: _Told, drained_s: float, happened: Counter[str], *, with_read_states: bool) -> Outcome:
    history = History(sent=tuple(told.sent), shown=tuple(_shown(whole)), marked=tuple(told.marked))
    found = check(history)
    found += _logged_twice(whole)
    differing = [one for one in found if one.what == "rails disagree"]
    if not with_read_states:
        found = [one for one in found if one not in differing]
        happened["read states that differ"] = int(bool(differing))
    found += [
        Finding(invariant="I9 bounded", what="an error that nobody caught", where="", detail=repr(one))
        for one in whole.loop.failures
        if not str(one["message"]).endswith("never retrieved")  # its waiter had been cancelled
    ]
    happened["a webhook twice"] = sum(site.doubled for site in whole.sites.values())
    happened["an answer lost"] = sum(site.lost_answers for site in whole.sites.values())
    happened["a daemon started anew by itself"] = sum(daemon.deaths for daemon in whole.daemons.values())
    liveness = "" if whole.is_quiet() else f"not quiet after {PATIENCE_S:g} s"
    return Outcome(safety=tuple(found), liveness=liveness, trace="", drained_s=drained_s, happened=dict(happened))
