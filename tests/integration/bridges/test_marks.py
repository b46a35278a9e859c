"""Unread is one thing on all of a person's rails: read here, read there; marked here, marked there."""

import json
from typing import Any

import pytest

from bus import subjects
from bus.publish import Publisher
from schemas.codec import encode
from schemas.events import Prefer
from schemas.handles import Handle
from schemas.ids import OPERATOR, PEOPLE_PARTITION, event_id
from tests.integration.bridges.conftest import Phone, World
from tests.integration.bridges.test_linked import all_read, link
from tests.integration.conftest import Connect
from tests.must import eventually

RAILS = ("whatsapp", "messenger", "instagram")


@pytest.fixture
async def bobs(world: World, connect: Connect) -> tuple[Phone, list[Phone]]:
    """Alice on WhatsApp, and Bob's phones: one a rail, of one person, with a first message that he has read."""
    await world.start(*RAILS)
    alice = await world.register("whatsapp", "alice")
    phones = [await world.register(rail, "bob") for rail in RAILS]
    conn = await connect("operator")
    for other in phones[1:]:
        await link(world, conn, phones[0].handle, other.handle)

    async def reaches_all() -> None:
        await alice.send(phones[0].handle, "before")
        for phone in phones:
            await phone.has(alice.handle, "before", within_s=1)

    await eventually(reaches_all)
    await phones[0].read(alice.handle)
    await counted(phones, unread=0)
    return alice, phones


async def thread(phone: Phone) -> dict[str, Any]:
    """The phone's one thread."""
    status, told = await phone.call("GET", "threads")
    assert status == 200, told
    found: dict[str, Any] = max(told["threads"], key=lambda one: one["last_at_ms"])
    return found


async def counted(phones: list[Phone], **expected: Any) -> None:
    """What every phone's list says in the end."""

    async def agreed() -> None:
        for phone in phones:
            shown = await thread(phone)
            assert {name: shown[name] for name in expected} == expected, (phone.handle, shown)

    await eventually(agreed)


async def mark(phone: Phone, peer: str, which: str = "unread", *, on: bool = True) -> None:
    """As somebody does in the app."""
    status, answer = await phone.call("POST", "mark", json={"with": peer, "mark": which, "on": on})
    assert status == 204, answer


@pytest.mark.thread(
    "mautrix/whatsapp#171",
    "mautrix/whatsapp#16",
    "mautrix/whatsapp#409",
    "mautrix/whatsapp#287",
    "mautrix/facebook#142",
    "mautrix/meta#32",
    "mautrix/meta#128",
    "spectrum2#136",
)
async def test_mautrix_whatsapp_171_read_once_is_read_on_every_rail(bobs: tuple[Phone, list[Phone]]) -> None:
    """Badges rise and fall together, whichever rail is read on, also where it was written; Alice sees it read."""
    alice, phones = bobs
    for count, reading in enumerate((phones[1], phones[2], phones[0]), 2):
        await alice.send(phones[0].handle, f"message {count}")
        await counted(phones, unread=1)
        await reading.read(alice.handle)
        await counted(phones, unread=0)
        mine = [one for one in await alice.inbox(phones[0].handle) if one["direction"] == "out"]
        await all_read(alice, phones[0].handle, len(mine))


