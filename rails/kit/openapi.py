"""``/client/openapi.json``: the Client API described, from the structs it decodes and one table of its requests."""

import re
from typing import Any

import msgspec

from rails.kit.client_api import Block, NewMessage, ReadMark, Registration, ThreadMark
from rails.kit.content_api import NewReaction, NewText, NewVote, TypingSign
from rails.kit.groups_api import GroupChange, Newcomers, NewGroup, NewRole
from rails.kit.model import Why
from rails.kit.presence_api import PresenceSign
from rails.kit.rail import Rail
from rails.kit.timers_api import NewTimer

_NAMES = re.compile(r"\{(\w+)\}")
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_FLAG = {"type": "boolean"}
_ROLE = {"type": "string", "enum": ["owner", "admin", "member"]}


def _object(**members: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": members}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


ANSWERS: dict[str, Any] = {
    "Account": _object(
        id=_TEXT,
        handle=_TEXT,
        address=_TEXT,
        name=_TEXT,
        kind={"type": "string", "enum": ["person", "business", "ghost"]},
        federated=_FLAG,
    ),
    "Registered": _object(account=_ref("Account"), token=_TEXT),
    "Session": _object(token=_TEXT),
    "Sent": _object(native_id=_TEXT, thread=_TEXT, sent_at_ms=_NUMBER),
    "Message": _object(
        native_id=_TEXT,
        thread=_TEXT,
        arrival=_NUMBER,
        **{"from": _TEXT},
        to=_TEXT,
        text=_TEXT,
        direction={"type": "string", "enum": ["in", "out"]},
        sent_at_ms=_NUMBER,
        read=_FLAG,
        status={"type": "string", "enum": ["sent", "failed", "delivered", "read"]},
        error={"oneOf": [{"type": "null"}, _object(code=_TEXT, message=_TEXT)]},
        edited=_FLAG,
        unsent=_FLAG,
        reactions={"type": "object", "additionalProperties": _TEXT},
        reply_to={"type": ["string", "null"]},
        content={"type": ["object", "null"], "properties": {"type": _TEXT}},
        votes={"type": "object", "additionalProperties": {"type": "array", "items": _NUMBER}},
        forwarded={"type": "integer", "enum": [0, 1, 2]},
        markup=_FLAG,
        preview=_FLAG,
        expires_at_ms={"type": ["integer", "null"]},
        after_read_s={"type": ["integer", "null"]},
    ),
    "Messages": _object(
        messages={"type": "array", "items": _ref("Message")},
        next={"type": ["integer", "null"]},
        previous={"type": ["string", "null"]},
    ),
    "Media": _object(media_id=_TEXT, kind=_TEXT, mime=_TEXT, size_bytes=_NUMBER, sha256=_TEXT, name=_TEXT),
    "Threads": _object(
        threads={
            "type": "array",
            "items": _object(
                thread=_TEXT,
                kind={"type": "string", "enum": ["direct", "group"]},
                **{"with": {"type": "array", "items": _TEXT}},
                name=_TEXT,
                unread=_NUMBER,
                marks={"type": "array", "items": _TEXT},
                last_at_ms=_NUMBER,
                timer=_ref("Timer"),
            ),
        }
    ),
    "Presence": {
        "type": "object",
        "required": ["handle", "online"],
        "properties": {"handle": _TEXT, "online": _FLAG, "until_ms": _NUMBER, "last_seen_ms": _NUMBER},
    },
    "Timer": _object(after_s=_NUMBER, after_read_s=_NUMBER),
    "Read": _object(read=_NUMBER),
    "Group": _object(
        group=_TEXT,
        thread=_TEXT,
        key=_TEXT,
        name=_TEXT,
        members={"type": "array", "items": _object(handle=_TEXT, name=_TEXT, role=_ROLE)},
        until_ms=_NUMBER,
        closed=_FLAG,
        mine={"oneOf": [{"type": "null"}, _ROLE]},
    ),
    "Error": _object(error=_object(code={"type": "string", "enum": sorted(why.value for why in Why)}, message=_TEXT)),
}

# method, path, what it does, body, status, answer, query parameters
REQUESTS: tuple[tuple[str, str, str, str | None, int, str | None, tuple[str, ...]], ...] = (
    ("post", "/client/v1/accounts", "Register", "Registration", 201, "Registered", ()),
    ("get", "/client/v1/account", "My account", None, 200, "Account", ()),
    ("post", "/client/v1/sessions", "A further session", None, 201, "Session", ()),
    ("delete", "/client/v1/sessions", "End this session", None, 204, None, ()),
    ("post", "/client/v1/messages", "Send a text or anything else", "NewMessage", 201, "Sent", ()),
    (
        "get",
        "/client/v1/messages",
        "My messages, oldest first; fetching them marks them as delivered",
        None,
        200,
        "Messages",
        ("with", "thread", "unread", "after", "before", "limit"),
    ),
    ("patch", "/client/v1/messages/{native_id}", "Edit my message", "NewText", 200, "Message", ()),
    ("delete", "/client/v1/messages/{native_id}", "Take my message back", None, 200, "Message", ()),
    ("put", "/client/v1/messages/{native_id}/reaction", "React, or take it back", "NewReaction", 200, "Message", ()),
    ("put", "/client/v1/messages/{native_id}/vote", "Vote in a poll", "NewVote", 200, "Message", ()),
    ("post", "/client/v1/media", "Upload a file: the body is its bytes", None, 201, "Media", ("name",)),
    ("get", "/client/v1/media/{media_id}", "The bytes of a file", None, 200, None, ()),
    ("post", "/client/v1/typing", "I am typing, or no longer", "TypingSign", 204, None, ()),
    ("post", "/client/v1/presence", "I am there, or no longer", "PresenceSign", 204, None, ()),
    ("get", "/client/v1/presence", "Whether somebody is there", None, 200, "Presence", ("with",)),
    ("get", "/client/v1/threads", "My threads, the latest first", None, 200, "Threads", ()),
    ("post", "/client/v1/groups", "Make a group", "NewGroup", 201, "Group", ()),
    ("get", "/client/v1/groups/{group}", "A group that I am or was in", None, 200, "Group", ()),
    ("patch", "/client/v1/groups/{group}", "Rename it, or let it end", "GroupChange", 200, "Group", ()),
    ("delete", "/client/v1/groups/{group}", "End it", None, 200, "Group", ()),
    ("post", "/client/v1/groups/{group}/members", "Let people in", "Newcomers", 200, "Group", ()),
    ("put", "/client/v1/groups/{group}/members/{who}", "Make an admin, or none", "NewRole", 200, "Group", ()),
    ("delete", "/client/v1/groups/{group}/members/{who}", "Take out, or leave", None, 200, "Group", ("ban",)),
    ("delete", "/client/v1/groups/{group}/bans/{who}", "Lift a ban", None, 200, "Group", ()),
    ("post", "/client/v1/read", "Mark as read", "ReadMark", 200, "Read", ()),
    (
        "post",
        "/client/v1/mark",
        "Mark as unread, muted, archived or pinned, or take that back",
        "ThreadMark",
        204,
        None,
        (),
    ),
    ("put", "/client/v1/timer", "How long what is written in a thread lasts", "NewTimer", 200, "Timer", ()),
    ("post", "/client/v1/blocks", "Block somebody", "Block", 204, None, ()),
    ("delete", "/client/v1/blocks", "Unblock somebody", "Block", 204, None, ()),
    ("get", "/client/v1/ws", "WebSocket of what happens (docs/rail-api.md)", None, 101, None, ("token",)),
)


_BODIES = (
    Registration,
    NewMessage,
    ReadMark,
    ThreadMark,
    Block,
    NewText,
    NewReaction,
    NewVote,
    TypingSign,
    PresenceSign,
    NewGroup,
    GroupChange,
    Newcomers,
    NewRole,
    NewTimer,
)


def document(rail: Rail) -> dict[str, Any]:
    """The OpenAPI 3.1 document of one rail's Client API."""
    _, bodies = msgspec.json.schema_components(
        _BODIES,
        ref_template="#/components/schemas/{name}",
    )
    paths: dict[str, dict[str, Any]] = {}
    for method, path, summary, body, status, answer, query in REQUESTS:
        paths.setdefault(path, {})[method] = _operation(path, summary, (body, status, answer), query)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"{rail.title} Client API", "version": "1", "description": _limits(rail)},
        "security": [{"session": []}],
        "paths": paths,
        "components": {
            "schemas": {**bodies, **ANSWERS},
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
    }


def _limits(rail: Rail) -> str:
    limit = rail.app_text_limit
    return f"Addresses look like {rail.address_example}. A text has at most {limit.size} {limit.unit}."


def _operation(
    path: str, summary: str, exchange: tuple[str | None, int, str | None], query: tuple[str, ...]
) -> dict[str, Any]:
    body, status, answer = exchange
    good: dict[str, Any] = {"description": summary}
    if answer is not None:
        good["content"] = {"application/json": {"schema": _ref(answer)}}
    error = {"description": "Refused", "content": {"application/json": {"schema": _ref("Error")}}}
    operation: dict[str, Any] = {"summary": summary, "responses": {str(status): good, "default": error}}
    if path.endswith("/accounts"):
        operation["security"] = []
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _ref(body)}}}
    named = [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in _NAMES.findall(path)]
    named += [{"name": name, "in": "query", "schema": _TEXT} for name in query]
    if named:
        operation["parameters"] = named
    return operation
