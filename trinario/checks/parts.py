"""The daemons: what each says of itself, whether its clock and its credentials are right, who else sits on its port."""

import asyncio
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bus.config import Settings
from trinario import standing
from trinario.checks.bus import clock
from trinario.checks.finding import Finding
from trinario.checks.machine import port_taken
from trinario.place import Running
from trinario.standing import UNREACHABLE, Advice

_WITHIN_S = 3.0
_ACCOUNTS = "/v1.0/federation/accounts?limit=1"


async def parts(known: Running, found: Mapping[str, Any], settings: Settings) -> list[Finding]:
    """All about the daemons. `found`: what `status` collected."""
    long_lag_ms = settings.doctor.lag_ms
    told = [_part("router", found["router"], standing.of_router(found["router"], long_lag_ms=long_lag_ms))]
    told.append(_part("ledger", found["ledger"], standing.of_ledger(found["ledger"], long_lag_ms=long_lag_ms)))
    for rail, part in found["bridges"].items():
        told.append(_part(f"bridge {rail}", part, standing.of_bridge(rail, part, long_lag_ms=long_lag_ms)))
    for rail, part in found["rails"].items():
        told.append(_part(f"rail {rail}", part, standing.of_rail(rail, part)))
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        told += await _clocks(http, _urls(known), settings.doctor.clock_ms)
        told += await _credentials(http, settings, known.rails, found["rails"])
    return told + await _strangers(known, found)


def _part(name: str, part: Mapping[str, Any], advice: Advice) -> Finding:
    words = [str(part.get("state", "running"))]
    words += [f"{key} {part[key]}" for key in ("pending", "lag_ms") if part.get(key)]
    words += [advice.meaning] if advice.meaning else []
    return Finding(what=name, found=", ".join(words), remedy=advice.action)


def _urls(known: Running) -> dict[str, str]:
    return {
        "router": known.router,
        "ledger": known.ledger,
        **{f"bridge {rail}": url for rail, url in known.bridges.items()},
        **{f"rail {rail}": url for rail, url in known.rails.items()},
    }


async def _clocks(http: aiohttp.ClientSession, urls: Mapping[str, str], most_ms: int) -> list[Finding]:
    """By each answer's ``Date``, which has whole seconds. Only those that are off are told."""
    async with asyncio.TaskGroup() as group:
        tasks = {who: group.create_task(_ahead_ms(http, url)) for who, url in urls.items()}
    checked = [clock(who, task.result(), most_ms) for who, task in tasks.items()]
    return [one for one in checked if not one.is_well]


async def _ahead_ms(http: aiohttp.ClientSession, url: str) -> int:
    """How far our clock is before theirs; 0 when they do not say."""
    try:
        async with http.get(f"{url}/healthz") as answer:
            date = answer.headers.get("Date", "")
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return 0
    if not date:
        return 0
    # Date is cut to the second: theirs is half a second later on average.
    return int(time.time() * 1000 - parsedate_to_datetime(date).timestamp() * 1000) - 500


async def _credentials(
    http: aiohttp.ClientSession, settings: Settings, urls: Mapping[str, str], rails: Mapping[str, Mapping[str, Any]]
) -> list[Finding]:
    """Whether each rail that answers takes the token in our settings: it is asked, whatever the bridge says."""
    found = []
    for rail, part in rails.items():
        mine = settings.rails.get(rail)
        if part.get("state") == UNREACHABLE or mine is None:
            continue
        headers = {"Authorization": f"Bearer {mine.partner_token}"}
        try:
            async with http.get(f"{urls[rail]}{_ACCOUNTS}", headers=headers) as answer:
                is_refused = answer.status in (401, 403)
        except (aiohttp.ClientError, TimeoutError):
            continue
        found.append(
            Finding(
                what=f"credentials of {rail}",
                found="the rail refuses rails." + rail + ".partner_token of these settings"
                if is_refused
                else "are taken",
                remedy="Set the token that is valid at the rail (`trinario config explain` says where the present one "
                "comes from), and start the bridge again."
                if is_refused
                else "",
            )
        )
    return found


async def _strangers(known: Running, found: Mapping[str, Any]) -> list[Finding]:
    """Ports of daemons that do not answer, and where somebody else does."""
    away = {f"bridge {rail}": known.bridges[rail] for rail, part in found["bridges"].items() if _is_away(part)}
    away |= {f"rail {rail}": known.rails[rail] for rail, part in found["rails"].items() if _is_away(part)}
    away |= {who: url for who, url in (("router", known.router), ("ledger", known.ledger)) if _is_away(found[who])}
    strangers = []
    for who, url in away.items():
        place = urlsplit(url)
        if place.hostname and place.port and await _is_open(place.hostname, place.port):
            strangers.append(port_taken(who, place.port))
    return strangers


def _is_away(part: Mapping[str, Any]) -> bool:
    return part.get("state") == UNREACHABLE


async def _is_open(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
