"""``POST /resolve``: the rail asks who an address is that it does not know: a person here, somebody elsewhere, nobody.

Nothing is guessed: when the directory or the rail cannot be asked, the answer is 503 and the client is told "not now".
"""

from collections.abc import Sequence

import msgspec
import structlog
from aiohttp import web

from bridges.kit import extension
from bridges.kit.accounts import Accounts, NoAccount
from bridges.kit.intake import NOT_NOW
from bridges.kit.people import People
from bridges.kit.signatures import SIGNATURE, is_signed
from bridges.kit.tolerant import UNREADABLE
from schemas.errors import BadHandle, Refusal, explain
from schemas.handles import Handle, parse
from schemas.ids import PersonId, RailName
from schemas.log import Seat
from schemas.people import Person

_log = structlog.get_logger(__name__)


class Resolver:
    """The route of one rail's bridge."""

    def __init__(self, *, rail: RailName, secrets: Sequence[str], accounts: Accounts, people: People) -> None:
        self._rail, self._secrets = rail, secrets
        self._accounts, self._people = accounts, people

    async def resolve(self, request: web.Request) -> web.Response:
        """200 ``{"account"}``; 404 nobody; 403 not available to who asks, or oneself; 503 not now."""
        body = await request.read()
        if not is_signed(body, request.headers.get(SIGNATURE, ""), self._secrets):
            return _no(401, f"{SIGNATURE} does not fit the body.")
        try:
            question = extension.questions.decode(body)
        except UNREADABLE as error:
            return _no(400, f"Expected an address and a requester: {error}")
        try:
            return await self._answer(question)
        except NOT_NOW as error:
            _log.warning("resolve.put_off", rail=self._rail, reason=type(error).__name__)
            return _no(503, "The federation cannot be asked now. Try again.")

    async def _answer(self, question: extension.Question) -> web.Response:
        try:
            target = await self._find(parse(question.address))
            asking = await self._accounts.person_of(await self._accounts.get(question.requester))
        except (BadHandle, NoAccount) as error:
            return _no(404, str(error))
        if target is None:
            return _no(404, explain(Refusal.UNKNOWN_RECIPIENT))
        if asking == target.id:
            return _no(403, explain(Refusal.ONESELF))
        if await self._blocks(target, asking):
            return _no(403, explain(Refusal.RECIPIENT_UNAVAILABLE))
        return await self._show(target)

    async def _show(self, target: Person) -> web.Response:
        """The account that is them here: their own, or their ghost."""
        seat = Seat(person=target.id, name=target.name, handles=self._handles(target))
        try:
            return _json(200, {"account": await self._accounts.find_node(seat)})
        except NoAccount:
            return _no(404, explain(Refusal.UNKNOWN_RECIPIENT))

    async def _find(self, handle: Handle) -> Person | None:
        holder = await self._people.holder(handle)
        person = await self._people.person(holder) if holder is not None else None
        return person if person is not None and person.handles() else None

    async def _blocks(self, target: Person, asking: PersonId) -> bool:
        return asking in [await self._people.current(blocked) for blocked in target.blocked]

    def _handles(self, target: Person) -> tuple[Handle, ...]:
        """As the router would seat them: without rails they do not want to be reached on."""
        never = target.preferences.never
        wanted = tuple(handle for handle in target.handles() if handle.partition(":")[0] not in never)
        return wanted or target.handles()


def _no(status: int, message: str) -> web.Response:
    return _json(status, {"error": {"message": message}})


def _json(status: int, value: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
