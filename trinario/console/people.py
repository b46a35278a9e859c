"""Who a phone can be: the accounts whose sessions are in the data folder. And making more of them.

Sessions are made by `trinario account register`, the demo and this page alike.
"""

import asyncio

import msgspec
from aiohttp import web

from schemas.errors import TrinarioError
from schemas.handles import Handle, address_of, parse, rail_of
from trinario.client import RailClient, Unauthorised
from trinario.console.answers import answered, explained, refused
from trinario.failures import NotFound
from trinario.place import Place
from trinario.sessions import Session, Sessions


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody a phone can be. `state`: here, or away when the rail does not answer (`name` is the address then)."""

    handle: Handle
    rail: str
    name: str
    state: str = "here"


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """Be somebody more."""

    handle: str
    name: str


class People:
    """The accounts of the data folder. `rails`: name -> URL."""

    def __init__(self, *, rails: dict[str, str], place: Place) -> None:
        self._rails, self._place = rails, place
        self._sessions = Sessions(place)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/api/accounts", self._list), web.post("/api/accounts", self._register)]

    async def _list(self, _: web.Request) -> web.Response:
        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(self._look(session)) for session in self._kept()]
        found = {one.handle: one for look in looks if (one := look.result()) is not None}
        return answered({"rails": list(self._rails), "accounts": sorted(found.values(), key=lambda one: one.handle)})

    def _kept(self) -> list[Session]:
        found: list[Session] = []
        for path in (self._place.data / "sessions").glob("*.json"):
            try:
                found.append(msgspec.json.decode(path.read_bytes(), type=Session))
            except (OSError, msgspec.MsgspecError):
                continue  # damaged or just being removed: `--as` says so when somebody means it
        return [session for session in found if rail_of(session.handle) in self._rails]

    async def _look(self, session: Session) -> Chosen | None:
        rail = rail_of(session.handle)
        try:
            async with RailClient(rail=rail, url=self._rails[rail], token=session.token) as client:
                account = await client.account()
        except Unauthorised:
            return None  # the rail has forgotten the account
        except TrinarioError:
            return Chosen(handle=session.handle, rail=rail, name=address_of(session.handle), state="away")
        return Chosen(handle=parse(account["handle"]), rail=rail, name=account["name"])

    async def _register(self, request: web.Request) -> web.Response:
        try:
            asked = msgspec.json.decode(await request.read(), type=Registration)
        except msgspec.MsgspecError as error:
            return refused(400, "bad_request", f'Expected {{"handle", "name"}}: {error}.')
        try:
            made = await self._registered(parse(asked.handle), asked.name)
        except TrinarioError as error:
            return explained(error)
        return answered(made, status=201)

    async def _registered(self, handle: Handle, name: str) -> Chosen:
        rail = rail_of(handle)
        if rail not in self._rails:
            raise NotFound(f"There is no rail {rail!r} here: {', '.join(self._rails)} are.")
        async with RailClient(rail=rail, url=self._rails[rail]) as client:
            made = await client.register(address=address_of(handle), name=name)
        own = parse(made["account"]["handle"])
        for known_as in {handle, own}:
            self._sessions.keep(Session(handle=known_as, token=made["token"]))
        return Chosen(handle=own, rail=rail, name=made["account"]["name"])
