"""``python -m tests.soak --seed 1 --minutes 2``: people write and read while all is killed, stopped and annoyed.

Prints what was done, what was found, and the seed; ends with 1 when anything is wrong, also when a fault that was
announced did not happen. The report is kept as JSON when `--report` names a file; the history, when something is wrong.
"""

import argparse
import asyncio
import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec

from tests.checker.history import Finding, History, check
from tests.e2e.conftest import Federation
from tests.must import eventually
from tests.soak.crowd import Crowd, Person, Phone
from tests.soak.ground import INSIDE, Ground, enter, ground
from tests.soak.nemesis import AT_ACK, Nemesis

DRAIN_WITHIN_S = 120.0
_PAUSE_S = (0.1, 0.8)
"""Between two faults of a lane."""
_PORT_BASE = 7100

RAILS_OF = (("whatsapp", "messenger"), ("messenger", "instagram"), ("whatsapp", "instagram"), ("instagram",))


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to."""

    seed: int
    minutes: float
    servers: int
    """nats-servers: 1, or a cluster."""
    date: str
    machine: str
    people: int
    accounts: int
    accepted: int
    refused: int
    unknown: int
    kinds: tuple[str, ...]
    """What was announced."""
    faults: dict[str, int]
    drained_s: float | None
    """From the last fault healed to nothing missing on any phone; None when it never came to that."""
    findings: tuple[Finding, ...]

    @property
    def by_kind(self) -> dict[str, int]:
        """How many of each kind; what the rails' switches counted is the kind "rail"."""
        found: Counter[str] = Counter()
        for name, count in self.faults.items():
            kind = name.partition(" ")[0]
            found[kind if kind in (*self.kinds, AT_ACK) else "rail"] += count
        return dict(found)


async def soak(
    *, seed: int, minutes: float, size: int, folder: Path, servers: int = 1, stand: Ground | None = None
) -> tuple[Report, History]:
    """One run in a fresh folder. `servers`: how many nats-servers keep the bus together. `stand`: where it stands."""
    federation = Federation(
        folder, servers=servers, environ=stand.environ if stand else {}, port_base=_PORT_BASE if _is_alone() else 0
    )
    await federation.start()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            return await _run(federation, http, seed=seed, minutes=minutes, size=size, servers=servers, stand=stand)
    except BaseException:
        kept = Path(tempfile.gettempdir()) / f"trinario-soak-{seed}.up.log"
        kept.write_bytes((folder / "up.log").read_bytes())
        print(f"soak: what the daemons said is in {kept}", flush=True)
        raise
    finally:
        await federation.stop()


def _is_alone() -> bool:
    """Whether all ports are ours: then the phones find their rails again after a power cut."""
    return INSIDE in os.environ


async def _run(
    federation: Federation,
    http: aiohttp.ClientSession,
    *,
    seed: int,
    minutes: float,
    size: int,
    servers: int,
    stand: Ground | None,
) -> tuple[Report, History]:
    crowd = Crowd([await _join(federation, http, number, seed) for number in range(1, size + 1)])
    nemesis = Nemesis(
        data=federation.folder / "data",
        http=http,
        seed=seed,
        pause_s=_PAUSE_S,
        ground=stand,
        reboot=lambda: _rebooted(federation, stand),
    )
    for person in crowd.people:
        person.on_accepted = nemesis.bell.ring
    _announce(nemesis, stand)
    raging = asyncio.create_task(nemesis.rage())
    living = asyncio.create_task(crowd.live(seconds=minutes * 60, pause_s=0.15))
    await asyncio.wait({raging, living}, return_when=asyncio.FIRST_COMPLETED)
    if raging.done():
        living.cancel()
        raging.result()  # raises what went wrong
    await living
    await nemesis.rest(raging)
    await nemesis.heal()
    healed_s = time.monotonic()
    drained_s = await _drained(crowd, healed_s)
    history = await crowd.history()
    report = _report(crowd, history, nemesis, seed=seed, minutes=minutes, servers=servers, drained_s=drained_s)
    return report, history


def _announce(nemesis: Nemesis, stand: Ground | None) -> None:
    print(f"soak: faults: {', '.join(nemesis.kinds)}", flush=True)
    for kind, why in (stand.missing if stand else {}).items():
        print(f"soak: NOT TRIED: {kind}: {why}", flush=True)


