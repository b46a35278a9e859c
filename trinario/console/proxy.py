"""A phone's calls: ``/api/rails/<rail>/...`` is that rail's ``/client/v1/...``, under the session of an account.

The page names the account (``X-As``, percent-encoded); its token stays here. Calls that would give a token away, or
need none, are not handed on.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from yarl import URL

from schemas.errors import BadHandle
from schemas.handles import parse, rail_of
from trinario.console.answers import refused
from trinario.sessions import Session, Sessions

AS_HEADER = "X-As"
_SEGMENT = re.compile(r"[A-Za-z0-9_@+:~-][A-Za-z0-9_@+:.~-]*")
"""Never begins with a dot, so that no path climbs."""

_WITHHELD = frozenset({"accounts", "sessions", "ws"})
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SHOWN = re.compile(r"application/json|(image|audio|video)/(?!svg)[a-z0-9.+-]+")
"""Types that a browser may be told; anything else is a download."""


class RailProxy:
    """Hands calls on to the rails. `rails`: name -> URL without a trailing slash."""

    def __init__(self, *, rails: dict[str, str], sessions: Sessions, http: aiohttp.ClientSession) -> None:
        self._rails, self._sessions, self._http = rails, sessions, http

    def routes(self) -> list[web.RouteDef]:
        return [web.route(method, "/api/rails/{rail}/{path:.+}", self._call) for method in _METHODS]

    async def _call(self, request: web.Request) -> web.Response:
        rail, segments = request.match_info["rail"], request.match_info["path"].split("/")
        if rail not in self._rails:
            return refused(404, "not_found", f"There is no rail {rail!r} here: {', '.join(self._rails)} are.")
        if segments[0] in _WITHHELD or not all(map(_SEGMENT.fullmatch, segments)):
            return refused(404, "not_found", "A phone has no such call. docs/rail-api.md lists them.")
        try:
            handle = parse(unquote(request.headers.get(AS_HEADER, "")))
        except BadHandle as error:
            return refused(400, "bad_request", f"{AS_HEADER}: {error}")
        session = self._sessions.find(handle) if rail_of(handle) == rail else None
        if session is None:
            return refused(404, "not_found", f"There is no session of {handle} for {rail}. Register the account first.")
        return await self._hand_on(request, self._url(rail, segments, request.query.items()), session)

    def _url(self, rail: str, segments: list[str], query: Iterable[tuple[str, str]]) -> URL:
        url = URL(self._rails[rail]).joinpath("client", "v1", *segments)
        return url.with_query([(key, value) for key, value in query if key != "token"])

    async def _hand_on(self, request: web.Request, url: URL, session: Session) -> web.Response:
        headers = {"Authorization": f"Bearer {session.token}"}
        if "Content-Type" in request.headers:
            headers["Content-Type"] = request.headers["Content-Type"]
        body = await request.read()
        try:
            async with self._http.request(
                request.method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read(), headers=_shown(answer))
        except (aiohttp.ClientError, TimeoutError):
            return refused(
                502,
                "not_reachable_now",
                f"Rail {rail_of(session.handle)} does not answer. `trinario status` shows why.",
            )


def _shown(answer: aiohttp.ClientResponse) -> dict[str, str]:
    kind = answer.headers.get("Content-Type", "")
    if _SHOWN.match(kind):
        return {"Content-Type": kind}
    return {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
