"""repair: what recipients missed and can still be given is given to them.

What `trinario loss` calls repairable is a leg that its rail has refused or that ran out of time; its dead letter holds
all that it takes to do it again. Asked of the bridges as `trinario dead redrive` is, so doing it twice is harmless.
"""

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bus import dead
from bus.connection import Connection
from schemas.handles import parse
from trinario.asking import page
from trinario.bus_access import connected
from trinario.dead import is_redrivable, redriven
from trinario.failures import NotReachable, Refused
from trinario.options import COMMON, Common, Flag
from trinario.output import table

if TYPE_CHECKING:
    from rich.console import RenderableType

_COLUMNS = ("letter", "rail", "for", "message", "outcome", "why")


async def repair(
    *,
    of: str | None = None,
    dry_run: Annotated[Flag, Parameter(name="--dry-run")] = False,
    limit: int = 500,
    common: Common = COMMON,
) -> None:
    """Try again whatever recipients missed and can still be given.

    Parameters
    ----------
    of
        Only what this account missed.
    dry_run
        Say what would be tried, and do nothing.
    limit
        How many at most, newest first.
    """
    output = common.output()
    asked = {"limit": limit, **({"of": parse(of)} if of is not None else {})}
    async with connected(common.place()) as connection:
        losses = [one for one in await page(connection, "loss", output.note, **asked) if one["repairable"]]
        found = await _tried(connection, losses, dry_run=dry_run)
    output.documents(found, lambda: _shown(found))


async def _tried(connection: Connection, losses: list[dict[str, Any]], *, dry_run: bool) -> list[dict[str, Any]]:
    """Each loss with what became of it. A loss whose letter an operator has dropped stays as it is."""
    letters = {
        (kept.letter.event_id, kept.letter.rail): kept
        async for kept in dead.letters(connection)
        if is_redrivable(kept.letter)
    }
    found = []
    for loss in losses:
        kept = letters.get((loss["event_id"], loss["rail"]))
        told = {"message": loss["message_id"], "rail": loss["rail"], "recipients": loss["recipients"]}
        if kept is None:
            found.append({**told, "letter": None, "outcome": "gone", "why": "no dead letter of it is left"})
        elif dry_run:
            found.append({**told, "letter": kept.id, "outcome": "would be tried", "why": loss["why"]})
        else:
            found.append({**told, "letter": kept.id, **await _again(connection, kept.id)})
    return found


async def _again(connection: Connection, letter: int) -> dict[str, str]:
    """One that cannot be tried now does not keep the others from it."""
    try:
        done = await redriven(connection, letter)
    except (NotReachable, Refused) as error:
        return {"outcome": "not now" if isinstance(error, NotReachable) else "refused", "why": str(error)}
    return {"outcome": done["outcome"], "why": done["why"]}


def _shown(found: list[dict[str, Any]]) -> "RenderableType | str":
    rows = (
        (one["letter"] or "", one["rail"], ", ".join(one["recipients"]), one["message"], one["outcome"], one["why"])
        for one in found
    )
    return table(_COLUMNS, rows, empty="There is nothing to repair.")
