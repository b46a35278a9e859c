"""top: the command."""

import asyncio
import sys

import msgspec

from trinario.failures import Misused
from trinario.options import COMMON, Common
from trinario.top.sight import Watch


async def top(*, every: float = 1.0, common: Common = COMMON) -> None:
    """The whole system on one screen, live: parts, slowest legs, dead letters. Enter shows a trace, q ends.

    Parameters
    ----------
    every
        Seconds between two looks.
    """
    if every <= 0:
        raise Misused("--every wants a number of seconds above 0.")
    output = common.output()
    async with Watch(common.place()) as watch:
        if common.json:
            while True:
                output.document(msgspec.to_builtins(await watch.look()), str)
                await asyncio.sleep(every)
        if not sys.stdout.isatty():
            raise Misused("top needs a terminal. `trinario status` fits a pipe, and `trinario top --json` a script.")
        await watch.look()  # raises now, in words, when there is nothing to look at
        from trinario.top.screen import Top  # noqa: PLC0415 - 200 ms that --json need not pay

        await Top(watch, every_s=every).run_async()
