"""A group of twelve people over all rails, half of them with several accounts, while daemons are killed and stopped.

Between its phases people join, leave, are banned, and it is renamed; in each, everybody who is in it writes from any of
their phones. At the end every phone is held against what its owner was entitled to see.
"""

import asyncio
import os
import random
import secrets
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schemas.groups import group_id
from schemas.handles import parse
from tests.e2e.conftest import Federation
from tests.must import eventually
from tests.soak.crowd import Phone
from tests.soak.nemesis import Nemesis
from trinario.place import Place
from trinario.sessions import Session, Sessions

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

W, M, I = "whatsapp", "messenger", "instagram"  # noqa: E741 - the three rails, in a table of twelve
RAILS = ((I,), (W,), (M,), (I, W), (W, M), (M, I), (W, M, I), (I,), (W, I), (M,), (W,), (M, W))
MESSAGES = 300
PAUSE_S = 0.3
"""How long somebody thinks before they write, on average: faults need time, too."""


class Member:
    """Somebody with phones, and what they are entitled to have seen in the group."""

    def __init__(self, name: str, phones: list[Phone]) -> None:
        self.name, self.phones = name, phones
        self.entitled: list[str] = []

    @property
    def handle(self) -> str:
        return self.phones[0].handle


async def _joined(federation: Federation, http: aiohttp.ClientSession, number: int) -> Member:
    phones = []
    for rail in RAILS[number]:
        address = {W: f"+39333{number:07}", M: f"member.{number}", I: f"@member{number}"}[rail]
        url = federation.rails[rail]
        body = {"address": address, "name": f"Member {number}"}
        async with http.post(f"{url}/client/v1/accounts", json=body) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
        phones.append(Phone(http=http, url=url, handle=f"{rail}:{address}", token=token))
    for other in phones[1:]:
        await federation.cli("person", "link", phones[0].handle, other.handle, "--trust")
    return Member(f"m{number}", phones)


class Group:
    """The group on trial: who is in it, and what has been said."""

    def __init__(self, conversation: str, members: list[Member], dice: random.Random) -> None:
        self.conversation, self.members, self._dice = conversation, members, dice
        self.said = 0

    async def talk(self, count: int) -> None:
        """So many messages, by anybody from any phone, several at a time; all who are in it may see them."""
        texts = [f"g{self.said + number}" for number in range(count)]
        self.said += count
        for member in self.members:
            member.entitled += texts
        slots = asyncio.Semaphore(6)

        async def say(text: str) -> None:
            member = self._dice.choice(self.members)
            phone = self._dice.choice(member.phones)
            async with slots:
                await asyncio.sleep(self._dice.uniform(0, 2 * PAUSE_S))
                to = await eventually(lambda: native_of(phone, self.conversation))
                answer = await phone.surely("POST", "messages", json={"to": to, "text": text, "client_key": text})
                assert answer is not None, f"{text} by {phone.handle}"
                assert answer[0] in (200, 201), answer

        await asyncio.gather(*(say(text) for text in texts))

    async def everybody_has_seen_it(self) -> None:
        """Every phone of every member shows what its owner is entitled to."""
        for member in self.members:
            for phone in member.phones:
                await eventually(lambda phone=phone, member=member: shows(phone, self.conversation, member.entitled))

    async def everybody_sees(self, members: list[Member]) -> None:
        """Every rail's group has exactly these members."""

        async def agreed() -> None:
            for member in members:
                for phone in member.phones:
                    found = await group_of(phone, self.conversation)
                    assert len(found["members"]) == len(members), (phone.handle, found["members"])

        await eventually(agreed)
        self.members = members


async def native_of(phone: Phone, conversation: str) -> str:
    """What the group is called on a phone's rail."""
    answer = await phone.surely("GET", "threads")
    assert answer is not None
    for thread in answer[1]["threads"]:
        if thread["kind"] == "group" and (thread["key"] or group_id(phone.rail, thread["thread"])) == conversation:
            return str(thread["thread"])
    raise AssertionError(f"{phone.handle} has no group {conversation}")


async def group_of(phone: Phone, conversation: str) -> dict[str, Any]:
    """The group as a phone shows it."""
    answer = await phone.surely("GET", f"groups/{await native_of(phone, conversation)}")
    assert answer is not None
    assert answer[0] == 200, answer
    return answer[1]


async def view(phone: Phone, conversation: str) -> list[str]:
    """What a phone shows, in its order."""
    found = await phone.thread(await native_of(phone, conversation))
    return [message["text"] for message in found]


