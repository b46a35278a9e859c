"""person timer: how long what a person writes lasts, wherever they write it and to whom."""

from schemas.events import Prefer
from schemas.handles import parse
from schemas.vanishing import Timer
from trinario.directory import Directory, new_event_id, now_ms
from trinario.durations import seconds
from trinario.failures import Misused
from trinario.options import COMMON, Common, Flag


async def lasting(
    handle: str,
    /,
    *,
    expires: str | None = None,
    after_read: str | None = None,
    off: Flag = False,
    common: Common = COMMON,
) -> None:
    """Let what a person writes from now on go by itself; a message or a thread with a shorter time goes sooner.

    Parameters
    ----------
    handle
        Any account of the person.
    expires
        So long after a message was sent: 30s, 90m, 24h or 7d.
    after_read
        So long after somebody else has first read it; with both, whichever comes first.
    off
        No longer.
    """
    if off == (expires is not None or after_read is not None):
        raise Misused("Say how long: --expires 24h, --after-read 30s, or both; or --off.")
    timer = Timer(
        after_s=seconds("--expires", expires) if expires is not None else 0,
        after_read_s=seconds("--after-read", after_read) if after_read is not None else 0,
    )
    whose = parse(handle)
    async with Directory.opened(common.place()) as directory:
        await directory.named(whose)
        await directory.ask(Prefer(id=new_event_id("prefer"), handle=whose, timer=timer, at_ms=now_ms()))
        person = await directory.named(whose)
    kept = person.preferences.timer or Timer()
    lengths = ((kept.after_s, "after it was sent"), (kept.after_read_s, "after it was read"))
    lasts = ", ".join(f"{length} s {words}" for length, words in lengths if length) or "for good"
    told = {"person": person.id, "after_s": kept.after_s, "after_read_s": kept.after_read_s}
    common.output().document(told, lambda: f"What {handle} writes from now on stays {lasts}.")
