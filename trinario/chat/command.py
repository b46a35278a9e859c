"""chat: the command."""

import sys

from schemas.handles import parse
from trinario.chat.desk import Desk
from trinario.client import acting
from trinario.failures import Misused
from trinario.options import COMMON, As, Common


async def chat(*, as_: As, common: Common = COMMON) -> None:
    """Write and read as an account, live, in this terminal.

    Enter sends. Ctrl-N writes to somebody new, Ctrl-O sends a file; on a message R answers, E edits, D takes it back
    and Plus reacts. Ctrl-Q ends it.

    Parameters
    ----------
    as_
        The account to be.
    """
    handle = parse(as_)
    if common.json or not sys.stdout.isatty():
        raise Misused("chat needs a terminal. `trinario watch` and `trinario send` fit a pipe or a script.")
    async with acting(common.place(), handle) as client:
        desk = Desk(client, handle=handle)
        await desk.load()  # raises now, in words, when the rail is away
        from trinario.chat.screen import Chat  # noqa: PLC0415 - 200 ms that other commands need not pay

        await Chat(desk).run_async()
