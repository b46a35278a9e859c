"""person list, show, link, unlink, prefer: who is who, and who is the same person."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from schemas.events import Link, Prefer, Unlink
from schemas.handles import Handle, parse
from schemas.ids import RailName
from schemas.people import Person, Preferences
from trinario.codes import GOOD_FOR_MS, Asked, Codes
from trinario.directory import Directory, new_event_id, now_ms
from trinario.failures import Misused, NotFound
from trinario.options import COMMON, Common, Flag
from trinario.output import Output, printable, table
from trinario.proving import asked_for, send_codes
from trinario.where import running

if TYPE_CHECKING:
    from rich.console import RenderableType


async def listed(*, common: Common = COMMON) -> None:
    """Everybody the federation knows."""
    async with Directory.opened(common.place()) as directory:
        everyone = await directory.everyone()
    common.output().documents((as_json(one) for one in everyone), lambda: _people_table(everyone))


async def show(who: str, /, *, common: Common = COMMON) -> None:
    """One person: accounts and preferences.

    Parameters
    ----------
    who
        A handle or a person id.
    """
    async with Directory.opened(common.place()) as directory:
        person = await directory.named(who)
    _print(common.output(), person)


async def link(
    one: str,
    other: str,
    /,
    *,
    trust: Flag = False,
    code: Annotated[list[str] | None, Parameter(negative=(), show_default=False)] = None,
    common: Common = COMMON,
) -> None:
    """Make two accounts one person, who then writes and reads on both rails.

    Each account is sent a code, on its own rail; both codes together prove that they are one person's. A terminal is
    asked for them at once; otherwise call again with --code twice.

    Parameters
    ----------
    one
        A handle; its person remains.
    other
        A handle; its person becomes the first one.
    trust
        You, the operator, vouch for it: nobody is asked for proof.
    code
        A code that one of the two accounts was sent; give it twice, in any order.
    """
    first, second, place, output = parse(one), parse(other), common.place(), common.output()
    if first == second:
        raise Misused("These are the same account. Name two.")
    if trust and code:
        raise Misused("--trust asks nobody for codes. Give --trust or --code.")
    if not trust and not code:
        asked = await send_codes(place, first, second, say=output.note)
        code = None if common.json else await asked_for(first, second)
        if code is None:
            output.document(_codes_out(asked), lambda: _what_now(first, second))
            return
    if not trust:
        Codes(place).proven(first, second, code or (), now_ms=now_ms())
    async with Directory.opened(place) as directory:
        for handle in (first, second):
            await directory.once_known(handle)
        proven = Link(
            id=new_event_id("link"),
            handles=(first, second),
            proof="operator" if trust else "codes",
            at_ms=now_ms(),
        )
        await directory.ask(proven)
        person = await directory.named(first)
    _print(output, person)


def _codes_out(asked: Asked) -> dict[str, Any]:
    return {"state": "proposed", "handles": list(asked.handles), "codes_until_ms": asked.until_ms}


def _what_now(first: Handle, second: Handle) -> str:
    return (
        f"{first} and {second} have each been sent a code. With both of them, within {GOOD_FOR_MS // 60_000} minutes:\n"
        f"  trinario person link {first} {second} --code CODE --code CODE"
    )


async def unlink(handle: str, /, *, common: Common = COMMON) -> None:
    """Make an account a person of its own again. History stays where it is.

    Parameters
    ----------
    handle
        The account that leaves its person.
    """
    leaving = parse(handle)
    async with Directory.opened(common.place()) as directory:
        await directory.named(leaving)
        await directory.ask(Unlink(id=new_event_id("unlink"), handle=leaving, at_ms=now_ms()))
        person = await directory.named(leaving)
    _print(common.output(), person)


async def prefer(
    handle: str,
    /,
    *,
    receipts: Annotated[bool | None, Parameter(show_default=False)] = None,
    never: Annotated[list[str] | None, Parameter(negative=(), show_default=False)] = None,
    everywhere: Flag = False,
    keep: Annotated[bool | None, Parameter(show_default=False)] = None,
    presence: Annotated[bool | None, Parameter(show_default=False)] = None,
    offline_on: Annotated[list[str] | None, Parameter(negative=(), show_default=False)] = None,
    offline_until: Annotated[str | None, Parameter(show_default=False)] = None,
    common: Common = COMMON,
) -> None:
    """Where a person is to be reached, what others see of their reading and their being there, what they keep.

    Parameters
    ----------
    handle
        Any account of the person.
    receipts
        Whether others are shown that this person has read.
    never
        A rail on which the person is not to be reached; may be given several times.
    everywhere
        Reach the person on all rails again.
    keep
        Keep what others take back, in direct conversations: the message stays, with a notice.
    presence
        Show others when this person is there and when they last were. Nobody is shown without this.
    offline_on
        A rail on which to appear offline; may be given several times. "none": on none any more.
    offline_until
        Appear offline everywhere until then, in ISO form; "now": no longer.
    """
    if never and everywhere:
        raise Misused("--never and --everywhere contradict each other. Give one of them.")
    wishes = Prefer(
        id=new_event_id("prefer"),
        handle=parse(handle),
        receipts=receipts,
        never=tuple(RailName(rail) for rail in never or ()) if never or everywhere else None,
        keeps=keep,
        presence=presence,
        offline_on=None if offline_on is None else tuple(rail for rail in offline_on if rail != "none"),
        offline_until_ms=None if offline_until is None else _until(offline_until),
    )
    if all(getattr(wishes, name) is None for name in _WISHES):
        raise Misused("Say what to prefer: --receipts, --never RAIL, --keep, --presence or another; see --help.")
    place = common.place()
    known = running(place).rails
    unknown = {*(wishes.never or ()), *(wishes.offline_on or ())} - set(known)
    if unknown:
        raise NotFound(f"There is no rail {min(unknown)!r}. The rails are: {', '.join(known)}.")
    whose = wishes.handle
    async with Directory.opened(place) as directory:
        await directory.named(whose)
        await directory.ask(msgspec.structs.replace(wishes, at_ms=now_ms()))
        person = await directory.named(whose)
    _print(common.output(), person)


_WISHES = ("receipts", "never", "keeps", "presence", "offline_on", "offline_until_ms")


def _until(words: str) -> int:
    if words == "now":
        return 0
    try:
        return int(datetime.fromisoformat(words).astimezone().timestamp() * 1000)
    except ValueError as error:
        raise Misused(f"{words!r} is no time. Give one like 2030-01-31T18:00, or now.") from error


def as_json(person: Person) -> dict[str, Any]:
    """A person as the contract has it."""
    wishes = person.preferences
    return {
        "person": person.id,
        "name": person.name,
        "accounts": [{"handle": account.handle, "state": account.state} for account in person.accounts],
        "preferences": {
            "receipts": wishes.receipts,
            "never": list(wishes.never),
            **({"keeps": True} if wishes.keeps else {}),
            **({"presence": True} if wishes.presence else {}),
            **({"offline_on": list(wishes.offline_on)} if wishes.offline_on else {}),
            **({"offline_until_ms": wishes.offline_until_ms} if wishes.offline_until_ms else {}),
        },
    }


def _print(output: Output, person: Person) -> None:
    output.document(as_json(person), lambda: _card(person))


def _card(person: Person) -> str:
    wishes = person.preferences
    return "\n".join(
        [
            f"{printable(person.name)}  ({person.id})",
            *(f"  {printable(account.handle)}  {account.state}" for account in person.accounts),
            f"  receipts: {'shown to others' if wishes.receipts else 'not shown'}",
            f"  reached: {'everywhere' if not wishes.never else 'never on ' + ', '.join(wishes.never)}",
            *(["  keeps what others take back"] if wishes.keeps else []),
            *([f"  presence: {_shown_where(wishes)}"] if wishes.presence else []),
        ]
    )


def _shown_where(wishes: Preferences) -> str:
    where = f", but offline on {', '.join(wishes.offline_on)}" if wishes.offline_on else ""
    if wishes.offline_until_ms > now_ms():
        return f"offline until {datetime.fromtimestamp(wishes.offline_until_ms / 1000).astimezone():%Y-%m-%d %H:%M}"
    return f"shown to others{where}"


def _people_table(everyone: list[Person]) -> "RenderableType | str":
    rows = (
        (
            one.name,
            "\n".join(a.handle if a.state == "verified" else f"{a.handle} ({a.state})" for a in one.accounts),
            one.id,
        )
        for one in everyone
    )
    return table(("name", "accounts", "person"), rows, empty="Nobody yet. Register somebody: trinario account register")
