"""Have two accounts prove that they are one person's: each is sent a code on its own rail."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack

from schemas.handles import Handle
from trinario.codes import AGAIN_AFTER_MS, GOOD_FOR_MS, Asked, Codes, make
from trinario.directory import now_ms
from trinario.failures import Refused
from trinario.notices import Notices
from trinario.place import Place


async def send_codes(place: Place, one: Handle, other: Handle, *, say: Callable[[str], None]) -> Asked:
    """Send both codes; what is out now. Raises `NotFound`, `NotReachable`, `Failed`; `Refused` when it is too soon."""
    codes, at_ms = Codes(place), now_ms()
    before = codes.find(one, other)
    if before is not None and at_ms - before.at_ms < AGAIN_AFTER_MS:
        raise Refused(
            f"{one} and {other} have been sent codes just now. Give them with --code, or ask again in "
            f"{(before.at_ms + AGAIN_AFTER_MS - at_ms) // 1000 + 1} s."
        )
    asked, (to_one, to_other) = make(one, other, now_ms=at_ms)
    async with AsyncExitStack() as stack:
        at_one, at_other = [await stack.enter_async_context(Notices.opened(place, handle)) for handle in (one, other)]
        first, second = await at_one.account(one), await at_other.account(other)
        codes.keep(asked)
        await at_one.say(first, _words(to_one, other))
        await at_other.say(second, _words(to_other, one))
    say(f"{one} and {other} have each been sent a code.")
    return asked


async def asked_for(one: Handle, other: Handle) -> list[str] | None:
    """The codes as somebody types them at a terminal; None when there is no terminal."""
    if not sys.stdin.isatty():
        return None
    return [await asyncio.to_thread(input, f"The code that {handle} was sent: ") for handle in (one, other)]


def _words(code: str, other: Handle) -> str:
    return (
        f"{code} is the code that links this account with {other}. It is good for {GOOD_FOR_MS // 60_000} minutes. "
        "Who knows both codes can write and read as you on both: give it to nobody. If you have not asked for it, "
        "there is nothing to do."
    )
