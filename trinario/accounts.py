"""Accounts: register, block, unblock. Through the rail's Client API, as any app would.

`register` also waits until the federation knows the new account, so that the next command may link it or write to it.
"""

from typing import Any

from schemas.handles import Handle, address_of, parse, rail_of
from schemas.people import newcomer
from trinario.client import AddressTaken, Unauthorised, acting, client_for
from trinario.directory import Directory
from trinario.failures import NotReachable, Refused
from trinario.options import COMMON, As, Common
from trinario.output import Output, printable
from trinario.place import Place
from trinario.sessions import Session, Sessions


async def register(handle: str, /, *, name: str, common: Common = COMMON) -> None:
    """Register an account on its rail, and keep its session.

    Registering the same account again from the same data folder gives the same answer.

    Parameters
    ----------
    handle
        rail:address, for example instagram:@carla.
    name
        The display name.
    """
    wanted, place, output = parse(handle), common.place(), common.output()
    account = await registered(place, wanted, name)
    own = parse(account["handle"])
    person = await _person_behind(place, own, account["name"], output)
    output.document(
        {"handle": own, "person": person},
        lambda: f"{printable(account['name'])} is on {rail_of(own)} as {own} (person {person}).",
    )


async def registered(place: Place, handle: Handle, name: str) -> dict[str, Any]:
    """The rail's ACCOUNT of a handle: the one we have a session for, or a new one. Raises `AddressTaken`."""
    sessions = Sessions(place)
    session = sessions.find(handle)
    if session is not None:
        try:
            async with client_for(place, handle, token=session.token) as client:
                return await client.account()
        except Unauthorised:
            pass  # the rail has forgotten the account (its data was removed): register it again
    async with client_for(place, handle, token=None) as client:
        try:
            made = await client.register(address=address_of(handle), name=name)
        except AddressTaken as error:
            raise Refused(
                f"{handle} is taken by somebody else: {error} Choose another address, or use the data folder that "
                "has its session (--data)."
            ) from error
    account: dict[str, Any] = made["account"]
    for known_as in {handle, parse(account["handle"])}:
        sessions.keep(Session(handle=known_as, token=made["token"]))
    return account


async def _person_behind(place: Place, handle: Handle, name: str, output: Output) -> str:
    """Who the federation takes this account for, once it has heard of it."""
    try:
        async with Directory.opened(place) as directory:
            return (await directory.once_known(handle)).id
    except NotReachable as error:
        output.note(f"Registered on the rail; the federation has not confirmed it yet. {error}")
        return newcomer(handle, name).id


async def block(handle: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Hear from somebody no more, on any rail.

    Parameters
    ----------
    handle
        Whom to block.
    as_
        The account that does it.
    """
    await _block(handle, as_=as_, on=True, common=common)


async def unblock(handle: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Hear from somebody again.

    Parameters
    ----------
    handle
        Whom to unblock.
    as_
        The account that does it.
    """
    await _block(handle, as_=as_, on=False, common=common)


async def _block(handle: str, *, as_: str, on: bool, common: Common) -> None:
    whom = parse(handle)
    async with acting(common.place(), parse(as_)) as client:
        await client.block(whom=whom, on=on)
    word = "blocks" if on else "no longer blocks"
    common.output().document({"handle": whom, "blocked": on}, lambda: f"{parse(as_)} {word} {whom}.")
