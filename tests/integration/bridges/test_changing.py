"""What is done to a message after it was sent, across rails: edits, unsends, reactions, replies, votes.

Each test is named after what users of other bridges complain about (project and number of the thread beside it).
"""

import json
from typing import Any

import pytest

from tests.integration.bridges.conftest import Phone, World, handle
from tests.integration.bridges.test_linked import link
from tests.integration.conftest import Connect
from tests.must import eventually

ALICE, BOB = handle("whatsapp", "alice"), handle("instagram", "bob")


async def shown(phone: Phone, peer: str, text: str) -> dict[str, Any]:
    """The message with this text, once it is there."""

    async def there() -> dict[str, Any]:
        return next((one for one in await phone.inbox(peer) if one["text"] == text), None) or _missing(text)

    return await eventually(there)


def _missing(what: str) -> dict[str, Any]:
    raise AssertionError(f"{what!r} is not there")


async def agrees(phone: Phone, peer: str, **expected: Any) -> None:
    """The last message of the thread is like this."""

    async def so() -> None:
        last = (await phone.inbox(peer))[-1]
        assert {key: last[key] for key in expected} == expected, last

    await eventually(so)


async def done(phone: Phone, method: str, native_id: str, what: str = "", **body: Any) -> None:
    """Something done to a message."""
    status, answer = await phone.call(method, f"messages/{native_id}{what}", json=body or None)
    assert status == 200, answer


@pytest.fixture
async def two(world: World) -> tuple[Phone, Phone]:
    """Alice on WhatsApp, Bob on Instagram."""
    await world.start("whatsapp", "instagram")
    return await world.register("whatsapp", "alice"), await world.register("instagram", "bob")


@pytest.mark.thread("matterbridge#342", "matterbridge#1991", "mautrix/whatsapp#913", "mautrix/whatsapp#919")
async def test_matterbridge_342_an_edit_reaches_every_copy(world: World, connect: Connect) -> None:
    """Alice sends on WhatsApp and edits her copy on Messenger; all rails show it."""
    await world.start("whatsapp", "messenger", "instagram")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    hers = await world.register("messenger", "alice")
    await link(world, await connect("operator"), alice.handle, hers.handle)

    async def both_have_it() -> None:
        """Until the router has heard of the link, her other account gets no copy."""
        await alice.send(BOB, "hello?")
        await hers.has(BOB, "hello?", within_s=1)

    await eventually(both_have_it)
    await alice.send(BOB, "see you at 5")
    await shown(bob, ALICE, "see you at 5")
    before = len(await bob.inbox(ALICE))
    copy = await shown(hers, BOB, "see you at 5")
    await done(hers, "PATCH", copy["native_id"], text="see you at 6")
    for phone, peer in ((alice, BOB), (bob, ALICE), (hers, BOB)):
        await agrees(phone, peer, text="see you at 6", edited=True)
    assert len(await bob.inbox(ALICE)) == before


@pytest.mark.thread("matterbridge#588")
async def test_matterbridge_588_an_edit_survives_a_restart_of_the_bridge(
    world: World, two: tuple[Phone, Phone]
) -> None:
    """What is edited is found again however long ago it was sent: not posted as new."""
    alice, bob = two
    native_id = await alice.send(BOB, "helo")
    await shown(bob, ALICE, "helo")
    await world.settled()
    await world.stop_task("bridge-instagram")
    await world.start_bridge("instagram")
    await done(alice, "PATCH", native_id, text="hello")
    await agrees(bob, ALICE, text="hello", edited=True)
    assert len(await bob.inbox(ALICE)) == 1


async def test_a_long_text_is_edited_as_a_whole(two: tuple[Phone, Phone]) -> None:
    """Instagram has it in parts of 1,000 bytes: shorter takes parts back, longer adds some."""
    alice, bob = two
    long = " ".join(f"word{number}" for number in range(300))
    native_id = await alice.send(BOB, long)

    async def all_of(text: str) -> None:
        found = [one for one in await bob.inbox(ALICE) if not one["unsent"]]
        assert "".join(one["text"] for one in found) == text

    await eventually(lambda: all_of(long))
    parts = len(await bob.inbox(ALICE))
    assert parts > 1
    await done(alice, "PATCH", native_id, text="short")
    await eventually(lambda: all_of("short"))
    await done(alice, "PATCH", native_id, text=long[::-1])
    await eventually(lambda: all_of(long[::-1]))


@pytest.mark.thread("mautrix/whatsapp#682", "mautrix/whatsapp#298")
async def test_mautrix_whatsapp_682_an_unsend_takes_back_every_part_everywhere(two: tuple[Phone, Phone]) -> None:
    """A tombstone stays, no word does."""
    alice, bob = two
    native_id = await alice.send(BOB, "x" * 2500)

    async def there() -> None:
        assert len(await bob.inbox(ALICE)) == 3

    await eventually(there)
    await done(alice, "DELETE", native_id)

    async def gone() -> None:
        assert [(one["unsent"], one["text"]) for one in await bob.inbox(ALICE)] == [(True, "")] * 3

    await eventually(gone)


