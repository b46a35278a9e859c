"""What one account sees: its threads, and the latest messages of the open one. Fetched anew when the rail says so.

Knows nothing of screens. Every method may raise what `RailClient` raises.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from schemas.handles import Handle
from trinario.client import RailClient, reconnecting
from trinario.shown import said

SHOWN_MOST = 200
_TYPING_AGAIN_S = 3.0


class Desk:
    """One account's threads and messages, as the rail shows them."""

    def __init__(self, client: RailClient, *, handle: Handle) -> None:
        self.handle = handle
        self.threads: list[dict[str, Any]] = []
        """Latest first, as the Client API has them."""
        self.messages: list[dict[str, Any]] = []
        """Of the open thread, oldest first, `SHOWN_MOST` at most."""
        self.open: str | None = None
        """The open thread."""
        self.writing: str | None = None
        """Who is writing in the open thread."""
        self._client = client
        self._typed_at = 0.0

    async def load(self) -> None:
        """Fetch the threads, and the messages of the open one, which are read by that."""
        self.threads = sorted(await self._client.threads(), key=lambda thread: -thread["last_at_ms"])
        if self.open is None:
            return
        self.messages = await self._client.latest(thread=self.open, limit=SHOWN_MOST)
        if any(one["direction"] == "in" and not one["read"] for one in self.messages):
            await self._client.read(peer=self.open)
            self.threads = [one | {"unread": 0} if one["thread"] == self.open else one for one in self.threads]

    async def enter(self, thread: str) -> None:
        """Open a thread."""
        self.open, self.writing = thread, None
        await self.load()

    async def news(self, *, say: Callable[[str], None]) -> AsyncIterator[bool]:
        """For each thing that happens: whether to `load`. Connects again for ever; `say` is told when it must."""
        async for one in reconnecting(self._client, say=say):
            if one["type"] == "typing":
                if one["thread"] == self.open:
                    self.writing = one["by"] if one["on"] else None
                yield False
            elif one["type"] == "presence":
                yield False
            else:
                if one["type"] == "message" and one["message"]["from"] == self.writing:
                    self.writing = None
                yield True

    def called(self, handle: str) -> str:
        """How somebody in the open thread is called on the screen."""
        if handle == self.handle:
            return "you"
        here = next((one for one in self.threads if one["thread"] == self.open), None)
        return str(here["name"]) if here is not None and here["with"] == [handle] else handle

    def words(self, message: Mapping[str, Any]) -> str:
        """What a message says and who has reacted to it, in the words of this account."""
        reactions = {self.called(handle): emoji for handle, emoji in message["reactions"].items()}
        return said({**message, "reactions": reactions})

    def message(self, native_id: str) -> dict[str, Any] | None:
        """A message of the open thread."""
        return next((one for one in self.messages if one["native_id"] == native_id), None)

    async def write(self, text: str, *, reply_to: str | None = None) -> None:
        """Say something in the open thread."""
        await self._client.send(to=self._here(), text=text, reply_to=reply_to)
        self._typed_at = 0.0
        await self.load()

    async def write_to(self, whom: str, text: str) -> None:
        """Say something to somebody, whose thread opens."""
        sent = await self._client.send(to=whom, text=text)
        await self.enter(sent["thread"])

    async def show_file(self, path: Path) -> None:
        """Send a file to the open thread."""
        await self._client.send_file(to=self._here(), path=path)
        await self.load()

    async def edit(self, native_id: str, text: str) -> None:
        """Say a message of one's own otherwise."""
        await self._client.edit(native_id, text)
        await self.load()

    async def unsend(self, native_id: str) -> None:
        """Take a message of one's own back."""
        await self._client.unsend(native_id)
        await self.load()

    async def react(self, native_id: str, emoji: str) -> None:
        """One's reaction to a message; ``""`` takes it back."""
        await self._client.react(native_id, emoji)
        await self.load()

    async def typed(self) -> None:
        """Somebody is at the keys: the others are shown so, every few seconds at most."""
        if self.open is not None and time.monotonic() - self._typed_at > _TYPING_AGAIN_S:
            self._typed_at = time.monotonic()
            await self._client.typing(thread=self.open)

    def _here(self) -> str:
        if self.open is None:
            raise RuntimeError("no thread is open")
        return self.open


def ticks(message: Mapping[str, Any]) -> str:
    """How far a message of one's own has come."""
    if message["direction"] == "in" or message["unsent"]:
        return ""
    if message["status"] == "failed":
        return f"  ! {message['error']['message']}" if message.get("error") else "  ! failed"
    return {"sent": "  ✓", "delivered": "  ✓✓", "read": "  ✓✓ read"}[message["status"]]
