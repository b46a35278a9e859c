"""route explain and tail: looking at the routing from outside. Changes nothing."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bus import subjects
from bus.reader import Reader, ReaderLost
from bus.stored import StoredMessage
from router.explain import explain
from schemas.codec import decode_legs, decode_record
from schemas.errors import NotUnderstood
from schemas.handles import parse
from schemas.log import Entry
from trinario.bus_access import connected
from trinario.options import COMMON, Common
from trinario.output import Output, clock, printable, table

if TYPE_CHECKING:
    from rich.console import RenderableType

_PAUSE_S = 0.5


async def route_explain(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    common: Common = COMMON,
) -> None:
    """Where a message would go, and why. Nothing is sent; the decision is the router's own code.

    Parameters
    ----------
    from_
        The account that would write.
    to
        A handle of the recipient.
    """
    sender, recipient = parse(from_), parse(to)
    async with connected(common.place()) as connection:
        found = await explain(connection, sender, recipient)
    common.output().document(found, lambda: _route_shown(found))


def _route_shown(found: Mapping[str, Any]) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - 60 ms that --json need not pay

    legs = ((leg["rail"], leg["why"]) for leg in found["legs"])
    accounts = (
        (account["handle"], "reached" if account["reached"] else "NOT reached", account["why"])
        for account in found["accounts"]
    )
    return Group(
        f"Conversation {found['conversation']}, partition {found['partition']}: "
        f"{found['outcome']}{': ' if found['why'] else ''}{found['why']}",
        table(("goes to", "why"), legs, empty="It goes nowhere."),
        table(("account", "", "why"), accounts, empty="No accounts."),
    )


async def tail(*, rail: str | None = None, conversation: str | None = None, common: Common = COMMON) -> None:
    """What the router decides from now on, one line an event, without texts; Ctrl-C ends it.

    Parameters
    ----------
    rail
        Only what comes from this rail or goes to it.
    conversation
        Only this conversation.
    """
    output = common.output()
    async with connected(common.place()) as connection:
        after = (await connection.api(f"STREAM.INFO.{subjects.LOG}"))["state"]["last_seq"]
        output.note("Following the log; Ctrl-C ends it.")
        while True:
            try:
                reader = await Reader.open(connection, stream=subjects.LOG, after=after)
            except ReaderLost as error:
                output.note(f"{error} Trying again.")
                await asyncio.sleep(_PAUSE_S)
                continue
            try:
                while True:
                    for stored in await reader.pull(limit=256):
                        _print_record(stored, rail=rail, conversation=conversation, output=output)
                        after = stored.sequence
            except ReaderLost:
                continue
            finally:
                await reader.close()


def _print_record(stored: StoredMessage, *, rail: str | None, conversation: str | None, output: Output) -> None:
    try:
        record = decode_record(stored.data)
        lines = [_line(stored, entry, record.partition) for entry in record.entries]
    except NotUnderstood as error:
        output.note(f"{stored.subject} {stored.sequence}: {error}")
        return
    for line in lines:
        if rail in (None, line["source"], *line["legs"]) and conversation in (None, line["conversation"]):
            output.document(line, lambda line=line: _told(line))  # type: ignore[misc]


def _line(stored: StoredMessage, entry: Entry, partition: int) -> dict[str, Any]:
    return {
        "sequence": stored.sequence,
        "at_ms": stored.at_ms,
        "partition": partition,
        "source": entry.source,
        "kind": entry.kind,
        "event": entry.event_id,
        "outcome": entry.outcome,
        "conversation": entry.conversation,
        "position": entry.position,
        "actor": entry.actor,
        "legs": {name: leg.act for name, leg in decode_legs(entry.legs).items()},
        "why": entry.why,
    }


def _told(line: Mapping[str, Any]) -> str:
    legs = ", ".join(f"{act} on {rail}" for rail, act in line["legs"].items())
    where = f"{line['conversation']} at {line['position']}" if line["conversation"] else ""
    parts = (clock(line["at_ms"]), line["source"], line["kind"], line["outcome"], line["why"], where, legs)
    return printable("  ".join(part for part in parts if part))
