"""Dead letters from the page: try again, or give up for good, as `trinario dead` does.

The only thing on the page that changes anything on the bus. The console's own role may not; each call opens a
connection with the operator's key, where the data folder has it, and closes it again.
"""

from typing import Any

import msgspec
from aiohttp import web

from bus.connection import ApiError, NoAnswer, NotConnected
from schemas.errors import TrinarioError
from trinario.bus_access import connected
from trinario.console.answers import answered, explained, refused
from trinario.console.buslink import BusAway
from trinario.dead import dropped, redriven
from trinario.failures import Misused
from trinario.place import Place


class _Reason(msgspec.Struct, frozen=True, kw_only=True):
    why: str


class Letters:
    """The handlers. `place`: where the operator's key is."""

    def __init__(self, *, place: Place) -> None:
        self._place = place

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/api/dead/{letter:[0-9]{1,18}}/{act:redrive|drop}", self._settle)]

    async def _settle(self, request: web.Request) -> web.Response:
        """``{"id", "outcome", "event", "why"}``. Dropping needs ``{"why"}``. Repeating either is harmless."""
        letter, act = int(request.match_info["letter"]), request.match_info["act"]
        try:
            why = _reason(await request.read()) if act == "drop" else ""
            return answered(await self._settled(letter, why))
        except msgspec.MsgspecError as error:
            return refused(400, "bad_request", f'Dropping letter {letter} needs {{"why": TEXT}}: {error}')
        except TrinarioError as error:
            return explained(error)
        except (NotConnected, NoAnswer, ApiError):
            return explained(BusAway())

    async def _settled(self, letter: int, why: str) -> dict[str, Any]:
        async with connected(self._place) as connection:
            return await (dropped(connection, letter, why) if why else redriven(connection, letter))


def _reason(body: bytes) -> str:
    why = msgspec.json.decode(body, type=_Reason).why.strip()
    if not why:
        raise Misused("Say why: it is all that will be left of the letter.")
    return why
