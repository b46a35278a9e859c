"""Reading what clients send: JSON, JSON strings inside JSON, urlencoded; within a limit, never a 500.

Multipart forms, which may hold files, are read by `rails.kit.uploads`.

Published clients write the same call in all of these ways (wire.md, section 9). Used by the Platform API and the
Client API.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from rails.kit.model import Refused, Why

BODY_BYTES = 1024 * 1024
BATCH_BYTES = 8 * 1024 * 1024
MAY_BE_STRINGS = (
    "recipient",
    "message",
    "payload",
    "batch",
    "text",
    "context",
    "reply_to",
    "federation",
    "attachment",
    "attachments",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "block_users",
    "interactive",
    "template",
    "quick_replies",
)
"""Members that some clients send as a JSON string."""


async def read_limited(request: web.Request, limit_bytes: int = BODY_BYTES) -> bytes:
    """The body, or `too_large`."""
    if (request.content_length or 0) > limit_bytes:
        raise Refused(Why.TOO_LARGE, f"The body has {request.content_length} bytes, at most {limit_bytes} are taken")
    parts = bytearray()
    async for part in request.content.iter_chunked(64 * 1024):
        parts += part
        if len(parts) > limit_bytes:
            raise Refused(Why.TOO_LARGE, f"The body is larger than the {limit_bytes} bytes that are taken")
    return bytes(parts)


def decode_json(raw: bytes | str) -> Any:
    """Any JSON value, or `bad_request`."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Refused(Why.BAD_REQUEST, f"The body is not JSON in UTF-8: {error}") from error
    except RecursionError as error:
        raise Refused(Why.BAD_REQUEST, "The body is nested too deeply") from error


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object; an empty body is an empty one."""
    value = decode_json(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise Refused(Why.BAD_REQUEST, "The body: expected a JSON object")
    return value


async def read_any(request: web.Request, limit_bytes: int) -> dict[str, Any]:
    """The members of the body in whichever form it came, without nulls, JSON strings opened."""
    if request.method == "GET" or not request.body_exists:
        return {}
    form_type = request.content_type
    raw = await read_limited(request, limit_bytes)
    if form_type == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        return opened(urlencoded(raw))
    return opened(json_object(raw))


def urlencoded(raw: bytes) -> dict[str, str]:
    """A form's fields; the first of several with one name counts."""
    from urllib.parse import parse_qsl  # noqa: PLC0415 - rarely needed

    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as error:
        raise Refused(Why.BAD_REQUEST, f"The form cannot be read: {error}") from error
    return dict(reversed(pairs))


def opened(members: Mapping[str, Any]) -> dict[str, Any]:
    """Without null members, and with JSON strings opened where an object is expected."""
    result: dict[str, Any] = {}
    for key, value in members.items():
        if value is None:
            continue
        is_packed = key in MAY_BE_STRINGS and isinstance(value, str) and value[:1] in "{[" and value
        result[key] = decode_json(value.encode("utf-8", "surrogatepass")) if is_packed else value
    return result


def text_member(members: Mapping[str, Any], name: str, *, required: bool = True, longest: int = 4096) -> str | None:
    """A text, or None when absent and not required. `bad_request` otherwise."""
    value = members.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not value or len(value) > longest:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected a text of 1 to {longest} characters")
    return value


def needed(members: Mapping[str, Any], name: str, *, longest: int = 4096) -> str:
    """A text that has to be there."""
    return text_member(members, name, longest=longest) or ""


def object_member(members: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object that has to be there."""
    value = members.get(name)
    if not isinstance(value, dict):
        raise Refused(Why.BAD_REQUEST, f"{name}: expected an object")
    return value


def list_member(members: Mapping[str, Any], name: str) -> list[Any]:
    """A list that has to be there and has something in it."""
    value = members.get(name)
    if not isinstance(value, list) or not value:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected a list that is not empty")
    return value


def integer_member(members: Mapping[str, Any], name: str) -> int | None:
    """A 64-bit integer, or None when absent."""
    value = members.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) < value < 2**63 - 1:
        raise Refused(Why.BAD_REQUEST, f"{name}: expected an integer of 64 bits")
    return value


def flag_member(members: Mapping[str, Any], name: str, *, default: bool) -> bool:
    """A truth value; clients also write it as a text or a number."""
    value = members.get(name, default)
    if value in (True, "true", "True", "1", 1):
        return True
    if value in (False, "false", "False", "0", 0, ""):
        return False
    raise Refused(Why.BAD_REQUEST, f"{name}: expected true or false")