@pytest.mark.thread("mautrix/signal#104", "mautrix/signal#31", "mautrix/signal#212")
async def test_mautrix_signal_104_reactions_replace_each_other_and_go(two: tuple[Phone, Phone]) -> None:
    """One a person; the replaced one goes on the other side, too, and so does a removal."""
    alice, bob = two
    await alice.send(BOB, "ciao")
    copy = await shown(bob, ALICE, "ciao")
    for emoji in ("👍", "🎉", ""):
        await done(bob, "PUT", copy["native_id"], "/reaction", emoji=emoji)
        await agrees(alice, BOB, reactions={BOB: emoji} if emoji else {})


@pytest.mark.thread("mautrix/signal#330")
async def test_mautrix_signal_330_a_reaction_to_any_part_means_the_whole(two: tuple[Phone, Phone]) -> None:
    """Bob reacts to the third part of a long text; Alice sees it on her one message."""
    alice, bob = two
    await alice.send(BOB, "y" * 2500)

    async def third() -> str:
        found = await bob.inbox(ALICE)
        assert len(found) == 3
        return str(found[2]["native_id"])

    await done(bob, "PUT", await eventually(third), "/reaction", emoji="👍")
    await agrees(alice, BOB, reactions={BOB: "👍"})


@pytest.mark.thread("mautrix/whatsapp#861", "mautrix/meta#62")
async def test_mautrix_whatsapp_861_a_reply_finds_its_message(two: tuple[Phone, Phone]) -> None:
    """On the other rail, whoever wrote what is answered."""
    alice, bob = two
    first = await alice.send(BOB, "where?")
    copy = await shown(bob, ALICE, "where?")
    await bob.send(ALICE, "there", reply_to=copy["native_id"])
    answer = await shown(alice, BOB, "there")
    assert answer["reply_to"] == first
    await alice.send(BOB, "good", reply_to=answer["native_id"])
    mine = (await bob.inbox(ALICE))[1]["native_id"]
    assert (await shown(bob, ALICE, "good"))["reply_to"] == mine


@pytest.mark.thread("mautrix/whatsapp#780", "mautrix/go#404", "mautrix/meta#162", "mautrix/signal#522")
async def test_mautrix_whatsapp_780_an_edit_that_is_refused_is_a_correction(two: tuple[Phone, Phone]) -> None:
    """Instagram takes five edits: the sixth is a message that answers the first.

    Taken back, both go.
    """
    alice, bob = two
    native_id = await alice.send(BOB, "version 0")
    copy = await shown(bob, ALICE, "version 0")
    for number in range(1, 7):
        await done(alice, "PATCH", native_id, text=f"version {number}")
    correction = await shown(bob, ALICE, "Corrected: version 6")
    assert correction["reply_to"] == copy["native_id"]
    assert [one["text"] for one in await bob.inbox(ALICE)] == ["version 5", "Corrected: version 6"]
    await done(bob, "PUT", correction["native_id"], "/reaction", emoji="👍")
    await agrees(alice, BOB, text="version 6", reactions={BOB: "👍"})
    await done(alice, "DELETE", native_id)

    async def gone() -> None:
        assert [one["unsent"] for one in await bob.inbox(ALICE)] == [True, True]

    await eventually(gone)


@pytest.mark.thread("matterbridge#1396")
async def test_matterbridge_1396_nobody_edits_what_somebody_else_wrote(world: World, two: tuple[Phone, Phone]) -> None:
    """A rail gone bad says that Bob has edited Alice's message: it stays as she wrote it."""
    alice, bob = two
    await alice.send(BOB, "i never said that")
    copy = await shown(bob, ALICE, "i never said that")
    update = {
        "sender": {"id": bob.id},
        "recipient": {"id": (await ghost_of(world, ALICE))["id"]},
        "timestamp": 1,
        "message_edit": {"mid": copy["native_id"], "text": "i did say that", "num_edit": 1},
    }
    body = {"object": "instagram", "entry": [{"id": "1", "messaging": [update]}]}
    assert await world.post_webhook("instagram", json.dumps(body).encode()) == 200
    await bob.send(ALICE, "after it")
    await alice.has(BOB, "after it")
    assert await alice.texts(BOB) == ["i never said that", "after it"]


async def ghost_of(world: World, whose: str) -> dict[str, Any]:
    """The ghost on Instagram of somebody elsewhere."""
    found = (await world.partner("instagram", "GET", "accounts"))["accounts"]
    return next(one for one in found if one["handle"] == whose)