@pytest.mark.thread("mautrix/whatsapp#906")
async def test_mautrix_whatsapp_906_a_mark_stays_whatever_receipts_come(
    world: World, bobs: tuple[Phone, list[Phone]]
) -> None:
    """Marked on one, marked on all; receipts of before come again and change nothing; reading takes it away."""
    alice, phones = bobs
    await mark(phones[1], alice.handle)
    await counted(phones, unread=0, marks=["unread"])
    there = (await phones[1].inbox(alice.handle))[-1]
    sender = next(
        one["id"]
        for one in (await world.partner("messenger", "GET", "accounts"))["accounts"]
        if one["handle"] == there["from"]
    )
    told = {"sender": {"id": phones[1].id}, "recipient": {"id": sender}, "read": {"watermark": there["sent_at_ms"] * 2}}
    entry = {"id": sender, "time": 1, "messaging": [{**told, "timestamp": 1}]}
    for _ in range(2):
        assert await world.post_webhook("messenger", json.dumps({"object": "page", "entry": [entry]}).encode()) == 200
    await world.settled()
    await counted(phones, unread=0, marks=["unread"])
    await phones[2].read(alice.handle)
    await counted(phones, unread=0, marks=[])
    await mark(phones[0], alice.handle)
    await counted(phones, marks=["unread"])
    await mark(phones[2], alice.handle, on=False)
    await counted(phones, marks=[])
    mine = [one for one in await alice.inbox(phones[0].handle) if one["direction"] == "out"]
    assert {one["status"] for one in mine} == {"read"}, "what others see never goes back"


@pytest.mark.thread("mautrix/signal#534")
async def test_mautrix_signal_534_reactions_and_edits_are_nothing_to_read(bobs: tuple[Phone, list[Phone]]) -> None:
    """They leave the counts as they are, before and after; what is written next counts as one."""
    alice, phones = bobs
    target = await alice.send(phones[0].handle, "will chnge")
    await counted(phones, unread=1)
    for method, path, body in (
        ("PUT", f"messages/{target}/reaction", {"emoji": "\N{THUMBS UP SIGN}"}),
        ("PATCH", f"messages/{target}", {"text": "will change"}),
    ):
        status, answer = await alice.call(method, path, json=body)
        assert status == 200, answer
    for phone in phones:
        await phone.has(alice.handle, "will change")
    await counted(phones, unread=1)
    await phones[2].read(alice.handle)
    await counted(phones, unread=0)
    status, answer = await alice.call("PUT", f"messages/{target}/reaction", json={"emoji": ""})
    assert status == 200, answer
    await alice.send(phones[0].handle, "and one more")
    await counted(phones, unread=1)
    status, answer = await alice.call("DELETE", f"messages/{target}")
    assert status == 200, answer
    await counted(phones, unread=1)


@pytest.mark.thread("SchildiChat#255")
async def test_schildichat_255_without_receipts_ones_own_rails_agree_all_the_same(
    bobs: tuple[Phone, list[Phone]], connect: Connect
) -> None:
    """Bob shows nobody what he has read; his badges fall together, and Alice's message stays unread to her."""
    alice, phones = bobs
    wish = Prefer(id=event_id(OPERATOR, "prefer", "", "1"), handle=Handle(phones[0].handle), receipts=False)
    await Publisher(await connect("operator")).publish(
        subjects.ingress(OPERATOR, PEOPLE_PARTITION), encode(wish), wish.id
    )
    await eventually(lambda: _unseen(alice, phones))


async def _unseen(alice: Phone, phones: list[Phone]) -> None:
    """Once the wish is known: until then a reading is shown."""
    sent = await alice.send(phones[0].handle, "private?")
    await counted(phones, unread=1)
    await phones[1].read(alice.handle)
    await counted(phones, unread=0)
    (mine,) = [one for one in await alice.inbox(phones[0].handle) if one["native_id"] == sent]
    assert mine["status"] in {"sent", "delivered"}


async def test_pinned_muted_and_archived_on_one_rail_on_all(bobs: tuple[Phone, list[Phone]]) -> None:
    """Each by itself; reading and writing change none of them, and Alice's list stays as it was."""
    alice, phones = bobs
    for phone, which in zip(phones, ("pinned", "muted", "archived"), strict=True):
        await mark(phone, alice.handle, which)
    await counted(phones, marks=["archived", "muted", "pinned"])
    await alice.send(phones[0].handle, "still there?")
    await counted(phones, unread=1)
    await phones[1].read(alice.handle)
    await counted(phones, unread=0, marks=["archived", "muted", "pinned"])
    await mark(phones[1], alice.handle, "archived", on=False)
    await counted(phones, marks=["muted", "pinned"])
    assert (await thread(alice))["marks"] == []
