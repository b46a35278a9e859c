"""status: what each part says of itself, gathered from outside, and what an operator should do about it.

What does not answer is shown as unreachable. `collected` is also what doctor, top and the web page look at.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp

from bus import dead, subjects
from bus.connection import Connection
from trinario import standing
from trinario.bus_access import connected
from trinario.failures import NotReachable
from trinario.options import COMMON, Common
from trinario.output import table
from trinario.place import Place, Running
from trinario.standing import UNREACHABLE
from trinario.where import running

if TYPE_CHECKING:
    from rich.console import RenderableType

_ANSWER_WITHIN_S = 3.0
_BRIDGE_KEYS, _ROUTER_KEYS = ("state", "pending", "lag_ms", "dead"), ("partitions", "pending", "lag_ms")
_LEDGER_KEYS = ("state", "pending", "lag_ms", "cursor")


async def status(*, common: Common = COMMON) -> None:
    """How each part is doing, and what to do where something is the matter."""
    place = common.place()
    found = await looked_at(place, running(place))
    common.output().document(found, lambda: status_table(found))
    parts = [found["nats"], found["router"], found["ledger"], *found["bridges"].values(), *found["rails"].values()]
    if all(part.get("state") == UNREACHABLE for part in parts):
        raise NotReachable("None of the daemons answers. Start them again with `trinario up`.")


async def looked_at(place: Place, known: Running) -> dict[str, Any]:
    """The whole document of the contract: everything collected, the bus, dead letters, and each part's `action`."""
    found = await collected(known)
    try:
        async with connected(place) as connection:
            found["nats"] = await of_bus(connection, known)
            letters = await dead_by_rail(connection)
            for rail, bridge in found["bridges"].items():
                bridge["dead"] = letters.get(rail, 0)
    except NotReachable as error:
        found["nats"] = {"state": UNREACHABLE, "url": known.nats, "why": str(error)}
    advise(found)
    return found


def advise(found: dict[str, Any]) -> None:
    """Write into every part what an operator should do: `action`, empty when nothing."""
    found["nats"]["action"] = standing.of_nats(found["nats"]).action
    found["router"]["action"] = standing.of_router(found["router"]).action
    found["ledger"]["action"] = standing.of_ledger(found["ledger"]).action
    for rail, part in found["bridges"].items():
        part["action"] = standing.of_bridge(rail, part).action
    for rail, part in found["rails"].items():
        part["action"] = standing.of_rail(rail, part).action


async def collected(known: Running) -> dict[str, Any]:
    """What the daemons say of themselves: ``{"nats", "router", "ledger", "bridges", "rails"}`` (nats: still empty)."""
    timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as http, asyncio.TaskGroup() as group:
        router = group.create_task(_asked(http, known.router, _ROUTER_KEYS))
        ledger = group.create_task(_asked(http, known.ledger, _LEDGER_KEYS))
        bridges = {
            rail: group.create_task(_asked(http, url, _BRIDGE_KEYS)) for rail, url in sorted(known.bridges.items())
        }
        rails = {rail: group.create_task(_rail(http, url)) for rail, url in known.rails.items()}
    return {
        "nats": {},
        "router": router.result(),
        "ledger": ledger.result(),
        "bridges": {rail: task.result() for rail, task in bridges.items()},
        "rails": {rail: task.result() for rail, task in rails.items()},
    }


async def _asked(http: aiohttp.ClientSession, url: str, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        async with http.get(f"{url}/status") as answer:
            found: dict[str, Any] = await answer.json()
            return {**dict.fromkeys(keys), "state": "running", **found}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {**dict.fromkeys(keys), "state": UNREACHABLE, "url": url}


async def _rail(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    try:
        async with http.get(f"{url}/readyz") as answer:
            return {"state": "ready" if answer.status == 200 else "not ready", "url": url}
    except (aiohttp.ClientError, TimeoutError):
        return {"state": UNREACHABLE, "url": url}


async def of_bus(connection: Connection, known: Running) -> dict[str, Any]:
    """NATS as the document has it."""
    log = (await connection.api(f"STREAM.INFO.{subjects.LOG}"))["state"]
    return {
        "state": "connected",
        "url": known.nats,
        "log_records": log["messages"],
        "log_bytes": log["bytes"],
        "dead": sum((await dead.counts(connection)).values()),
    }


async def dead_by_rail(connection: Connection) -> dict[str, int]:
    """How many letters wait for an operator, by rail: those there are, not those there ever were."""
    found: dict[str, int] = {}
    for (_, rail), count in (await dead.counts(connection)).items():
        found[rail] = found.get(rail, 0) + count
    return found


def status_table(found: Mapping[str, Any]) -> "RenderableType | str":
    """What `looked_at` found, for people."""
    named = [("nats", found["nats"]), ("router", found["router"]), ("ledger", found["ledger"])]
    named += [(f"bridge {rail}", part) for rail, part in found["bridges"].items()]
    named += [(f"rail {rail}", part) for rail, part in found["rails"].items()]
    rows = (
        (
            name,
            part.get("state", "running"),
            *(_number(part.get(key)) for key in ("pending", "lag_ms", "dead")),
            part.get("action", ""),
        )
        for name, part in named
    )
    return table(("part", "state", "pending", "lag ms", "dead", "what to do"), rows, empty="Nothing.")


def _number(value: object) -> str:
    return "" if value is None else str(value)