async def _rebooted(federation: Federation, stand: Ground | None) -> None:
    """The disk has just stopped: end everything that had files on it, play the journal back, start again."""
    assert stand is not None
    await federation.crash()

    async def free() -> None:
        try:
            stand.unmount()
        except subprocess.CalledProcessError as error:
            raise AssertionError(error.stderr) from error

    await eventually(free)
    stand.mount()
    stand.empty()
    await federation.start()


async def _join(federation: Federation, http: aiohttp.ClientSession, number: int, seed: int) -> Person:
    name, phones = f"p{number}", []
    for rail in RAILS_OF[number % len(RAILS_OF)]:
        address = {"whatsapp": f"+39333{number:07}", "messenger": f"p.{number}", "instagram": f"@p{number}"}[rail]
        url = federation.rails[rail]
        async with http.post(f"{url}/client/v1/accounts", json={"address": address, "name": name}) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
        phones.append(Phone(http=http, url=url, handle=f"{rail}:{address}", token=token))
    for other in phones[1:]:
        await federation.cli("person", "link", phones[0].handle, other.handle, "--trust")
    return Person(name, phones, seed=f"{seed}/{name}")


async def _drained(crowd: Crowd, healed_s: float) -> float | None:
    while time.monotonic() - healed_s < DRAIN_WITHIN_S:
        await crowd.read_all()  # again and again: what comes late is to be read, too
        if not await crowd.missing():
            return round(time.monotonic() - healed_s, 1)
        await asyncio.sleep(0.5)
    return None


def _report(
    crowd: Crowd,
    history: History,
    nemesis: Nemesis,
    *,
    seed: int,
    minutes: float,
    servers: int,
    drained_s: float | None,
) -> Report:
    outcomes = Counter(sent.outcome for sent in history.sent)
    return Report(
        seed=seed,
        minutes=minutes,
        servers=servers,
        date=datetime.now(UTC).date().isoformat(),
        machine=f"{platform.machine()}, Python {platform.python_version()}",
        people=len(crowd.people),
        accounts=sum(len(person.phones) for person in crowd.people),
        accepted=outcomes["accepted"],
        refused=outcomes["refused"],
        unknown=outcomes["unknown"],
        kinds=tuple(nemesis.kinds),
        faults=dict(sorted(nemesis.done.items())),
        drained_s=drained_s,
        findings=tuple(check(history)),
    )


def troubles(report: Report) -> list[str]:
    """Why a run is not good, in words; safety first, then liveness, then whether it was a test at all."""
    found = [f"{one.invariant}: {one.what}: {one.where}: {one.detail}" for one in report.findings]
    if report.drained_s is None:
        found.append(f"I10 liveness: not everything was shown {DRAIN_WITHIN_S:g} s after the last fault")
    found += [
        f"no fault of the kind {kind!r} happened: this was no test"
        for kind in (*report.kinds, AT_ACK)
        if not report.by_kind.get(kind)
    ]
    if not report.accepted:
        found.append("nothing was accepted: this was no test")
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="of the workload and the faults")
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--servers", type=int, default=1, choices=(1, 3, 5), help="nats-servers: 1, or a cluster")
    parser.add_argument("--report", type=Path, help="where to keep the report (JSON)")
    asked = parser.parse_args()
    enter()
    said = f"seed={asked.seed} minutes={asked.minutes:g} people={asked.people} servers={asked.servers}"
    print(f"soak: {said}", flush=True)
    with ground() as stand:
        report, history = asyncio.run(
            soak(
                seed=asked.seed,
                minutes=asked.minutes,
                size=asked.people,
                folder=stand.folder,
                servers=asked.servers,
                stand=stand,
            )
        )
    print(json.dumps(msgspec.to_builtins(report), indent=1))
    if asked.report:
        asked.report.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    wrong = troubles(report)
    if wrong:
        kept = Path(tempfile.gettempdir()) / f"trinario-soak-{asked.seed}.history.json"
        kept.write_bytes(msgspec.json.encode(history))
        print("\n".join(["", *wrong, f"The history is in {kept}. Again: --seed {asked.seed}"]))
        return 1
    faults = ", ".join(f"{kind} {count}" for kind, count in report.by_kind.items())
    print(f"soak: good. {report.accepted} accepted; {faults}; drained in {report.drained_s} s, seed={report.seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
