"""What the handlers of the Client API share: the token, the body, the answer, and how a no is said."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from rails.kit.bodies import read_limited
from rails.kit.metrics import Metrics
from rails.kit.model import Refused, Why
from rails.kit.outbox import ascii_json

T = TypeVar("T")

HTTP_STATUS = {
    Why.BAD_REQUEST: 400,
    Why.UNAUTHORISED: 401,
    Why.NOT_FOUND: 404,
    Why.ADDRESS_TAKEN: 409,
    Why.BAD_ADDRESS: 400,
    Why.UNKNOWN_RECIPIENT: 404,
    Why.RECIPIENT_UNAVAILABLE: 403,
    Why.NOT_REACHABLE_NOW: 503,
    Why.TOO_LONG: 400,
    Why.TOO_LARGE: 413,
    Why.BUSY: 503,
    Why.SELF: 400,
    Why.UNSUPPORTED: 400,
    Why.TOO_OLD: 409,
    Why.TOO_MANY_EDITS: 409,
    Why.NOT_AUTHOR: 403,
    Why.NOT_ALLOWED: 403,
    Why.UNSENT: 409,
    Why.MEDIA_TYPE: 415,
    Why.MEDIA_SIZE: 413,
    Why.MEDIA_FETCH: 400,
    Why.MEDIA_UNKNOWN: 404,
    Why.TOO_MANY: 429,
    Why.SERVER_ERROR: 500,
    Why.NO_SUCH_EDGE: 404,
}
SAME_WORD = {
    Why.SELF: Why.BAD_REQUEST,
    Why.MEDIA_TYPE: Why.UNSUPPORTED,
    Why.MEDIA_SIZE: Why.TOO_LARGE,
    Why.MEDIA_FETCH: Why.BAD_REQUEST,
    Why.MEDIA_UNKNOWN: Why.NOT_FOUND,
    Why.TOO_MANY: Why.BUSY,
    Why.SERVER_ERROR: Why.BUSY,
    Why.NO_SUCH_EDGE: Why.NOT_FOUND,
}


def guarded(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], metrics: Metrics
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler, counted, with its refusals answered."""

    async def answer(request: web.Request) -> web.StreamResponse:
        metrics.add("requests", "client")
        try:
            return await handler(request)
        except Refused as no:
            return refusal(no)

    return answer


def token_of(request: web.Request) -> str:
    """The session token, as Bearer or ``?token=``."""
    header = request.headers.get("Authorization", "")
    token = header[7:].strip() if header[:7].lower() == "bearer " else request.query.get("token", "")
    if not token:
        raise Refused(Why.UNAUTHORISED, "Expected Authorization: Bearer <session token>")
    return token


def refusal(no: Refused) -> web.Response:
    """The Client API's error body."""
    code = SAME_WORD.get(no.why, no.why).value
    return json_answer({"error": {"code": code, "message": no.text}}, status=HTTP_STATUS[no.why])


async def body_of(request: web.Request, kind: type[T]) -> T:
    """The JSON body as that struct, or `bad_request`."""
    raw = await read_limited(request)
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refused(Why.BAD_REQUEST, f"The body: {error}") from error
    except RecursionError as error:
        raise Refused(Why.BAD_REQUEST, "The body is nested too deeply") from error


def json_answer(value: object, *, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=ascii_json(value).encode("ascii"), content_type="application/json")
