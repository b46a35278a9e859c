"""search, loss and ledger rebuild: what the ledger alone can tell of many messages."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bus.connection import Connection
from bus.service import CannotAnswer, NobodyAnswers
from router.ledger.service import Asking
from schemas.handles import parse
from trinario.asking import page
from trinario.bus_access import connected
from trinario.daemons.ledger import serve_ledger
from trinario.options import COMMON, Common
from trinario.output import Output, clock, table
from trinario.settings import machine

_LOOK_EVERY_S = 0.1


async def search(*words: str, limit: int = 50, common: Common = COMMON) -> None:
    """Messages in which all these words stand, newest first; the last word may be a beginning.

    Parameters
    ----------
    words
        What to look for.
    limit
        How many at most.
    """
    output = common.output()
    async with connected(common.place()) as connection:
        found = await page(connection, "search", output.note, words=" ".join(words), limit=limit)
    rows = ((clock(one["at_ms"]), one["from"], one["text"], one["message_id"]) for one in found)
    output.documents(found, lambda: table(("when", "from", "text", "message"), rows, empty="Nothing was found."))


async def loss(*, of: str | None = None, limit: int = 50, common: Common = COMMON) -> None:
    """What recipients did not see as it was meant, newest first: failed and left-out legs, and what a rail cannot show.

    Parameters
    ----------
    of
        Only what this account missed.
    limit
        How many at most.
    """
    output = common.output()
    asked = {"limit": limit, **({"of": parse(of)} if of is not None else {})}
    async with connected(common.place()) as connection:
        found = await page(connection, "loss", output.note, **asked)
    rows = (
        (
            clock(one["at_ms"]),
            one["rail"],
            one["kind"],
            one["what"],
            ", ".join(one["lost"]) or one["why"],
            ", ".join(one["recipients"]),
            "yes" if one["repairable"] else "",
            one["message_id"],
        )
        for one in found
    )
    columns = ("when", "rail", "of a", "what", "why", "for", "repairable", "message")
    output.documents(found, lambda: table(columns, rows, empty="Nothing was lost."))


async def rebuild(*, common: Common = COMMON) -> None:
    """Make the ledger anew from the log. It answers meanwhile, from what it has read so far."""
    output = common.output()
    began_s = time.monotonic()
    async with connected(common.place()) as connection, _somebody(connection, common):
        asking = Asking(connection)
        records = await _followed(asking, output, before=(await asking("rebuild"))["builds"])
        figures = await asking("figures")
    took_s = time.monotonic() - began_s
    done = {**{key: value for key, value in figures.items() if isinstance(value, int)}, "took_s": round(took_s, 2)}
    output.document(
        done,
        lambda: (
            f"The ledger was made anew: {records} log records, {figures['messages']} messages, {figures['results']} "
            f"leg results, {figures['receipts']} receipts in {took_s:.1f} s."
        ),
    )


@asynccontextmanager
async def _somebody(connection: Connection, common: Common) -> AsyncIterator[None]:
    """A ledger that answers: the one that runs, or else one of our own for as long as it takes."""
    try:
        await Asking(connection)("status")
    except NobodyAnswers:
        settings = machine(common.place(), config=None).settings
        is_ready = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            own = group.create_task(serve_ledger(settings, ready=lambda _: is_ready.set()))
            await is_ready.wait()
            yield
            own.cancel()
    else:
        yield


async def _followed(asking: Asking, output: Output, *, before: int) -> int:
    """Until a ledger made after that many `before` has read all of the log; how many records that were."""
    from rich.console import Console  # noqa: PLC0415 - 60 ms that other commands need not pay
    from rich.progress import Progress  # noqa: PLC0415 - as above

    with Progress(console=Console(stderr=True), disable=output.as_json, transient=True) as progress:
        bar = progress.add_task("Reading the log", total=None)
        while True:
            status = await _status(asking)
            if status is not None:
                progress.update(bar, completed=status["cursor"], total=status["cursor"] + status["pending"])
                if status["builds"] > before and not status["pending"]:
                    return int(status["cursor"])
            await asyncio.sleep(_LOOK_EVERY_S)


async def _status(asking: Asking) -> dict[str, Any] | None:
    try:
        return await asking("status")
    except CannotAnswer:
        return None
