"""A phone's calls: ``/api/rails/<rail>/...`` is that rail's ``/client/v1/...``, under the session of an account.

The page names the account (``X-As``, percent-encoded); its token stays here. Calls that would give a token away, or
need none, are not handed on. ``/api/media/<handle>/<media id>`` is a file as an image or a player asks for it (these
cannot send headers): in ranges, and never held in memory, in neither direction.
"""

import re
from collections.abc import AsyncIterable, Iterable
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
_MEDIA = "media"
_CHUNK_BYTES = 128 * 1024
_FILE_WITHIN = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=30.0)
"""A file takes as long as it takes, as long as it moves."""

_PASSED_ON = ("Content-Length", "Content-Range", "Accept-Ranges")
_FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
_SHOWN = re.compile(r"application/json|(image|audio|video)/(?!svg)[a-z0-9.+-]+")
"""Types that a browser may be told; anything else is a download."""


class RailProxy:
    """Hands calls on to the rails. `rails`: name -> URL without a trailing slash."""

    def __init__(self, *, rails: dict[str, str], sessions: Sessions, http: aiohttp.ClientSession) -> None:
        self._rails, self._sessions, self._http = rails, sessions, http

    def routes(self) -> list[web.RouteDef]:
        calls = [web.route(method, "/api/rails/{rail}/{path:.+}", self._call) for method in _METHODS]
        return [*calls, web.get("/api/media/{handle}/{media}", self._file)]

    async def _file(self, request: web.Request) -> web.StreamResponse:
        media = request.match_info["media"]
        try:
            handle = parse(request.match_info["handle"])
        except BadHandle as error:
            return refused(400, "bad_request", str(error))
        session, rail = self._sessions.find(handle), rail_of(handle)
        if session is None or rail not in self._rails or not _SEGMENT.fullmatch(media):
            return refused(404, "not_found", f"There is no session of {handle}, or no such file.")
        return await self._hand_on(request, self._url(rail, [_MEDIA, media], ()), session)

    async def _call(self, request: web.Request) -> web.StreamResponse:
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

    async def _hand_on(self, request: web.Request, url: URL, session: Session) -> web.StreamResponse:
        is_file = _MEDIA in url.parts
        named = ("Content-Type", "Content-Length", "Range") if is_file else ("Content-Type",)
        headers = {name: request.headers[name] for name in named if name in request.headers}
        headers["Authorization"] = f"Bearer {session.token}"
        answer_begun: web.StreamResponse | None = None
        try:
            async with self._http.request(
                request.method,
                url,
                data=await _body(request, is_file=is_file),
                headers=headers,
                allow_redirects=False,
                timeout=_FILE_WITHIN if is_file else self._http.timeout,
            ) as answer:
                if not is_file:
                    return web.Response(status=answer.status, body=await answer.read(), headers=_shown(answer))
                answer_begun = web.StreamResponse(status=answer.status, headers=_shown(answer))
                await _pour(answer, request, answer_begun)
                return answer_begun
        except (aiohttp.ClientError, TimeoutError):
            if answer_begun is not None and answer_begun.prepared:
                raise  # its length has been promised: the connection ends, and the browser asks for the rest
            return refused(
                502,
                "not_reachable_now",
                f"Rail {rail_of(session.handle)} does not answer. `trinario status` shows why.",
            )


async def _body(request: web.Request, *, is_file: bool) -> bytes | AsyncIterable[bytes] | None:
    if is_file:
        return request.content.iter_chunked(_CHUNK_BYTES) if request.can_read_body else None
    return await request.read() or None


async def _pour(answer: aiohttp.ClientResponse, request: web.Request, into: web.StreamResponse) -> None:
    for name in _PASSED_ON:
        if name in answer.headers:
            into.headers[name] = answer.headers[name]
    into.headers["Content-Security-Policy"] = _FILE_POLICY
    await into.prepare(request)
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        await into.write(chunk)
    await into.write_eof()


def _shown(answer: aiohttp.ClientResponse) -> dict[str, str]:
    kind = answer.headers.get("Content-Type", "")
    if _SHOWN.match(kind):
        return {"Content-Type": kind}
    return {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
