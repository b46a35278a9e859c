"""check: after quiet, do all copies of every message agree on all rails? Asks the rails themselves. Changes nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import aiohttp

from bus.config import RailSettings
from bus.connection import Connection
from router.ledger.service import Asking
from router.people import People
from schemas.handles import Handle
from trinario.agreement import QUEUED, Shown, differences, natives_of
from trinario.bus_access import connected
from trinario.failures import Failed, NotReachable
from trinario.options import COMMON, Common
from trinario.output import FAILED, Output, table
from trinario.place import Running
from trinario.replay import ago_ms
from trinario.settings import machine
from trinario.status import collected
from trinario.where import running

if TYPE_CHECKING:
    from rich.console import RenderableType

_PAGE, _LOOK_EVERY_S = 100, 0.25
_WITHIN_S = 20.0


async def check(*, since: str = "24h", within: float = 30.0, common: Common = COMMON) -> int:
    """Compare what all rails show of every message. Differences are listed with their reason; exit 1 if one has none.

    Parameters
    ----------
    since
        Messages of this long ago at most: 90s, 15m, 24h, 7d.
    within
        Seconds to wait until nothing is under way any more.
    """
    place, output = common.place(), common.output()
    known, settings = running(place), machine(place, config=None).settings
    since_ms = int(time.time() * 1000) - ago_ms(since)
    deadline_s = time.monotonic() + within
    timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
    async with connected(place) as connection, aiohttp.ClientSession(timeout=timeout) as http:
        quiet = await _quiet(connection, known, within_s=within, output=output)
        rails = Rails(http=http, urls=known.rails, settings=settings.rails)
        checked, found = await compared(connection, rails, since_ms=since_ms)
        while quiet and any(one["what"] == QUEUED for one in found):  # done, but the log has not been told yet
            await asyncio.sleep(_LOOK_EVERY_S)
            quiet = time.monotonic() < deadline_s
            checked, found = await compared(connection, rails, since_ms=since_ms)
    unexplained = sum(not one["reason"] for one in found)
    answer = {"checked": checked, "quiet": quiet, "unexplained": unexplained, "differences": found}
    output.document(answer, lambda: _told(answer))
    return FAILED if unexplained else 0


async def compared(connection: Connection, rails: "Rails", *, since_ms: int) -> tuple[int, list[dict[str, Any]]]:
    """How many messages since then were compared, and all differences; see `agreement.differences`."""
    found: list[dict[str, Any]] = []
    checked = 0
    async for stories in _pages(connection, since_ms):
        copies = await rails.shown({one for story in stories for one in natives_of(story)})
        people = await _people(connection, copies.values())
        checked += len(stories)
        found += [one for story in stories for one in differences(story, copies, people)]
    return checked, found


async def _quiet(connection: Connection, known: Running, *, within_s: float, output: Output) -> bool:
    """Wait until router, bridges and ledger have nothing left to do; whether they came to that."""
    deadline_s = time.monotonic() + within_s
    asking = Asking(connection)
    while True:
        found = await collected(known)
        waiting = [found["router"].get("pending"), *(one.get("pending") for one in found["bridges"].values())]
        if not any(waiting) and not (await asking("status"))["pending"]:
            return True
        if time.monotonic() > deadline_s:
            output.note("Something is still under way: what differs may agree in a moment.")
            return False
        await asyncio.sleep(_LOOK_EVERY_S)


async def _pages(connection: Connection, since_ms: int) -> AsyncIterator[list[dict[str, Any]]]:
    """The stories of all messages since then, a page at a time."""
    asking, after = Asking(connection), 0
    while found := (await asking("messages", after=after, since_ms=since_ms, limit=_PAGE))["found"]:
        yield found
        after = found[-1]["rank"]


async def _people(connection: Connection, copies: Iterable[Shown]) -> dict[str, str]:
    """Whose handle is whose, of all who have reacted."""
    handles = {Handle(handle) for copy in copies for handle in copy["reactions"]}
    people = People(connection)
    await people.prefetch(handles)
    return {handle: person.id for handle in handles if (person := people.whose(handle)) is not None}


class Rails:
    """What the rails themselves say that they show, asked with the partner's token."""

    def __init__(
        self, *, http: aiohttp.ClientSession, urls: Mapping[str, str], settings: Mapping[str, RailSettings]
    ) -> None:
        self._http, self._urls, self._settings = http, urls, settings

    async def shown(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Shown]:
        """Those of these copies that are there. Raises `NotReachable`, `Failed`."""
        by_rail: dict[str, list[str]] = {}
        for rail, native_id in sorted(wanted):
            by_rail.setdefault(rail, []).append(native_id)
        found: dict[tuple[str, str], Shown] = {}
        for rail, native_ids in by_rail.items():
            for first in range(0, len(native_ids), 500):
                for one in await self._page(rail, native_ids[first : first + 500]):
                    found[rail, one["native_id"]] = one
        return found

    async def _page(self, rail: str, native_ids: list[str]) -> list[dict[str, Any]]:
        if rail not in self._urls:
            raise Failed(f"No rail {rail!r} is known here; its copies cannot be looked at.")
        headers = {"Authorization": f"Bearer {self._settings[rail].partner_token}"}
        url = f"{self._urls[rail]}/v1.0/federation/shown"
        try:
            async with self._http.post(url, json={"native_ids": native_ids}, headers=headers) as answer:
                if answer.status != 200:
                    raise Failed(f"{rail} does not say what it shows ({answer.status}); is its partner_token right?")
                messages: list[dict[str, Any]] = (await answer.json())["messages"]
                return messages
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReachable(f"{rail} does not answer at {self._urls[rail]}: {error}.") from error


def _told(answer: Mapping[str, Any]) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - 60 ms that --json need not pay

    rows = (
        (one["message_id"], one["rail"], one["what"], one["detail"], one["reason"] or "NONE")
        for one in answer["differences"]
    )
    return Group(
        f"{answer['checked']} messages compared on all their rails; {len(answer['differences'])} differences, "
        f"{answer['unexplained']} without a reason.",
        table(("message", "rail", "what differs", "", "reason"), rows, empty="All copies agree."),
    )
