"""Two people on different rails, through real bridges."""

from tests.integration.bridges.conftest import Phone, World, handle
from tests.must import eventually

FAMILY = "👨‍👩‍👧‍👦"


async def test_a_message_goes_there_and_back(world: World) -> None:
    """Alice on WhatsApp, Bob on Instagram: each under their own handle, in order, once."""
    await world.start("whatsapp", "instagram")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    await alice.send(handle("instagram", "bob"), "ciao bob")
    await bob.sees(handle("whatsapp", "alice"), ["ciao bob"])
    await bob.send(handle("whatsapp", "alice"), "ciao alice")
    await alice.sees(handle("instagram", "bob"), ["ciao bob", "ciao alice"])
    await bob.sees(handle("whatsapp", "alice"), ["ciao bob", "ciao alice"])


async def test_receipts_travel(world: World) -> None:
    """Three receipt models, one read state."""
    await world.start("whatsapp", "messenger", "instagram")
    alice = await world.register("whatsapp", "alice")
    for rail in ("messenger", "instagram"):
        bob = await world.register(rail, "bob")
        mine, theirs = handle(rail, "bob"), handle("whatsapp", "alice")
        sent = [f"{rail} {number}" for number in range(3)]
        for text in sent:
            await alice.send(mine, text)
        await bob.sees(theirs, sent)
        await bob.read(theirs)

        async def all_read(peer: str = mine) -> None:
            assert [message["status"] for message in await alice.inbox(peer)] == ["read"] * 3

        await eventually(all_read)
        answers = [f"answer {number}" for number in range(2)]
        for text in answers:
            await bob.send(theirs, text)
        await alice.sees(mine, sent + answers)
        await alice.read(mine)

        async def read_there(phone: Phone = bob, peer: str = theirs) -> None:
            assert [message["status"] for message in await phone.inbox(peer)][3:] == ["read"] * 2

        await eventually(read_there)


async def test_a_long_text_becomes_several_and_stays_one(world: World) -> None:
    """5,000 characters with families, to Instagram, which takes 1,000 bytes a post."""
    await world.start("instagram", "whatsapp")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    text = ("famiglia " + FAMILY + " e ") * 263
    assert 4990 < len(text) <= 5000
    await alice.send(handle("instagram", "bob"), text)

    async def all_there() -> list[str]:
        found = await bob.texts(handle("whatsapp", "alice"))
        assert "".join(found) == text
        return found

    found = await eventually(all_there)
    assert len(found) == 10
    assert all(len(part.encode()) <= 1000 for part in found)
    await bob.read(handle("whatsapp", "alice"))

    async def is_read() -> None:
        assert [message["status"] for message in await alice.inbox(handle("instagram", "bob"))] == ["read"]

    await eventually(is_read)


async def test_a_reply_finds_its_message(world: World) -> None:
    """Each rail's own native id of the message replied to."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    asked = await alice.send(handle("messenger", "bob"), "coffee?")
    await bob.sees(handle("whatsapp", "alice"), ["coffee?"])
    there = (await bob.inbox(handle("whatsapp", "alice")))[0]["native_id"]
    await bob.send(handle("whatsapp", "alice"), "yes", reply_to=there)
    await alice.sees(handle("messenger", "bob"), ["coffee?", "yes"])
    assert [message["reply_to"] for message in await alice.inbox(handle("messenger", "bob"))] == [None, asked]


async def test_nobody_cannot_be_written_to(world: World) -> None:
    """An address that nobody has is a clear error at once."""
    await world.start("whatsapp", "messenger")
    alice = await world.register("whatsapp", "alice")
    status, answer = await alice.call("POST", "messages", json={"to": "messenger:nobody.here", "text": "?"})
    assert (status, answer["error"]["code"]) == (404, "unknown_recipient")


async def test_a_block_holds_everywhere(world: World) -> None:
    """Bob blocks Alice's ghost on Instagram; Alice on WhatsApp is told that it failed."""
    await world.start("whatsapp", "instagram")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    await alice.send(handle("instagram", "bob"), "one")
    await bob.sees(handle("whatsapp", "alice"), ["one"])
    status, _ = await bob.call("POST", "blocks", json={"address": handle("whatsapp", "alice")})
    assert status == 204

    async def refused() -> None:
        status, answer = await alice.call("POST", "messages", json={"to": handle("instagram", "bob"), "text": "two"})
        if status in {200, 201}:
            failed = [one for one in await alice.inbox(handle("instagram", "bob")) if one["status"] == "failed"]
            assert failed
        else:
            assert answer["error"]["code"] == "recipient_unavailable"

    await eventually(refused)
    assert await bob.texts(handle("whatsapp", "alice")) == ["one"]
