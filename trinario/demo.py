"""Alice, Bob and Carla: made once, so that a newcomer has somebody to be. Telling the story again changes nothing.

Alice   WhatsApp and Messenger
Bob     Messenger and Instagram
Carla   Instagram
"""

import asyncio
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from schemas.events import Link
from schemas.handles import Handle, rail_of
from trinario.accounts import registered
from trinario.client import RailClient, acting
from trinario.directory import Directory, new_event_id, now_ms
from trinario.failures import NotReachable
from trinario.output import printable
from trinario.place import Place, Running

CAST: Mapping[str, tuple[Handle, ...]] = {
    "Alice": (Handle("whatsapp:+393331112222"), Handle("messenger:alice.bianchi")),
    "Bob": (Handle("messenger:bob.rossi"), Handle("instagram:@bob")),
    "Carla": (Handle("instagram:@carla"),),
}

_LINES = (
    (CAST["Alice"][0], CAST["Bob"][1], "Ciao Bob, are you coming on Sunday?"),
    (CAST["Bob"][1], CAST["Alice"][0], "Yes! What shall I bring?"),
)
"""Who writes, to whom, what. Written under fixed client keys, so a second start writes nothing."""

_SEEN_WITHIN_S = 10.0
_PAUSE_S = 0.02


async def play(place: Place) -> None:
    """Register everybody, link their accounts, and have Alice and Bob talk. Harmless when it was done before."""
    async with Directory.opened(place) as directory:
        for name, handles in CAST.items():
            for handle in handles:
                await registered(place, handle, name)
            people = [await directory.once_known(handle) for handle in handles]
            for person, handle in zip(people[1:], handles[1:], strict=True):
                if person.id != people[0].id:
                    await directory.ask(Link(id=new_event_id("link"), handles=(handles[0], handle), at_ms=now_ms()))
    for number, (author, recipient, text) in enumerate(_LINES, start=1):
        async with acting(place, author) as client:
            await client.send(to=recipient, text=text, client_key=f"demo-{number}")
        async with acting(place, recipient) as client:
            await _shown(client, author, text)


async def _shown(client: RailClient, peer: Handle, text: str) -> None:
    deadline = time.monotonic() + _SEEN_WITHIN_S
    while all(one["text"] != text for one in await client.messages(peer=peer)):
        if time.monotonic() > deadline:
            raise NotReachable(
                f"The demo's message did not cross to {rail_of(peer)}'s other side within {_SEEN_WITHIN_S:g} s. "
                "See `trinario status`."
            )
        await asyncio.sleep(_PAUSE_S)


def told(running: Running, place: Place) -> str:
    """The story so far, and what to try next. Its commands work when pasted."""
    trinario, data = command_prefix(), _data_flag(place)
    alice, bob = CAST["Alice"], CAST["Bob"]
    return "\n".join(
        [
            "",
            addresses(running),
            "",
            "On them:",
            *(f"  {name:<6} {', '.join(handles)}" for name, handles in CAST.items()),
            "",
            *(f'  {_name(author)}, on {rail_of(author)}: "{printable(text)}"' for author, _, text in _LINES),
            "",
            "Neither of them left their own app. See it, on three phones side by side:",
            "",
            f"   {running.console}",
            "",
            "Or try it, in another terminal:",
            "",
            "1. The whole conversation is on Bob's Messenger too:",
            f"   {trinario} inbox --as {bob[0]}{data}",
            "2. Write on one rail, see it on all. Alice goes on from Messenger:",
            f"   {trinario} send --as {alice[1]} --to {bob[0]}{data} 'Just bring yourself.'",
            "3. Read on one, read on all. Bob reads on Instagram; then run 1 again, and nothing is new:",
            f"   {trinario} read --as {bob[1]} --with {alice[0]}{data}",
            "",
            f"{trinario} --help shows the rest. Ctrl-C here stops everything; the data stays in {place.data}.",
        ]
    )


def plain(running: Running, place: Place) -> str:
    """What runs, and how to begin, for somebody who has not asked for the demo."""
    trinario, data = command_prefix(), _data_flag(place)
    return "\n".join(
        [
            addresses(running),
            f"The web page: {running.console}",
            "",
            "Begin, in another terminal:",
            f"   {trinario} account register {CAST['Carla'][0]} --name Carla{data}",
            "",
            f"{trinario} --help shows the rest. Ctrl-C here stops everything; the data stays in {place.data}.",
        ]
    )


def _data_flag(place: Place) -> str:
    return "" if place.is_default else f" --data {shlex.quote(str(place.data))}"


def addresses(running: Running) -> str:
    """What runs where."""
    return "\n".join(
        [
            f"{len(running.rails)} messaging services are running, each with its own accounts, ids and storage:",
            *(f"  {rail:<10} {url}" for rail, url in running.rails.items()),
            f"Between them, on {running.nats}: the bus, a bridge for each, and the router.",
        ]
    )


def _name(handle: Handle) -> str:
    return next(name for name, handles in CAST.items() if handle in handles)


def command_prefix() -> str:
    """How the person at the terminal starts us: as they just did, or by name when that finds the same program."""
    started = Path(sys.argv[0]).absolute()
    if started.name == "__main__.py":
        return f"{shlex.quote(_near(Path(sys.executable)))} -m trinario"
    named = shutil.which(started.name)
    if named is not None and Path(named).absolute() == started:
        return started.name
    return shlex.quote(_near(started))


def _near(path: Path) -> str:
    """A path as it is shortest from here."""
    here = os.path.relpath(path)
    return str(path) if here.startswith("..") else here
