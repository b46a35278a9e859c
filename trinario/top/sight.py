"""What `top` shows, gathered: each daemon's ``/status`` and ``/metrics``, the end of the log, the dead letters.

One `Watch` lasts as long as the screen; `look` may be called again and again, and says what is not there instead of
failing. It only looks.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
import msgspec

from bus import dead, subjects
from bus.connection import ApiError, Connection, NoAnswer, NoResponder, NotConnected
from bus.stored import read_range
from trinario.asking import story
from trinario.bus_access import connected
from trinario.dead import dropped, redriven, sentence
from trinario.failures import NotReachable
from trinario.place import Place, Running
from trinario.standing import UNREACHABLE
from trinario.status import advise, collected, dead_by_rail, of_bus
from trinario.top import figures
from trinario.top.figures import Leg, Scrape
from trinario.where import running

_AWAY = (NotReachable, NotConnected, NoAnswer, NoResponder, ApiError)
_ANSWER_WITHIN_S = 3.0
_RECORDS, _LETTERS = 300, 50


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One part. `per_s`: events, legs or calls a second; `p99_ms`: of the hop that ends there."""

    name: str
    state: str
    pending: int | None = None
    lag_ms: int | None = None
    per_s: float | None = None
    p99_ms: float | None = None
    dead: int | None = None
    action: str = ""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter in one line."""

    id: int
    at_ms: int
    stage: str
    rail: str
    event_id: str
    why: str


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    at_ms: int
    rows: list[Row]
    legs: list[Leg] = []
    letters: list[Letter] = []


class Watch:
    """Looks at one data folder's system. Use it as an async context manager: it keeps its connections."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._http: aiohttp.ClientSession | None = None
        self._before: tuple[float, Mapping[str, Scrape]] = (0.0, {})

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http is not None:
            await self._http.close()

    async def look(self) -> Sight:
        """Everything as it is now. Raises `NotReachable` when nothing says where anything is."""
        known = running(self._place)
        found, scrapes = await asyncio.gather(collected(known), self._scrapes(known))
        legs: list[Leg] = []
        letters: list[Letter] = []
        now_ms = time.time_ns() // 1_000_000
        try:
            async with connected(self._place) as connection:
                found["nats"] = await of_bus(connection, known)
                by_rail = await dead_by_rail(connection)
                for rail, part in found["bridges"].items():
                    part["dead"] = by_rail.get(rail, 0)
                legs = await _legs(connection, now_ms)
                letters = [_letter(kept) async for kept in dead.letters(connection)][-_LETTERS:]
        except _AWAY:
            found["nats"] = {"state": UNREACHABLE, "url": known.nats}
        advise(found)
        return Sight(at_ms=now_ms, rows=self._rows(found, scrapes), legs=legs, letters=letters[::-1])

    async def trace(self, event_id: str) -> dict[str, Any]:
        """The way of one message. Raises `NotFound`, and what the bus raises."""
        async with connected(self._place) as connection:
            return await story(connection, event_id, lambda _: None)

    async def redrive(self, letter: int) -> str:
        """Have a dead letter tried again; what came of asking. Raises what `trinario.dead.redriven` raises."""
        async with connected(self._place) as connection:
            return sentence(await redriven(connection, letter))

    async def drop(self, letter: int, why: str) -> str:
        """Give a dead letter up for good."""
        async with connected(self._place) as connection:
            return sentence(await dropped(connection, letter, why))

    async def _scrapes(self, known: Running) -> dict[str, Scrape]:
        urls = {
            "router": known.router,
            "ledger": known.ledger,
            **{f"bridge {rail}": url for rail, url in known.bridges.items()},
            **{f"rail {rail}": url for rail, url in known.rails.items()},
        }
        scrapes = await asyncio.gather(*map(self._scrape, urls.values()))
        return dict(zip(urls, scrapes, strict=True))

    async def _scrape(self, url: str) -> Scrape:
        if self._http is None:
            return {}
        try:
            async with self._http.get(f"{url}/metrics") as answer:
                return figures.read_scrape(await answer.text()) if answer.status == 200 else {}
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError):
            return {}

    def _rows(self, found: Mapping[str, Any], scrapes: Mapping[str, Scrape]) -> list[Row]:
        now_s = time.monotonic()
        then_s, before = self._before
        self._before = (now_s, scrapes)
        seconds = now_s - then_s

        def rate(who: str, metric: str) -> float | None:
            return figures.per_s(before.get(who, {}), scrapes.get(who, {}), metric, seconds=seconds)

        def p99_ms(who: str, hop: str) -> float | None:
            return figures.quantile_ms(before.get(who, {}), scrapes.get(who, {}), 0.99, hop=hop)

        nats, router = found["nats"], found["router"]
        rows = [
            Row(name="nats", state=nats.get("state", ""), dead=nats.get("dead"), action=nats["action"]),
            _row(
                "router",
                router,
                per_s=rate("router", "trinario_router_events_total"),
                p99_ms=p99_ms("router", "accepted_routed"),
            ),
        ]
        ledger = found["ledger"]
        rows.append(_row("ledger", ledger, per_s=rate("ledger", "trinario_ledger_log_sequence"), p99_ms=None))
        for rail, part in found["bridges"].items():
            who = f"bridge {rail}"
            legs_per_s = rate(who, "trinario_bridge_legs_total")
            rows.append(_row(who, part, per_s=legs_per_s, p99_ms=p99_ms(who, "routed_posted")))
        for rail, part in found["rails"].items():
            who = f"rail {rail}"
            rows.append(_row(who, part, per_s=rate(who, "rail_requests_total"), p99_ms=None))
        return rows


def _row(name: str, part: Mapping[str, Any], *, per_s: float | None, p99_ms: float | None) -> Row:
    return Row(
        name=name,
        state=part.get("state", "running"),
        pending=part.get("pending"),
        lag_ms=part.get("lag_ms"),
        per_s=per_s,
        p99_ms=p99_ms,
        dead=part.get("dead"),
        action=part.get("action", ""),
    )


async def _legs(connection: Connection, now_ms: int) -> list[Leg]:
    last = (await connection.api(f"STREAM.INFO.{subjects.LOG}"))["state"]["last_seq"]
    records = await read_range(connection, subjects.LOG, first=max(1, last - _RECORDS + 1), limit=_RECORDS)
    return figures.slowest(records, now_ms=now_ms)


def _letter(kept: dead.Kept) -> Letter:
    return Letter(
        id=kept.id,
        at_ms=kept.at_ms,
        stage=kept.letter.stage,
        rail=kept.letter.rail,
        event_id=kept.letter.event_id,
        why=kept.letter.why,
    )
