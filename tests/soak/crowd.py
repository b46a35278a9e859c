"""People with several accounts who write, read and look at their phones, and note down what came of it.

Each acts on the Client API alone, as an app does: a send is tried again under its client key until it is answered.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.checker.history import History, Line, Marked, Outcome, Sent, Shown

_ANSWER_WITHIN_S = 4.0
_TRY_FOR_S = 90.0
_PAUSE_S = 0.2
_PAGE = 1000


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class Phone:
    """An account's app."""

    def __init__(self, *, http: aiohttp.ClientSession, url: str, handle: str, token: str) -> None:
        self.handle, self.token = handle, token
        self.rail = handle.partition(":")[0]
        self._http, self._url = http, url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        """Status and body. Raises `aiohttp.ClientError` and `TimeoutError`."""
        async with (
            asyncio.timeout(_ANSWER_WITHIN_S),
            self._http.request(method, f"{self._url}/client/v1/{path}", headers=self._headers, **more) as answer,
        ):
            body: dict[str, Any] = await answer.json(content_type=None)
            return answer.status, body or {}

    async def surely(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]] | None:
        """As `call`, again and again while the rail is away or busy; None when it stays so."""
        until_s = time.monotonic() + _TRY_FOR_S
        while time.monotonic() < until_s:
            try:
                status, body = await self.call(method, path, **more)
            except (aiohttp.ClientError, TimeoutError, ValueError):
                status, body = 0, {}
            if status and status < 500 and status != 429:
                return status, body
            await asyncio.sleep(_PAUSE_S)
        return None

    async def thread(self, peer: str) -> list[dict[str, Any]]:
        """The thread with a handle, as the app shows it."""
        found: list[dict[str, Any]] = []
        after = 0
        while True:
            params = {"with": peer, "after": str(after), "limit": str(_PAGE)}
            answer = await self.surely("GET", "messages", params=params)
            if answer is None or answer[0] != 200:
                return []
            if not answer[1]["messages"]:
                return sorted(found, key=lambda message: (message["rank"], message["arrival"]))
            found += answer[1]["messages"]
            after = answer[1]["next"]


class Person:
    """Somebody, their phones, and what they have done."""

    def __init__(self, name: str, phones: list[Phone], *, seed: str) -> None:
        self.name, self.phones = name, phones
        self.sent: list[Sent] = []
        self.marked: list[Marked] = []
        self.on_accepted: Callable[[], None] = lambda: None
        self._dice = random.Random(seed)
        self._count = 0

    @property
    def address(self) -> str:
        """Any of their handles."""
        return self._dice.choice(self.phones).handle

    async def live(self, peers: "list[Person]", *, until_s: float, pause_s: float) -> None:
        """Write, read and look, until the time is over."""
        while time.monotonic() < until_s:
            peer, phone = self._dice.choice(peers), self._dice.choice(self.phones)
            await self.write(peer, phone)
            if self._dice.random() < 0.3:
                await phone.surely("POST", "read", json={"with": peer.phones[0].handle})
            if self._dice.random() < 0.1:
                await self.look(peer, phone)
            await asyncio.sleep(self._dice.uniform(0, 2 * pause_s))

    async def write(self, peer: "Person", phone: Phone) -> None:
        """Send one text; note it."""
        self._count += 1
        text, began_ms = f"{self.name}-{self._count}", _now_ms()
        body = {"to": peer.address, "text": text, "client_key": text}
        answer = await phone.surely("POST", "messages", json=body)
        outcome: Outcome = "unknown" if answer is None else "accepted" if answer[0] in (200, 201) else "refused"
        if outcome == "accepted":
            self.on_accepted()
        self.sent.append(
            Sent(
                sender=self.name,
                recipient=peer.name,
                rail=phone.rail,
                text=text,
                began_ms=began_ms,
                ended_ms=_now_ms(),
                outcome=outcome,
            )
        )

    async def look(self, peer: "Person", phone: Phone) -> None:
        """Note how much of the thread is read."""
        thread = await phone.thread(peer.phones[0].handle)
        if thread:
            read = sum(message["direction"] == "in" and message["read"] for message in thread)
            self.marked.append(Marked(owner=self.name, peer=peer.name, rail=phone.rail, read=read))

    async def show(self, peer: "Person", people: "dict[str, str]") -> list[Shown]:
        """What each phone shows of the thread with a peer. `people`: handle -> name."""
        found = []
        for phone in self.phones:
            thread = await phone.thread(peer.phones[0].handle)
            lines = tuple(
                Line(
                    text=message["text"],
                    author=people.get(message["from"], message["from"]),
                    is_read=message["read"],
                    failed=message["status"] == "failed",
                )
                for message in thread
            )
            found.append(Shown(owner=self.name, peer=peer.name, rail=phone.rail, lines=lines))
        return found


class Crowd:
    """Everybody."""

    def __init__(self, people: list[Person]) -> None:
        self.people = people

    def partners(self, person: Person) -> list[Person]:
        """Whom a person writes to: everybody else."""
        return [other for other in self.people if other is not person]

    async def live(self, *, seconds: float, pause_s: float) -> None:
        """All at once, for that long."""
        until_s = time.monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            for person in self.people:
                tasks.create_task(person.live(self.partners(person), until_s=until_s, pause_s=pause_s))

    async def read_all(self) -> None:
        """Everybody reads every thread on one phone."""
        for person in self.people:
            for peer in self.partners(person):
                await person.phones[-1].surely("POST", "read", json={"with": peer.phones[0].handle})

    async def missing(self) -> int:
        """How many of the accepted messages some phone does not show yet, or not as read."""
        history = await self.history()
        wanted: dict[frozenset[str], set[str]] = defaultdict(set)
        for sent in history.sent:
            if sent.outcome == "accepted":
                wanted[frozenset((sent.sender, sent.recipient))].add(sent.text)
        count = 0
        for thread in history.shown:
            there = {line.text for line in thread.lines if line.is_read or line.author == thread.owner}
            count += len(wanted[frozenset((thread.owner, thread.peer))] - there)
        return count

    async def history(self) -> History:
        """All that was done, and what the phones show now."""
        names = {phone.handle: person.name for person in self.people for phone in person.phones}
        shown = [
            thread
            for person in self.people
            for peer in self.partners(person)
            for thread in await person.show(peer, names)
        ]
        return History(
            sent=tuple(sent for person in self.people for sent in person.sent),
            shown=tuple(shown),
            marked=tuple(mark for person in self.people for mark in person.marked),
        )