async def shows(phone: Phone, conversation: str, texts: list[str]) -> None:
    """Exactly these, once each, in whatever order."""
    found = await view(phone, conversation)
    assert sorted(found) == sorted(texts), f"{phone.handle}: missing {set(texts) - set(found)}, has {len(found)}"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """The phones' connections."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def test_twelve_people_under_faults(federation: Federation, http: aiohttp.ClientSession, tmp_path: Path) -> None:
    """Joins, leaves, a ban, a rename and 300 messages from all rails: what each saw is theirs, once, in one order."""
    seed = secrets.randbelow(2**31)
    dice = random.Random(seed)
    people = [await _joined(federation, http, number) for number in range(len(RAILS))]
    owner, first = people[0], people[:9]
    words = [word for member in first[1:] for word in ("--with", member.handle)]
    await eventually(lambda: _all_known(federation, people))
    (made,) = await _as(federation, owner, "create", "--name", "Twelve", *words)
    group = Group(made["conversation"], first, dice)
    await group.everybody_sees(first)

    nemesis = Nemesis(data=tmp_path / "data", http=http, seed=seed, pause_s=(0.05, 0.5))
    gone: list[Member] = []
    steps = (
        ("invite", people[9]),
        ("leave", people[3]),
        ("invite", people[10]),
        ("ban", people[4]),
        ("rename", None),
        ("invite", people[11]),
    )
    for what, whom in (*steps, ("", None)):
        raging = asyncio.create_task(nemesis.rage())
        await group.talk(MESSAGES // (len(steps) + 1) + 1)
        await nemesis.rest(raging)
        await nemesis.heal()
        await group.everybody_has_seen_it()
        await _change(federation, group, owner, what, whom=whom, gone=gone)

    for member in gone:
        for phone in member.phones:
            await shows(phone, group.conversation, member.entitled)
    order = await view(owner.phones[0], group.conversation)
    for member in (*group.members, *gone):
        for phone in member.phones:
            entitled = set(member.entitled)
            assert await view(phone, group.conversation) == [text for text in order if text in entitled], phone.handle
    for member in group.members:
        for phone in member.phones:
            assert (await group_of(phone, group.conversation))["name"] == "Dozen"
    kinds = {kind.partition(" ")[0] for kind in nemesis.done}
    assert {"kill", "stop"} <= kinds, f"this was no test: seed={seed}, {nemesis.done}"


async def _change(
    federation: Federation, group: Group, owner: Member, what: str, *, whom: Member | None, gone: list[Member]
) -> None:
    match what, whom:
        case "invite", Member():
            await _as(federation, owner, "invite", group.conversation, "--with", whom.handle)
            await group.everybody_sees([*group.members, whom])
        case "leave", Member():
            await _as(federation, whom, "leave", group.conversation)
        case "ban", Member():
            await _as(federation, owner, "remove", group.conversation, whom.handle, "--ban")
        case "rename", _:
            await _as(federation, owner, "rename", group.conversation, "Dozen")
    if what in ("leave", "ban") and whom is not None:
        gone.append(whom)
        await group.everybody_sees([member for member in group.members if member is not whom])


async def _as(federation: Federation, member: Member, what: str, *words: str) -> list[Any]:
    """A `trinario group` command as a member; the session is written where the command looks for it."""
    place = Place(data=federation.folder / "data")
    Sessions(place).keep(Session(handle=parse(member.handle), token=member.phones[0].token))
    return await federation.cli("group", what, *words, "--as", member.handle)


async def _all_known(federation: Federation, people: list[Member]) -> None:
    known = {account["handle"] for one in await federation.cli("person", "list") for account in one["accounts"]}
    assert {phone.handle for member in people for phone in member.phones} <= known


async def test_a_temporary_group_ends_although_the_router_is_down(
    federation: Federation, http: aiohttp.ClientSession
) -> None:
    """The router stands still from before the end until after it; then the group is closed on every rail."""
    people = [await _joined(federation, http, number) for number in range(3)]
    await eventually(lambda: _all_known(federation, people))
    owner = people[0]
    until_ms = int(time.time() * 1000) + 6000
    body = {"name": "Short", "with": [member.handle for member in people[1:]], "until_ms": until_ms, "client_key": "x"}
    answer = await owner.phones[0].surely("POST", "groups", json=body)
    assert answer is not None
    assert answer[0] == 201, answer
    conversation = group_id(owner.phones[0].rail, answer[1]["group"])
    for member in people:
        await eventually(lambda member=member: native_of(member.phones[0], conversation))
    router = federation.run_file()["daemons"]["router"]["pid"]
    os.kill(router, signal.SIGSTOP)
    try:

        async def past_its_end() -> None:
            assert time.time() * 1000 > until_ms + 1000

        await eventually(past_its_end)
    finally:
        os.kill(router, signal.SIGCONT)

    async def ended() -> None:
        for member in people:
            assert (await group_of(member.phones[0], conversation))["closed"] is True

    await eventually(ended)
    answer = (
        await people[1]
        .phones[0]
        .surely("POST", "messages", json={"to": await native_of(people[1].phones[0], conversation), "text": "late"})
    )
    assert answer is not None
    assert answer[0] == 403
