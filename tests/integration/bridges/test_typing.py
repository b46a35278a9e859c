"""Typing on one rail is seen on the others: by whom it concerns, once a person, and stored nowhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientWebSocketResponse

from bus import subjects
from bus.connection import Connection
from schemas.codec import encode
from schemas.handles import Handle
from schemas.ids import direct_conversation_id, person_id
from schemas.live import SEEN_STEP_MS, Presence, Typing
from tests.integration.bridges.conftest import Phone, World
from tests.integration.bridges.test_linked import link
from tests.integration.conftest import Connect
from tests.must import eventually


@contextlib.asynccontextmanager
async def listening(phone: Phone) -> AsyncIterator[ClientWebSocketResponse]:
    """The phone's app is open."""
    url = f"{phone.url}/client/v1/ws?token={phone.token}"
    async with phone.http.ws_connect(url) as socket:
        await socket.send_str('{"type":"ping"}')
        await hear(socket, "pong")
        yield socket


async def hear(socket: ClientWebSocketResponse, kind: str) -> dict[str, Any]:
    """The next of that kind; whatever comes before is passed over."""
    async with asyncio.timeout(60):
        while True:
            told: dict[str, Any] = await socket.receive_json()
            if told["type"] == kind:
                return told


async def types(phone: Phone, to: str, *, on: bool = True) -> None:
    """Their app says so."""
    status, answer = await phone.call("POST", "typing", json={"to": to, "on": on})
    assert status == 204, answer


async def stored(conn: Connection) -> dict[str, int]:
    """What the streams hold by which everything stored comes in."""
    names = [subjects.ingress_stream(rail) for rail in ("whatsapp", "messenger")]
    return {name: (await conn.api(f"STREAM.INFO.{name}"))["state"]["last_seq"] for name in names}


async def heard_at_last(phone: Phone, to: str, socket: ClientWebSocketResponse) -> dict[str, Any]:
    """Typing is never kept, so until everybody is connected it is typed again."""

    async def once() -> dict[str, Any]:
        await types(phone, to, on=False)
        await types(phone, to)
        async with asyncio.timeout(2):
            return await hear(socket, "typing")

    return await eventually(once)


async def test_typing_is_seen_on_the_other_rail_and_stored_nowhere(world: World, connect: Connect) -> None:
    """It begins, it ends; and when the end is lost with its bridge's rail, it ends by itself."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "ciao")
    await bob.sees(alice.handle, ["ciao"])
    conn = await connect("operator")

    async def all_told() -> dict[str, int]:
        """Two accounts, a message, its leg's result, and that it was delivered."""
        counts = await stored(conn)
        assert sum(counts.values()) == 5
        return counts

    before = await eventually(all_told)
    async with listening(bob) as socket:
        begun = await heard_at_last(alice, bob.handle, socket)
        assert begun["on"] is True
        (thread,) = (await bob.call("GET", "threads"))[1]["threads"]
        assert begun["thread"] == thread["thread"]
        await types(alice, bob.handle, on=False)
        assert (await hear(socket, "typing"))["on"] is False
        await types(alice, bob.handle)
        assert (await hear(socket, "typing"))["on"] is True
        assert (await hear(socket, "typing"))["on"] is False, "nobody says so any more"
        assert await stored(conn) == before


async def test_typing_is_shown_by_ones_own_account_and_not_to_oneself(world: World, connect: Connect) -> None:
    """Alice is on both rails and types on one: Bob sees her own account there, and she sees nothing."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    there = await world.register("messenger", "alice")
    await link(world, await connect("operator"), alice.handle, there.handle)

    async def from_her_own_account() -> None:
        await alice.send(bob.handle, "ciao")
        await bob.has(there.handle, "ciao", within_s=1)

    await eventually(from_her_own_account)
    async with listening(bob) as socket, listening(there) as own:
        assert (await heard_at_last(alice, bob.handle, socket))["by"] == there.handle
        await own.send_str('{"type":"ping"}')
        while (told := await own.receive_json())["type"] != "pong":
            assert told["type"] != "typing"


async def test_typing_is_not_shown_to_who_blocks(world: World) -> None:
    """Bob has blocked Alice; the next sign that comes is Carla's."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    carla = await world.register("whatsapp", "carla")
    for one in (alice, carla):
        await one.send(bob.handle, "ciao")
        await bob.sees(one.handle, ["ciao"])
    status, answer = await bob.call("POST", "blocks", json={"address": alice.handle})
    assert status == 204, answer
    await world.settled()
    async with listening(bob) as socket:
        for _ in range(3):
            await types(alice, bob.handle, on=False)
            await types(alice, bob.handle)
        sign = await heard_at_last(carla, bob.handle, socket)
        carlas = next(
            one for one in (await bob.call("GET", "threads"))[1]["threads"] if one["thread"] == sign["thread"]
        )
        assert carlas["with"] == [carla.handle]


async def test_typing_is_seen_in_a_group(world: World) -> None:
    """By everybody in it, on the other rail, too."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")

    async def made() -> str:
        status, group = await alice.call("POST", "groups", json={"name": "Trip", "with": [bob.handle]})
        assert status == 201, group
        return str(group["thread"])

    thread = await eventually(made)

    async def there() -> str:
        threads = (await bob.call("GET", "threads"))[1]["threads"]
        found = [str(one["thread"]) for one in threads if one["kind"] == "group"]
        assert len(found) == 1, threads
        return found[0]

    native_id = await eventually(there)
    async with listening(bob) as socket:

        async def once() -> None:
            for on in (False, True):
                status, answer = await alice.call("POST", "typing", json={"thread": thread, "on": on})
                assert status == 204, answer
            async with asyncio.timeout(2):
                assert (await hear(socket, "typing"))["thread"] == native_id

        await eventually(once)


async def test_a_bridge_speaks_only_for_people_of_its_rail(world: World, connect: Connect) -> None:
    """Instagram's says that Alice, who is on WhatsApp alone, is writing and is there: nobody is shown it."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    carla = await world.register("whatsapp", "carla")
    for one in (alice, carla):
        await one.send(bob.handle, "ciao")
        await bob.sees(one.handle, ["ciao"])
    liar = await connect("bridge-instagram")
    actor, to = person_id(Handle(alice.handle)), person_id(Handle(bob.handle))
    writing = Typing(conversation=direct_conversation_id(actor, to), actor=actor, to=to, on=True)
    there = Presence(actor=actor, on=True, seen_ms=SEEN_STEP_MS)
    async with listening(bob) as socket:
        await liar.publish_core(subjects.live(0, "instagram", "typing"), encode(writing))
        await liar.publish_core(subjects.live(0, "instagram", "presence"), encode(there))
        sign = await heard_at_last(carla, bob.handle, socket)
        threads = (await bob.call("GET", "threads"))[1]["threads"]
        assert [one["with"] for one in threads if one["thread"] == sign["thread"]] == [[carla.handle]]
    _, shown = await bob.call("GET", "presence", params={"with": alice.handle})
    assert shown["online"] is False
