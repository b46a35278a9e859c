"""The Client API of a rail (docs/rail-api.md), as a person's app uses it.

Knows no bus and no other rail. Used by the messaging commands and the demo.
"""

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NoReturn, Self
from urllib.parse import quote
from uuid import uuid4

import aiohttp

from schemas.errors import TrinarioError
from schemas.handles import Handle, rail_of
from trinario.failures import Failed, Misused, NotFound, NotReachable, Refused
from trinario.place import Place
from trinario.sessions import Sessions
from trinario.where import running

ANSWER_WITHIN_S = 20.0
"""Longer than the 5 s a rail waits for its partner when an address is new."""

_RETRIES = 3
_PAGE_LENGTH = 500
_CHUNK_BYTES = 256 * 1024
_FILE_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_WITHIN_S, sock_read=60)
"""A file may take its time, as long as something moves."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

ERRORS: Mapping[str, type[TrinarioError]] = {
    "bad_request": Misused,
    "bad_address": Misused,
    "unauthorised": NotFound,
    "not_found": NotFound,
    "unknown_recipient": NotFound,
    "address_taken": Refused,
    "recipient_unavailable": Refused,
    "too_long": Refused,
    "too_large": Refused,
    "too_old": Refused,
    "too_many_edits": Refused,
    "not_author": Refused,
    "not_allowed": Refused,
    "unsent": Refused,
    "not_reachable_now": NotReachable,
    "busy": NotReachable,
}
"""The rail's error code -> what the command ends with; the rail's own text is shown."""


class Unauthorised(NotFound):
    """The rail does not know the session token (any more)."""


class AddressTaken(Refused):
    """Somebody has this address already."""


class Unsupported(Refused):
    """The rail does not carry this kind of content."""


class RailClient:
    """One account's app (or, without a token, nobody's) on one rail. Use it with ``async with``."""

    def __init__(self, *, rail: str, url: str, token: str | None = None) -> None:
        self._rail, self._url = rail, url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S), raise_for_status=False
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    async def register(self, *, address: str, name: str) -> dict[str, Any]:
        """``{"account", "token"}``. Raises `AddressTaken`."""
        return await self._ask("POST", "accounts", {"address": address, "name": name})

    async def account(self) -> dict[str, Any]:
        """Whose token this is. Raises `Unauthorised`."""
        return await self._ask("GET", "account")

    async def send(
        self,
        *,
        to: str,
        text: str = "",
        content: Mapping[str, Any] | None = None,
        reply_to: str | None = None,
        client_key: str | None = None,
        ends: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """``{"native_id", "thread", "sent_at_ms"}``. A broken connection is tried again under the same key.

        `ends`: when it is to go, ``{"expires_in_s", "after_read_s"}``, either or both.

        `content` (docs/rail-api.md) instead of `text`. Raises `Unsupported` for what the rail does not carry.
        """
        said = {"text": text} if content is None else {"content": content}
        body = {"to": to, **said, "client_key": client_key or uuid4().hex, **(ends or {})}
        return await self._ask("POST", "messages", body | ({"reply_to": reply_to} if reply_to else {}))

    async def send_file(
        self,
        *,
        to: str,
        path: Path,
        caption: str = "",
        reply_to: str | None = None,
        ends: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """Upload a file and send it. Where the rail has no captions, the words follow as a message of their own."""
        media = await self.upload(path)
        content: dict[str, Any] = {"type": media["kind"], "media_id": media["media_id"], "name": path.name}
        try:
            captioned = content | ({"caption": caption} if caption else {})
            return await self.send(to=to, content=captioned, reply_to=reply_to, ends=ends)
        except Unsupported:
            if not caption:
                raise
        sent = await self.send(to=to, content=content, reply_to=reply_to, ends=ends)
        await self.send(to=to, text=caption, ends=ends)
        return sent

    async def set_timer(self, *, peer: str, ends: Mapping[str, int]) -> dict[str, Any]:
        """How long what is written in a thread from now on lasts: ``{"after_s", "after_read_s"}``, 0 for neither."""
        return await self._ask("PUT", "timer", {"with": peer, **ends})

    async def edit(self, native_id: str, text: str) -> dict[str, Any]:
        """Say a message of one's own otherwise; the message as it is now."""
        return await self._ask("PATCH", _message(native_id), {"text": text})

    async def unsend(self, native_id: str) -> dict[str, Any]:
        """Take a message of one's own back."""
        return await self._ask("DELETE", _message(native_id))

    async def react(self, native_id: str, emoji: str) -> dict[str, Any]:
        """One's one reaction to a message; ``""`` takes it back."""
        return await self._ask("PUT", f"{_message(native_id)}/reaction", {"emoji": emoji})

    async def vote(self, native_id: str, options: Sequence[int]) -> dict[str, Any]:
        """One's choice in a poll, by places from 0; none takes it back."""
        return await self._ask("PUT", f"{_message(native_id)}/vote", {"options": list(options)})

    async def upload(self, path: Path) -> dict[str, Any]:
        """``{"media_id", "kind", "mime", "size_bytes", "sha256", "name"}``. Streamed. Raises `NotFound`."""
        claimed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        try:
            file = await asyncio.to_thread(path.open, "rb")
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFound(f"There is no file {path}. Name one that can be read.") from error
        try:
            with file:
                return await self._once(
                    "POST", "media", None, {"name": path.name}, file=file, headers={"Content-Type": claimed}
                )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReachable(self._unreachable()) from error

    async def download(self, media_id: str) -> AsyncIterator[bytes]:
        """A file's bytes, piece by piece."""
        url = f"{self._url}/client/v1/media/{quote(media_id, safe='')}"
        try:
            async with self._session().get(url, timeout=_FILE_TIMEOUT) as answer:
                if answer.status >= 400:
                    self._refuse(answer.status, await answer.text())
                async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
                    yield piece
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReachable(self._unreachable()) from error

    async def message(self, native_id: str) -> dict[str, Any]:
        """One message of this account's. Raises `NotFound`."""
        found = next((one for one in await self.messages() if one["native_id"] == native_id), None)
        if found is None:
            raise NotFound(f"There is no message {native_id} here. `trinario inbox --json` shows the native ids.")
        return found

    async def messages(self, *, peer: str | None = None, unread: bool = False) -> list[dict[str, Any]]:
        """All messages (or those with a peer, or those not read), oldest first. Fetched, they count as delivered."""
        query = {**({"with": peer} if peer else {}), **({"unread": "1"} if unread else {})}
        found: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = await self._ask("GET", "messages", query={**query, "after": str(after), "limit": str(_PAGE_LENGTH)})
            found += page["messages"]
            after = page["next"] if len(page["messages"]) == _PAGE_LENGTH else None
        return in_reading_order(found)

    async def latest(self, *, thread: str, limit: int) -> list[dict[str, Any]]:
        """The latest messages of one thread, oldest first. Fetched, they count as delivered."""
        found = await self._ask("GET", "messages", query={"thread": thread, "limit": str(limit)})
        return in_reading_order(found["messages"])

    async def typing(self, *, thread: str) -> None:
        """Show the others that one is writing."""
        await self._ask("POST", "typing", {"thread": thread, "on": True})

    async def threads(self) -> list[dict[str, Any]]:
        """``[{"thread", "with", "name", "unread", "last_at_ms"}]``."""
        found: list[dict[str, Any]] = (await self._ask("GET", "threads"))["threads"]
        return found

    async def read(self, *, peer: str, up_to: str | None = None) -> int:
        """Mark a thread as read; how many messages were new."""
        body = {"with": peer} | ({"up_to": up_to} if up_to else {})
        return int((await self._ask("POST", "read", body))["read"])

    async def mark(self, *, peer: str, mark: str, on: bool) -> None:
        """Mark a thread as unread, muted, archived or pinned, for oneself; or take that back."""
        await self._ask("POST", "mark", {"with": peer, "mark": mark, "on": on})

    async def make_group(self, *, name: str, members: Sequence[str], until_ms: int, client_key: str) -> dict[str, Any]:
        """`GROUP` of docs/rail-api.md, newly made. A broken connection is tried again under the same key."""
        body = {"name": name, "with": list(members), "until_ms": until_ms, "client_key": client_key}
        return await self._ask("POST", "groups", body)

    async def group(self, native_id: str) -> dict[str, Any]:
        """`GROUP`. Raises `NotFound`."""
        return await self._ask("GET", _group(native_id))

    async def invite(self, native_id: str, *, whom: Sequence[str]) -> dict[str, Any]:
        """Let people in; `GROUP` as it is then."""
        return await self._ask("POST", f"{_group(native_id)}/members", {"add": list(whom)})

    async def take_out(self, native_id: str, *, whom: str, ban: bool = False) -> dict[str, Any]:
        """Take somebody out, or leave; `GROUP` as it is then."""
        path = f"{_group(native_id)}/members/{quote(whom, safe='')}"
        return await self._ask("DELETE", path, query={"ban": "1"} if ban else None)

    async def unban(self, native_id: str, *, whom: str) -> dict[str, Any]:
        """They can be invited again."""
        return await self._ask("DELETE", f"{_group(native_id)}/bans/{quote(whom, safe='')}")

    async def set_role(self, native_id: str, *, whom: str, role: str) -> dict[str, Any]:
        """``admin`` or ``member``."""
        return await self._ask("PUT", f"{_group(native_id)}/members/{quote(whom, safe='')}", {"role": role})

    async def change_group(self, native_id: str, *, name: str | None, until_ms: int | None) -> dict[str, Any]:
        """Call it otherwise, or let it end at another time."""
        body = {key: value for key, value in (("name", name), ("until_ms", until_ms)) if value is not None}
        return await self._ask("PATCH", _group(native_id), body)

    async def close_group(self, native_id: str) -> dict[str, Any]:
        """End it."""
        return await self._ask("DELETE", _group(native_id))

    async def block(self, *, whom: str, on: bool) -> None:
        """Hear from somebody no more, or again."""
        await self._ask("POST" if on else "DELETE", "blocks", {"address": whom})

    async def happenings(self) -> AsyncIterator[dict[str, Any]]:
        """What happens from now on, until the connection ends (raises `NotReachable`)."""
        url = f"{self._url}/client/v1/ws"
        try:
            async with self._session().ws_connect(url, heartbeat=20) as socket:
                async for frame in socket:
                    if frame.type is aiohttp.WSMsgType.TEXT:
                        yield json.loads(frame.data)
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 401:
                raise Unauthorised(self._unauthorised()) from error
            raise NotReachable(f"Rail {self._rail} at {self._url} answers {error.status}.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotReachable(self._unreachable()) from error
        raise NotReachable(f"Rail {self._rail} at {self._url} has closed the connection.")

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One call. Repeats it when the connection broke: every call of ours is harmless twice (send has its key)."""
        pause_s = _FIRST_PAUSE_S
        for _ in range(_RETRIES):
            try:
                return await self._once(method, path, body, query)
            except aiohttp.ClientConnectorError:
                break
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                await asyncio.sleep(pause_s)
                pause_s *= 2
            except (aiohttp.ClientError, TimeoutError) as error:
                raise NotReachable(self._unreachable()) from error
        raise NotReachable(self._unreachable())

    async def _once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, str] | None,
        *,
        file: BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        url = f"{self._url}/client/v1/{path}"
        more: dict[str, Any] = {"json": body} if file is None else {"data": file, "timeout": _FILE_TIMEOUT}
        async with self._session().request(method, url, params=query, headers=headers, **more) as answer:
            text = await answer.text()
            if answer.status >= 400:
                self._refuse(answer.status, text)
            found: dict[str, Any] = json.loads(text) if text else {}
            return found

    def _refuse(self, status: int, text: str) -> NoReturn:
        try:
            error = json.loads(text)["error"]
            code, words = str(error["code"]), str(error["message"])
        except (ValueError, LookupError, TypeError):
            raise Failed(f"Rail {self._rail} at {self._url} answers {status} without saying why.") from None
        if code == "unauthorised":
            raise Unauthorised(f"{words} {self._unauthorised()}")
        if code == "address_taken":
            raise AddressTaken(words)
        if code == "unsupported":
            raise Unsupported(words)
        raise ERRORS.get(code, Failed)(words)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("RailClient is used outside its `async with`")
        return self._http

    def _unreachable(self) -> str:
        return f"Rail {self._rail} does not answer at {self._url}. See `trinario status`; `trinario up` starts it."

    def _unauthorised(self) -> str:
        return f"Rail {self._rail} does not know this session. Register the account anew: trinario account register."


def _group(native_id: str) -> str:
    return f"groups/{quote(native_id, safe='')}"


def _message(native_id: str) -> str:
    return f"messages/{quote(native_id, safe='')}"


async def reconnecting(client: RailClient, *, say: Callable[[str], None]) -> AsyncIterator[dict[str, Any]]:
    """`happenings` without end: connects again after a loss, with back-off, and says so. Raises `Unauthorised`."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            async for news in client.happenings():
                pause_s = _FIRST_PAUSE_S
                yield news
        except NotReachable as error:
            say(f"{error} Trying again; what happens meanwhile will be in the inbox.")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def client_for(place: Place, handle: Handle, *, token: str | None) -> RailClient:
    """A client of the handle's rail. Raises `NotFound` when no such rail runs here."""
    return RailClient(rail=rail_of(handle), url=_rail_url(place, handle), token=token)


def _rail_url(place: Place, handle: Handle) -> str:
    rail, rails = rail_of(handle), running(place).rails
    if rail not in rails:
        raise NotFound(f"There is no rail {rail!r} here. The rails are: {', '.join(sorted(rails))}.")
    return rails[rail]


def acting(place: Place, handle: Handle) -> RailClient:
    """A client with the session kept for a handle. Raises `NotFound` when there is no such rail, or no session."""
    _rail_url(place, handle)
    return client_for(place, handle, token=Sessions(place).get(handle).token)


def in_reading_order(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pages come by arrival; each thread is shown by rank, in the places that its messages have."""
    views: dict[str, list[dict[str, Any]]] = {}
    for message in sorted(messages, key=lambda message: (message["rank"], message["arrival"])):
        views.setdefault(message["thread"], []).append(message)
    turns = {thread: iter(view) for thread, view in views.items()}
    return [next(turns[message["thread"]]) for message in sorted(messages, key=lambda message: message["arrival"])]