async def test_what_is_not_known_harms_nobody(world: World, two: tuple[Phone, Phone]) -> None:
    """A reaction to nothing waits and is forgotten; what comes after it arrives."""
    alice, bob = two
    update = {
        "sender": {"id": bob.id},
        "recipient": {"id": alice.id},
        "timestamp": 1,
        "reaction": {"mid": "nothing", "action": "react", "emoji": "👍"},
    }
    body = {"object": "instagram", "entry": [{"id": alice.id, "messaging": [update]}]}
    assert await world.post_webhook("instagram", json.dumps(body).encode()) == 200
    await bob.send(ALICE, "still here")
    await alice.has(BOB, "still here")


@pytest.mark.thread("mautrix/whatsapp#934")
async def test_mautrix_whatsapp_934_what_was_taken_back_is_not_unread(two: tuple[Phone, Phone]) -> None:
    """Bob has not looked yet when Alice takes one of two messages back: one is unread, and then none."""
    alice, bob = two
    first, second = await alice.send(BOB, "never mind"), await alice.send(BOB, "or that")

    async def unread(count: int) -> None:
        _, answer = await bob.call("GET", "threads")
        assert [thread["unread"] for thread in answer["threads"]] == [count]

    for native_id, left in (("", 2), (first, 1), (second, 0)):
        if native_id:
            await done(alice, "DELETE", native_id)
        await eventually(lambda left=left: unread(left))


@pytest.mark.thread("matterbridge#918")
async def test_matterbridge_918_an_edit_that_looks_like_markup_is_shown_literally(world: World) -> None:
    """Messenger has no markup: what Alice writes there with stars is stars on WhatsApp, also after an edit."""
    await world.start("messenger", "whatsapp")
    alice, bob = await world.register("messenger", "alice"), await world.register("whatsapp", "bob")
    native_id = await alice.send(bob.handle, "two times three")
    await shown(bob, alice.handle, "two times three")
    await done(alice, "PATCH", native_id, text="2 *3* is _six_")
    await agrees(bob, alice.handle, text="2 *3* is _six_", edited=True, markup=False)
    await done(alice, "PATCH", native_id, text="six")
    await agrees(bob, alice.handle, text="six", markup=True)


async def test_a_text_of_families_arrives_whole_and_any_part_means_it(world: World) -> None:
    """5,000 characters, one message on WhatsApp: no family is torn apart, and the last part is as good as the first."""
    await world.start("whatsapp", "messenger", "instagram")
    alice = await world.register("whatsapp", "alice")
    family = "👨‍👩‍👧‍👦"
    text = f"{family} at home " * 312 + "end home"
    assert len(text) == 5000
    for rail in ("messenger", "instagram"):
        bob = await world.register(rail, "bob")
        native_id = await alice.send(bob.handle, text)

        async def parts(bob: Phone = bob) -> list[dict[str, Any]]:
            found = await bob.inbox(ALICE)
            assert "".join(one["text"] for one in found) == text
            assert "".join(one["text"].replace(family, "") for one in found) == text.replace(family, "")
            return found

        last = (await eventually(parts))[-1]["native_id"]
        await done(bob, "PUT", last, "/reaction", emoji="👍")
        await agrees(alice, bob.handle, reactions={bob.handle: "👍"})
        await bob.send(ALICE, "lovely", reply_to=last)
        assert (await shown(alice, bob.handle, "lovely"))["reply_to"] == native_id


async def test_the_longest_text_that_people_write_arrives(world: World) -> None:
    """65,536 characters of four bytes: one event on the bus, 33 messages on Messenger, and not a face is missing."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    text = "\N{GRINNING FACE}" * 65_536
    await alice.send(bob.handle, text)

    async def whole() -> None:
        found = await bob.texts(alice.handle)
        assert "".join(found) == text
        assert len(found) == 33

    await eventually(whole)


async def test_an_edit_back_to_what_was_shown_before_reaches_the_rail_that_said_otherwise(
    world: World, connect: Connect
) -> None:
    """Alice edits on Messenger, then on WhatsApp, then on Messenger back to the first: WhatsApp shows the first."""
    await world.start("whatsapp", "messenger", "instagram")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    hers = await world.register("messenger", "alice")
    await link(world, await connect("operator"), alice.handle, hers.handle)

    async def both_have_it() -> None:
        await alice.send(BOB, "hello?")
        await hers.has(BOB, "hello?", within_s=1)

    await eventually(both_have_it)
    mine = await alice.send(BOB, "at five")
    copy = (await shown(hers, BOB, "at five"))["native_id"]
    for phone, native_id, text in ((hers, copy, "at six"), (alice, mine, "at seven"), (hers, copy, "at six")):
        await done(phone, "PATCH", native_id, text=text)
        for one, peer in ((alice, BOB), (bob, ALICE), (hers, BOB)):
            await agrees(one, peer, text=text)
