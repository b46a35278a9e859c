"""Being there on one rail is seen on the others: only on one's own wish, by whom it concerns, and stored nowhere."""

import asyncio
from typing import Any

from bus import subjects
from bus.connection import Connection, CoreMessage
from bus.publish import Publisher
from schemas.codec import encode
from schemas.events import Prefer
from schemas.handles import Handle
from schemas.ids import OPERATOR, PEOPLE_PARTITION, event_id
from schemas.live import SEEN_STEP_MS
from tests.integration.bridges.conftest import Phone, World
from tests.integration.bridges.test_linked import link
from tests.integration.bridges.test_typing import stored, types
from tests.integration.conftest import Connect
from tests.must import eventually


async def prefer(conn: Connection, phone: Phone, name: str, **wishes: Any) -> None:
    """As an operator does for somebody."""
    event = Prefer(id=event_id(OPERATOR, "prefer", phone.handle, name), handle=Handle(phone.handle), **wishes)
    await Publisher(conn).publish(subjects.ingress(OPERATOR, PEOPLE_PARTITION), encode(event), event.id)


async def is_there(phone: Phone, *, on: bool = True) -> None:
    """Their app says so."""
    status, answer = await phone.call("POST", "presence", json={"on": on})
    assert status == 204, answer


async def seen(phone: Phone, other: str) -> dict[str, Any]:
    """What the phone is shown of somebody."""
    status, answer = await phone.call("GET", "presence", params={"with": other})
    assert status == 200, answer
    assert answer.pop("handle") == other
    return dict(answer)


async def until_online(phone: Phone, watcher: Phone, other: str = "") -> None:
    """A sign is said again at most every while: one that is taken back before is said again at once."""

    async def once() -> None:
        await is_there(phone, on=False)
        await is_there(phone)
        assert (await seen(watcher, other or phone.handle))["online"] is True

    await eventually(once)


async def talking(world: World) -> tuple[Phone, Phone]:
    """Alice on WhatsApp and Bob on Messenger have written to each other, and all is told."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "ciao")
    await bob.sees(alice.handle, ["ciao"])
    return alice, bob


async def test_nobody_is_shown_who_does_not_wish_it(world: World, connect: Connect) -> None:
    """Typing, writing and an open app make nobody be there; nor does saying so on a rail without the wish."""
    alice, bob = await talking(world)
    conn = await connect("operator")
    signs: list[CoreMessage] = []
    typed: asyncio.Queue[CoreMessage] = asyncio.Queue()

    async def hear(message: CoreMessage) -> None:
        signs.append(message)

    await conn.subscribe_core("live.*.*.presence", hear)
    await conn.subscribe_core("live.*.*.typing", typed.put)
    await is_there(alice)

    async def said_later() -> None:
        """What is typed after it has come by, so the bridge has taken both."""
        await types(alice, bob.handle, on=False)
        await types(alice, bob.handle)
        assert not typed.empty()

    await eventually(said_later)
    await alice.send(bob.handle, "ancora")
    await bob.sees(alice.handle, ["ciao", "ancora"])
    assert await seen(bob, alice.handle) == {"online": False}
    assert signs == []
    await prefer(conn, alice, "shown", presence=True)
    await until_online(alice, bob)
    assert signs, "the same ear hears it once she wishes it"
    await types(bob, alice.handle)
    await bob.send(alice.handle, "eccomi")
    await alice.has(bob.handle, "eccomi")
    assert await seen(alice, bob.handle) == {"online": False}


async def test_it_begins_and_ends_and_is_stored_nowhere(world: World, connect: Connect) -> None:
    """Who has gone was last there about then; who takes the wish back is shown nothing of, at once."""
    alice, bob = await talking(world)
    conn = await connect("operator")
    await prefer(conn, alice, "shown", presence=True)
    await until_online(alice, bob)

    async def all_told() -> dict[str, int]:
        """Two accounts, a message, its leg's result, and that it was delivered."""
        counts = await stored(conn)
        assert sum(counts.values()) == 5
        return counts

    before = await eventually(all_told)
    await is_there(alice, on=False)

    async def gone() -> None:
        shown = await seen(bob, alice.handle)
        assert shown["online"] is False
        assert shown["last_seen_ms"] % SEEN_STEP_MS == 0

    await eventually(gone)
    await until_online(alice, bob)
    assert await stored(conn) == before
    for name, wishes in (("until", {"offline_until_ms": 2**52}), ("no", {"presence": False, "offline_until_ms": 0})):
        await prefer(conn, alice, name, **wishes)

        async def hidden() -> None:
            assert await seen(bob, alice.handle) == {"online": False}

        await eventually(hidden)
        await is_there(alice)
        await is_there(alice, on=False)
        if name == "until":
            await prefer(conn, alice, "back", offline_until_ms=0)
            await until_online(alice, bob)


async def test_who_is_blocked_sees_nothing(world: World, connect: Connect) -> None:
    """Alice blocks Bob on her rail, where nothing on his says so; Carla sees that she is there."""
    alice, bob = await talking(world)
    carla = await world.register("messenger", "carla")
    await alice.send(carla.handle, "ciao")
    await carla.sees(alice.handle, ["ciao"])
    status, answer = await alice.call("POST", "blocks", json={"address": bob.handle})
    assert status == 204, answer
    await world.settled()
    await prefer(await connect("operator"), alice, "shown", presence=True)
    await until_online(alice, carla)
    assert await seen(bob, alice.handle) == {"online": False}


async def test_there_is_who_is_on_one_of_their_rails(world: World, connect: Connect) -> None:
    """Alice has two: she is there by either, as her own account shows; and offline on the one she hides on."""
    await world.start("whatsapp", "messenger", "instagram")
    conn = await connect("operator")
    phone, desk = await world.register("whatsapp", "alice"), await world.register("instagram", "alice")
    bob = await world.register("messenger", "bob")
    await link(world, conn, phone.handle, desk.handle)
    await prefer(conn, phone, "shown", presence=True)

    async def reaches_both() -> None:
        """Until everybody has heard of the link, a message goes to one rail only."""
        await bob.send(phone.handle, "ciao")
        await desk.has(bob.handle, "ciao", within_s=1)

    await eventually(reaches_both)
    await until_online(phone, bob)
    await until_online(desk, bob, phone.handle)
    await is_there(phone, on=False)
    await types(phone, bob.handle)
    assert (await seen(bob, phone.handle))["online"] is True
    await is_there(desk, on=False)

    async def gone() -> None:
        assert (await seen(bob, phone.handle))["online"] is False

    await eventually(gone)
    await prefer(conn, phone, "hidden", offline_on=("whatsapp",))
    await until_online(desk, bob, phone.handle)
