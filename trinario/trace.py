"""trace and why: the way of one message, as a line map with a branch for every rail. Changes nothing."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bus.tracing import trace_id_of
from schemas.handles import parse
from trinario.asking import story
from trinario.asking import why as reasons
from trinario.bus_access import connected
from trinario.options import COMMON, Common
from trinario.output import clock, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_STATIONS: Mapping[str, tuple[str, str]] = {
    "queued": ("○", "yellow"),
    "posted": ("●", "green"),
    "delivered": ("●", "green"),
    "read": ("◉", "bold green"),
    "failed": ("✕", "bold red"),
    "skipped": ("┄", "dim"),
}
_ANSWERS: Mapping[bool | None, str] = {True: "green", False: "red", None: "yellow"}


async def trace(message: str, /, *, common: Common = COMMON) -> None:
    """The way of one message: where it came from, what was decided, what became of each leg.

    Parameters
    ----------
    message
        Its id on the bus (evt_...), or what any rail calls it.
    """
    output = common.output()
    async with connected(common.place()) as connection:
        found = await story(connection, message, output.note)
    found = {**found, "trace_id": trace_id_of(found["message_id"])}
    output.document(found, lambda: drawing(found))


async def why(message: str, handle: str, /, *, common: Common = COMMON) -> None:
    """Why an account did, or did not, get a message: one answer, and every decision that led to it.

    Parameters
    ----------
    message
        Its id on the bus (evt_...), or what any rail calls it.
    handle
        The account.
    """
    output, account = common.output(), parse(handle)
    async with connected(common.place()) as connection:
        found = await reasons(connection, message, account, output.note)
    output.document(found, lambda: answer_shown(found))


def answer_shown(found: Mapping[str, Any]) -> "RenderableType":
    """The answer of `why`, for people."""
    from rich.console import Group  # noqa: PLC0415 - 60 ms that --json need not pay
    from rich.text import Text  # noqa: PLC0415 - as above

    steps = _grid()
    for step in found["decisions"]:
        steps.add_row(Text(clock(step["at_ms"]), "dim"), Text(printable(step["what"])))
    return Group(Text(printable(found["answer"]), _ANSWERS[found["got"]]), steps)


def drawing(found: Mapping[str, Any]) -> "RenderableType":
    """A line map: the origin above, the router in the middle, a branch to every rail, and what happened since."""
    from rich.console import Group  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    lines = _grid()
    for row in _rows(found):
        lines.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    head = Text.assemble(
        (found["message_id"], "bold"), f"  {found['shape'] or 'unreadable'} from {printable(str(found['from']))}"
    )
    return Group(head, lines, *(Text("   " + line, "dim") for line in _since(found)))


def _grid() -> "Table":
    from rich.table import Table  # noqa: PLC0415 - as above

    grid = Table.grid(padding=(0, 2))
    for _ in range(5):
        grid.add_column(overflow="fold")
    return grid


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    from rich.text import Text  # noqa: PLC0415 - as above

    origin = next(leg for leg in found["legs"] if leg["rail"] == found["source"])
    began = found["accepted_at_ms"]
    yield *_station("", origin), _named(origin), Text(clock(began), "dim"), _told(origin)
    routed = f"position {found['position']}" if found["outcome"] == "routed" else found["outcome"]
    yield (
        Text("┃\n◆", "bold cyan"),
        Text("\nrouter", "bold"),
        f"\n{routed}",
        Text("\n" + _later(found["routed_at_ms"] - began), "dim"),
        f"\n{found['conversation']}",
    )
    legs = [leg for leg in found["legs"] if leg is not origin]
    for leg in legs:
        when = _later(leg["at_ms"] - began) if leg["status"] != "skipped" else ""
        branch = "┗━" if leg is legs[-1] and not found["unreached"] else "┣━"
        yield *_station(branch, leg), _named(leg), Text(when, "dim"), _told(leg)
    for handle, reason in found["unreached"].items():
        last = handle == list(found["unreached"])[-1]
        yield Text("┗┄" if last else "┣┄", "dim"), Text(printable(handle)), "not reached", "", reason


def _station(branch: str, leg: Mapping[str, Any]) -> tuple[Any, Any]:
    from rich.text import Text  # noqa: PLC0415 - as above

    glyph, style = _STATIONS[leg["status"]]
    return Text.assemble((branch, "cyan"), (glyph, style)), Text(leg["rail"], "bold")


def _named(leg: Mapping[str, Any]) -> str:
    tries = f" ({leg['attempts']} attempts)" if leg["attempts"] > 1 else ""
    return f"{leg['status']}{tries}"


def _told(leg: Mapping[str, Any]) -> str:
    parts = [leg["why"], *(f"lost: {lost}" for lost in leg["lost"]), *(f"as {one}" for one in leg["native_ids"])]
    return "\n".join(part for part in parts if part)


def _later(ms: int) -> str:
    return f"+{ms} ms" if ms < 10_000 else f"+{ms // 1000} s"


def _leg_told(leg: Mapping[str, Any]) -> str:
    lost = f" (lost: {', '.join(leg['lost'])})" if leg["lost"] else ""
    why = f" ({leg['why']})" if leg["status"] in ("failed", "skipped") else ""
    return f"{leg['rail']} {leg['status']}{lost}{why}"


def _since(found: Mapping[str, Any]) -> Iterator[str]:
    """When it goes; edits, unsends, reactions, votes, its end; and how far everybody has got."""
    yield from _end(found)
    for change in found["changes"]:
        legs = ", ".join(_leg_told(leg) for leg in change["legs"])
        what = f"{change['kind']} {change['emoji']}".strip()
        by = "" if change["kind"] == "expired" else f" by {change['actor']}"
        yield printable(f"{clock(change['at_ms'])}  {what}{by}, {change['outcome']}: {legs}")
    for marker in found["markers"]:
        yield f"{marker['person']} has got up to position {marker['delivered']}, read up to {marker['read']}"


def _end(found: Mapping[str, Any]) -> Iterator[str]:
    if found["expires_at_ms"] is not None:
        yield f"{clock(found['expires_at_ms'])}  {'it went' if found['expired'] else 'it is to go'}, on every rail"
    elif found["after_read_s"]:
        yield f"it is to go {found['after_read_s']} s after it has been read"
