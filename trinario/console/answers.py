"""JSON answers, and errors in the Client API's form, so that the page has one way of showing both."""

from typing import Any

import msgspec
from aiohttp import web

from schemas.errors import TrinarioError
from trinario import client
from trinario.failures import Misused, NotFound, NotReachable, Refused

_STATUS: dict[type[TrinarioError], tuple[int, str]] = {
    client.AddressTaken: (409, "address_taken"),
    Misused: (400, "bad_request"),
    NotFound: (404, "not_found"),
    NotReachable: (503, "not_reachable_now"),
    Refused: (403, "refused"),
}
"""An error of ours -> HTTP status and code; the first that fits. Others are the caller's mistake: 400."""


def answered(value: Any, *, status: int = 200) -> web.Response:
    """A value as JSON. Non-finite numbers and the like do not occur in ours."""
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")


def refused(status: int, code: str, message: str) -> web.Response:
    """``{"error": {"code", "message"}}``; the message names the thing, what was expected and the way out."""
    return answered({"error": {"code": code, "message": message}}, status=status)


def explained(error: TrinarioError) -> web.Response:
    """The answer that an error of ours stands for."""
    for kind, (status, code) in _STATUS.items():
        if isinstance(error, kind):
            return refused(status, code, str(error))
    return refused(400, "bad_request", str(error))
