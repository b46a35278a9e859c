"""NATS as it should be: reachable, with the streams that were made, not full, in time, and with nothing dead."""

import time
from collections.abc import Iterable

from bus import dead, subjects, topology
from bus.config import Settings
from bus.connection import Connection
from bus.stored import parse_time_ms
from trinario.bus_access import connected
from trinario.checks.finding import Finding
from trinario.failures import NotReachable
from trinario.place import Place, Running

_FULL = 0.8


async def bus(place: Place, known: Running, settings: Settings) -> list[Finding]:
    """Everything about NATS. When it does not answer, only that."""
    try:
        async with connected(place) as connection:
            fixed = await topology.fixed(connection)
            if fixed is None:
                remedy = "Run `trinario nats run` or `trinario up` against it: they make the streams."
                return [Finding(what="nats", found=f"answers at {known.nats} and has no bus", remedy=remedy)]
            return [
                _partitions(known, fixed, settings),
                await streams(connection, settings),
                *await _filling(connection, settings),
                await _clock(connection, settings),
                *await _letters(connection),
            ]
    except NotReachable as error:
        remedy = f"{error} Start it; if it ends at once, see nats/server.log in the data folder. Is its disk full?"
        return [Finding(what="nats", found=f"does not answer at {known.nats}", remedy=remedy)]


def _partitions(known: Running, fixed: topology.Fixed, settings: Settings) -> Finding:
    wanted = settings.router.partitions
    return Finding(
        what="nats",
        found=f"answers at {known.nats}, {fixed.partitions} partitions",
        remedy=""
        if fixed.partitions == wanted
        else f"router.partitions is {wanted}, and the bus was made with {fixed.partitions}, for good: set it to that.",
    )


async def streams(connection: Connection, settings: Settings) -> Finding:
    """Whether the streams, buckets and consumers are those that were made."""
    wrong = await topology.differences(
        connection,
        rails=list(settings.rails),
        replicas=settings.nats.replicas or settings.nats.servers,
        limits=topology.limits_of(settings.nats),
    )
    if not wrong:
        return Finding(what="streams", found="all there, as they should be")
    return Finding(
        what="streams",
        found="; ".join(wrong),
        remedy="Start `trinario nats run` (or `trinario up`) again: it makes what is missing and "
        "mends what was changed. A "
        "stream that is missing has lost what was in it: restore NATS's store from a backup first, if there is one.",
    )


async def _filling(connection: Connection, settings: Settings) -> list[Finding]:
    found = []
    for rail in settings.rails:
        name = subjects.ingress_stream(rail)
        filled = await topology.filling(connection, name) if await topology.exists(connection, name) else {"limit": -1}
        if filled["limit"] > 0 and filled["bytes"] > _FULL * filled["limit"]:
            share = f"{filled['bytes'] / filled['limit']:.0%}"
            remedy = (
                "Does a router run and commit? When it is full, webhooks are answered 503. Else "
                "raise nats.ingress_bytes."
            )
            found.append(Finding(what=f"stream {name}", found=f"{share} full", remedy=remedy))
    return found


async def _clock(connection: Connection, settings: Settings) -> Finding:
    told = (await connection.api(f"STREAM.INFO.{subjects.DEAD}")).get("ts", "")
    here_ms = time.time_ns() // 1_000_000
    return clock("nats", (here_ms - parse_time_ms(told)) if told else 0, settings.doctor.clock_ms)


def clock(who: str, ahead_ms: int, most_ms: int) -> Finding:
    """Whether this machine's clock and another's agree. `ahead_ms`: how far ours is before theirs."""
    if abs(ahead_ms) <= most_ms:
        return Finding(what=f"clock of {who}", found="agrees with this machine's")
    word = "behind" if ahead_ms > 0 else "ahead of"
    return Finding(
        what=f"clock of {who}",
        found=f"{abs(ahead_ms) / 1000:.0f} s {word} this machine's",
        remedy="Set the wrong one right (`timedatectl`, chrony or ntpd): times shown to people, "
        "deadlines and lags are off; "
        "the order of messages is not.",
    )


async def _letters(connection: Connection) -> list[Finding]:
    counts = await dead.counts(connection)
    if not counts:
        return [Finding(what="dead letters", found="none")]
    newest = {(kept.letter.stage, kept.letter.rail): kept async for kept in dead.letters(connection)}
    return [_dead(stage, rail, counts[stage, rail], newest.get((stage, rail))) for stage, rail in _sorted(counts)]


def _sorted(keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(keys, key=lambda key: (key[1], key[0]))


_STAGES = {
    "intake": "updates of the rail that the bridge could not read",
    "router": "events that the router could not understand",
    "outlet": "legs that were given up, and whose senders were told",
}


def _dead(stage: str, rail: str, count: int, newest: dead.Kept | None) -> Finding:
    last = f"; the last, {newest.id}: {newest.letter.why}" if newest is not None else ""
    name = newest.id if newest is not None else "ID"
    return Finding(
        what=f"dead letters of {rail}",
        found=f"{count} {_STAGES.get(stage, stage)}{last}",
        remedy=f"`trinario dead show {name}` says what it was; when its cause is mended `trinario "
        f"dead redrive {name}`, else "
        f"`trinario dead drop {name} --why ...`.",
    )
