"""route diff: what would have gone elsewhere under another policy. Reads the log, sends nothing."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from bus.connection import Connection
from bus.stored import read_range
from bus.subjects import LOG
from router.explain import capabilities_of
from router.replay import Replay, Rerouted, read_policy
from schemas.codec import decode_record
from schemas.errors import NotUnderstood
from trinario.bus_access import connected
from trinario.durations import seconds
from trinario.failures import Misused
from trinario.options import COMMON, Common
from trinario.output import clock, table

if TYPE_CHECKING:
    from rich.console import RenderableType


async def route_diff(*, policy: Path, since: str = "24h", limit: int = 200, common: Common = COMMON) -> None:
    """Route recorded messages again under another policy, without sending, and show what would change.

    Parameters
    ----------
    policy
        TOML: [everybody], [people."instagram:@bob"] with `never` and `receipts`; [rails.instagram] with capabilities.
    since
        How far back: 90s, 15m, 24h, 7d.
    limit
        How many changed messages are shown.
    """
    wanted = read_policy(_text(policy))
    since_ms = int(time.time() * 1000) - ago_ms(since)
    async with connected(common.place()) as connection:
        replay = Replay(policy=wanted, capabilities=await capabilities_of(connection))
        changed, found = await _replayed(connection, replay, since_ms=since_ms, limit=limit)
    answer = {
        "since_ms": since_ms,
        "considered": replay.considered,
        "changed": changed,
        "changes": [{**msgspec.to_builtins(one), "from": one.writer} for one in found],
    }
    common.output().document(answer, lambda: _shown(answer))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Misused(f"--policy {path} cannot be read: {error}.") from error


def ago_ms(text: str) -> int:
    """How long ``24h`` is. Raises `Misused`."""
    return seconds("--since", text) * 1000


async def _replayed(connection: Connection, replay: Replay, *, since_ms: int, limit: int) -> tuple[int, list[Rerouted]]:
    """How many would go elsewhere, and the first of them. Reads all of the log: people are as they were then."""
    changed, found, first = 0, list[Rerouted](), 1
    while page := await read_range(connection, LOG, first=first, subject_filter="log.*"):
        for stored in page:
            try:
                entries = decode_record(stored.data).entries
            except NotUnderstood:
                continue
            for entry in entries:
                replay.learn(entry)
                one = replay.decide(entry, at_ms=stored.at_ms) if stored.at_ms >= since_ms else None
                if one is not None:
                    changed += 1
                    found += [one] if len(found) < limit else []
        first = page[-1].sequence + 1
    return changed, found


def _shown(answer: dict[str, Any]) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - 60 ms that --json need not pay

    rows = (
        (clock(one["at_ms"]), one["from"], _way(one["before"]), _way(one["after"]), one["message_id"])
        for one in answer["changes"]
    )
    return Group(
        f"{answer['changed']} of {answer['considered']} messages would go elsewhere.",
        table(("when", "from", "went to", "would go to", "message"), rows, empty="Nothing would change."),
    )


def _way(decided: dict[str, Any]) -> str:
    if decided["outcome"] != "routed":
        return f"{decided['outcome']}: {decided['why']}"
    parts = [", ".join(decided["legs"]) or "nowhere"]
    parts += [f"not {handle}" for handle in decided["unreached"]]
    return "; ".join(parts)
