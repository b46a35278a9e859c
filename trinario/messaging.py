"""Writing and reading on a rail: send, inbox, read, watch. Speaks to the rails' Client API only, as any app would."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from schemas.groups import is_group
from schemas.handles import parse
from schemas.markers import Mark
from trinario.client import acting, reconnecting
from trinario.durations import seconds
from trinario.failures import Misused
from trinario.groups import addressed
from trinario.options import COMMON, As, Common, Flag, With
from trinario.output import clock, picked, printable, table
from trinario.shown import happened, said

if TYPE_CHECKING:
    from rich.console import RenderableType

MESSAGE_KEYS = (
    "native_id",
    "thread",
    "from",
    "to",
    "text",
    "direction",
    "sent_at_ms",
    "read",
    "status",
    "edited",
    "unsent",
    "reactions",
    "reply_to",
    "expires_at_ms",
    "after_read_s",
)
"""An inbox line, as the contract has it."""


async def send(
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    as_: As,
    to: str,
    file: Path | None = None,
    reply_to: str | None = None,
    expires: str | None = None,
    after_read: str | None = None,
    common: Common = COMMON,
) -> None:
    """Write to anybody, from any rail, by any of their handles.

    Parameters
    ----------
    text
        What to say; with --file, what to say about it.
    as_
        The account that writes.
    to
        A handle of the recipient, on any rail; or the conversation of a group.
    file
        A photo, a video, a voice note or any other file to send.
    reply_to
        Native id, on this rail, of the message that is answered.
    expires
        It goes on every rail so long after it was sent: 30s, 90m, 24h or 7d.
    after_read
        It goes on every rail so long after somebody else has first read it; with both, whichever comes first.
    """
    ends = ends_of(expires, after_read)
    if text is None and file is None:
        raise Misused("There is nothing to send. Give a text, or --file PATH, or both.")
    me = parse(as_)
    async with acting(common.place(), me) as client:
        recipient = await addressed(client, me, to)
        if file is None:
            sent = await client.send(to=recipient, text=text or "", reply_to=reply_to, ends=ends)
        else:
            sent = await client.send_file(to=recipient, path=file, caption=text or "", reply_to=reply_to, ends=ends)
    common.output().document(
        picked(sent, "native_id", "thread"), lambda: f"Sent to {to} from {me} ({sent['native_id']})."
    )


def ends_of(expires: str | None, after_read: str | None) -> dict[str, int]:
    """When a message is to go, as the Client API takes it. Raises `Misused`."""
    named = {"expires_in_s": ("--expires", expires), "after_read_s": ("--after-read", after_read)}
    return {name: seconds(option, text) for name, (option, text) in named.items() if text is not None}


async def inbox(
    *,
    as_: As,
    with_: Annotated[str | None, Parameter(name="--with")] = None,
    unread: Flag = False,
    common: Common = COMMON,
) -> None:
    """What an account has been written and has written, oldest first.

    Parameters
    ----------
    as_
        The account whose inbox it is.
    with_
        Only the thread with this handle, or the group of this conversation.
    unread
        Only what has come in and not been read.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        peer = None if with_ is None else await addressed(client, me, with_)
        messages = await client.messages(peer=peer, unread=unread)
        is_in_group = peer is not None and with_ is not None and is_group(with_)
        others = len((await client.group(peer))["members"]) - 1 if peer is not None and is_in_group else 0
    common.output().documents((_line(one) for one in messages), lambda: _inbox_table(messages, others))


def _line(message: dict[str, Any]) -> dict[str, Any]:
    """In a group, who has read it, too."""
    return picked(message, *MESSAGE_KEYS, *(("read_by",) if "read_by" in message else ()))


def _inbox_table(messages: list[dict[str, Any]], others: int) -> "RenderableType | str":
    rows = (
        (clock(one["sent_at_ms"]), one["from"], one["to"], _with_reply(one), _state(one, others), one["native_id"])
        for one in messages
    )
    return table(("sent", "from", "to", "text", "status", "native id"), rows, empty="Nothing here.")


def _with_reply(message: dict[str, Any]) -> str:
    return f"{said(message)}\n(answers {message['reply_to']})" if message["reply_to"] else said(message)


def _state(message: dict[str, Any], others: int) -> str:
    """`others`: how many else are in the group; 0 when it is not one group's messages that are shown."""
    if message["direction"] == "in":
        return "read" if message["read"] else "new"
    if others and message.get("read_by"):
        return f"read by {len(message['read_by'])} of {others}"
    error = message.get("error")
    return f"{message['status']}: {error['message']}" if error else str(message["status"])


async def timer(
    *,
    as_: As,
    with_: With,
    expires: str | None = None,
    after_read: str | None = None,
    off: Flag = False,
    common: Common = COMMON,
) -> None:
    """Let what is written in a thread from now on go by itself, whoever writes it and wherever.

    Parameters
    ----------
    as_
        The account that sets it.
    with_
        A handle of the other person, or the conversation of a group.
    expires
        So long after a message was sent: 30s, 90m, 24h or 7d.
    after_read
        So long after somebody else has first read it; with both, whichever comes first.
    off
        No longer.
    """
    if off == (expires is not None or after_read is not None):
        raise Misused("Say how long: --expires 24h, --after-read 30s, or both; or --off.")
    named = {"after_s": ("--expires", expires), "after_read_s": ("--after-read", after_read)}
    ends = {name: seconds(option, text) for name, (option, text) in named.items() if text is not None}
    me = parse(as_)
    async with acting(common.place(), me) as client:
        found = await client.set_timer(peer=await addressed(client, me, with_), ends=ends)
    lengths = ((found["after_s"], "after it was sent"), (found["after_read_s"], "after it was read"))
    lasts = ", ".join(f"{length} s {words}" for length, words in lengths if length) or "for good"
    common.output().document(found, lambda: f"What is written with {with_} from now on stays {lasts}.")


async def read(*, as_: As, with_: With, up_to: str | None = None, common: Common = COMMON) -> None:
    """Read a thread here, and so everywhere.

    Parameters
    ----------
    as_
        The account that reads.
    with_
        A handle of the other person, or the conversation of a group.
    up_to
        Native id of the last message read; without it, all.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        peer = await addressed(client, me, with_)
        count = await client.read(peer=peer, up_to=up_to)
    common.output().document({"read": count}, lambda: f"{count} newly read in the thread with {with_}.")


async def mark(mark: Mark, /, *, as_: As, with_: With, off: Flag = False, common: Common = COMMON) -> None:
    """Mark a thread for oneself, on all one's rails; nobody else is told. Reading takes "unread" away.

    Parameters
    ----------
    mark
        How the thread is to stand.
    as_
        The account whose thread it is.
    with_
        A handle of the other person, or the conversation of a group.
    off
        Take the mark away.
    """
    me = parse(as_)
    async with acting(common.place(), me) as client:
        await client.mark(peer=await addressed(client, me, with_), mark=mark, on=not off)
    is_so = "is no longer" if off else "is now"
    common.output().document({"mark": mark, "on": not off}, lambda: f"The thread with {with_} {is_so} {mark}.")


async def watch(*, as_: As, common: Common = COMMON) -> None:
    """What happens to an account, as it happens; Ctrl-C ends it.

    Parameters
    ----------
    as_
        The account to watch.
    """
    output = common.output()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(acting(common.place(), parse(as_)))
        output.note(f"Watching {parse(as_)}; Ctrl-C ends it.")
        async for news in reconnecting(client, say=output.note):
            output.document(news, lambda news=news: printable(happened(news)))  # type: ignore[misc]
