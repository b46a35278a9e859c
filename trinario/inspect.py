"""route explain and tail: looking at the routing from outside. Changes nothing."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bus import subjects
from bus.reader import Reader, ReaderLost
from bus.stored import StoredMessage
from router.explain import capabilities_of, explain
from schemas.codec import decode_legs, decode_record
from schemas.errors import NotUnderstood
from schemas.groups import is_group
from schemas.handles import parse
from schemas.ids import ConversationId
from schemas.log import Entry
from trinario.bus_access import connected
from trinario.forecast import Kind, content_of, forecast
from trinario.options import COMMON, Common
from trinario.output import Output, clock, printable, table

if TYPE_CHECKING:
    from rich.console import RenderableType

_PAUSE_S = 0.5


async def route_explain(
    *,
    from_: Annotated[str, Parameter(name="--from")],
    to: str,
    kind: Kind | None = None,
    length: int | None = None,
    size: int | None = None,
    mime: str | None = None,
    common: Common = COMMON,
) -> None:
    """Where a message would go, and why; and what each rail would be given of it. Nothing is sent.

    The decisions are the router's and the bridges' own code.

    Parameters
    ----------
    from_
        The account that would write.
    to
        A handle of the recipient, or the conversation of a group.
    kind
        What would be sent.
    length
        How long the text would be, or the caption: characters.
    size
        How large the file would be: bytes.
    mime
        Of which type the file would be, for example application/zip.
    """
    sender, recipient = parse(from_), ConversationId(to) if is_group(to) else parse(to)
    is_asked = any(one is not None for one in (kind, length, size, mime))
    content = content_of(kind or "text", size_bytes=size, length=length, mime=mime) if is_asked else None
    async with connected(common.place()) as connection:
        found = await explain(connection, sender, recipient)
        if content is not None:
            rails = [leg["rail"] for leg in found["legs"]]
            given = forecast(content, rails, await capabilities_of(connection))
            found["legs"] = [{**leg, **given.get(leg["rail"], {})} for leg in found["legs"]]
    common.output().document(found, lambda: _route_shown(found))


def _route_shown(found: Mapping[str, Any]) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - 60 ms that --json need not pay

    legs = ((leg["rail"], leg["why"], _given(leg)) for leg in found["legs"])
    accounts = (
        (account["handle"], "reached" if account["reached"] else "NOT reached", account["why"])
        for account in found["accounts"]
    )
    return Group(
        f"Conversation {found['conversation']}, partition {found['partition']}: "
        f"{found['outcome']}{': ' if found['why'] else ''}{found['why']}",
        table(("goes to", "why", "as"), legs, empty="It goes nowhere."),
        table(("account", "", "why"), accounts, empty="No accounts."),
    )


def _given(leg: Mapping[str, Any]) -> str:
    if leg.get("refused"):
        return f"refused: {leg['refused']}"
    return "; ".join([*leg.get("as", []), *leg.get("lost", [])])


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
