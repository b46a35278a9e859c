"""The open sockets of people's apps, and who is told what.

A socket that does not keep up (its queue is full) is closed; its app connects again and fetches what it missed.
"""

import asyncio
from typing import Any

QUEUE_LENGTH = 1000


class Socket:
    """One open socket's queue. None in the queue: close it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue(maxsize=QUEUE_LENGTH)
        self.fell_behind = False


class Hub:
    """Account id -> its open sockets. `is_listening` may be asked from another thread: a dictionary look-up."""

    def __init__(self) -> None:
        self._sockets: dict[str, set[Socket]] = {}

    def is_listening(self, account_id: str) -> bool:
        return account_id in self._sockets

    @property
    def open_sockets(self) -> int:
        return sum(len(sockets) for sockets in self._sockets.values())

    def add(self, account_id: str) -> Socket:
        socket = Socket()
        self._sockets.setdefault(account_id, set()).add(socket)
        return socket

    def remove(self, account_id: str, socket: Socket) -> None:
        sockets = self._sockets.get(account_id, set())
        sockets.discard(socket)
        if not sockets:
            self._sockets.pop(account_id, None)

    def push(self, account_id: str, event: dict[str, Any]) -> None:
        for socket in self._sockets.get(account_id, ()):
            if socket.queue.full():
                socket.fell_behind = True
            else:
                socket.queue.put_nowait(event)

    def close(self) -> None:
        """Ask every socket to end."""
        for sockets in self._sockets.values():
            for socket in sockets:
                if socket.queue.full():
                    socket.queue.get_nowait()
                socket.queue.put_nowait(None)
