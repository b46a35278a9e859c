"""Faults on the rails and ``kill -9`` of the bridges: each message exactly once, in one order, everywhere."""

import asyncio
import random
import re

from tests.integration.bridges.conftest import BridgeProcess, Phone, World
from tests.must import eventually

FAULTS = {
    "seed": 7,
    "duplicate": 0.2,
    "delay": 0.1,
    "delay_ms": 100,
    "reorder": 0.3,
    "drop_answer": 0.15,
    "too_many": 0.1,
    "server_error": 0.1,
}


async def _talk(alice: Phone, bob: Phone, *, count: int) -> tuple[list[str], list[str]]:
    """Both write `count` messages, each waiting for their own rail only; what each has written."""

    async def write(phone: Phone, to: str, name: str) -> list[str]:
        texts = [f"{name} {number}" for number in range(count)]
        for text in texts:
            await phone.send(to, text)
        return texts

    one, other = await asyncio.gather(write(alice, bob.handle, "alice"), write(bob, alice.handle, "bob"))
    return one, other


async def _agree(alice: Phone, bob: Phone, *texts: str) -> list[str]:
    """Both have exactly these texts, in the same order; that order."""

    async def same() -> list[str]:
        mine, theirs = await alice.texts(bob.handle), await bob.texts(alice.handle)
        assert sorted(mine) == sorted(theirs) == sorted(texts)
        assert mine == theirs
        return mine

    return await eventually(same, within_s=90)


def _from(who: str, texts: list[str]) -> list[str]:
    return [text for text in texts if text.startswith(who)]


async def test_on_a_bad_day_each_message_comes_once(world: World) -> None:
    """Every fault at once on both rails."""
    await world.start("messenger", "instagram")
    alice, bob = await world.register("messenger", "alice"), await world.register("instagram", "bob")
    await alice.send(bob.handle, "alice first")
    await bob.sees(alice.handle, ["alice first"])
    for rail in ("messenger", "instagram"):
        await world.faults(rail, **FAULTS)
    mine, theirs = await _talk(alice, bob, count=40)
    order = await _agree(alice, bob, "alice first", *mine, *theirs)
    assert _from("alice", order) == ["alice first", *mine]
    assert _from("bob", order) == theirs
    fired = [await world.faults(rail) for rail in ("messenger", "instagram")]
    for kind in ("duplicate", "drop_answer", "too_many", "server_error"):
        assert sum(told["fired"][kind] for told in fired) > 0, f"{kind} never fired: {fired}"
    await world.settled()


async def test_a_dead_rail_is_waited_for(world: World) -> None:
    """Its own lane waits; a conversation with another rail does not."""
    await world.start("whatsapp", "messenger", "instagram")
    alice = await world.register("whatsapp", "alice")
    bob, carla = await world.register("messenger", "bob"), await world.register("instagram", "carla")
    for peer in (bob, carla):
        await alice.send(peer.handle, "first")
        await peer.sees(alice.handle, ["first"])
    messenger = world.rails["messenger"]
    port = int(messenger.url.rpartition(":")[2])
    await messenger.stop()
    sent = [f"to bob {number}" for number in range(5)]
    for text in sent:
        await alice.send(bob.handle, text)
    await alice.send(carla.handle, "to carla")
    await carla.sees(alice.handle, ["first", "to carla"])

    async def degraded() -> None:
        status = await world.status("messenger")
        assert (status["state"], status["pending"]) == ("degraded", 5)

    await eventually(degraded)
    await world.start_rail("messenger", port=port)
    await bob.sees(alice.handle, ["first", *sent])
    await world.settled()


async def test_what_the_rail_refuses_is_told_to_the_sender(world: World) -> None:
    """Bob blocks Alice's ghost unknown to the federation: the post is refused, Alice is told, the lane goes on."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    carla = await world.register("messenger", "carla")
    await alice.send(bob.handle, "one")
    await bob.sees(alice.handle, ["one"])
    ghost = await world.partner("messenger", "GET", "accounts?limit=100")
    alice_there = next(one["id"] for one in ghost["accounts"] if one["handle"] == alice.handle)
    await world.partner("messenger", "POST", "blocks", {"blocker": bob.id, "blocked": alice_there, "on": True})
    refused = await alice.send(bob.handle, "two")

    async def failed() -> None:
        statuses = {one["native_id"]: one["status"] for one in await alice.inbox(bob.handle)}
        assert statuses[refused] == "failed"

    await eventually(failed)
    assert await bob.texts(alice.handle) == ["one"]
    await world.partner("messenger", "POST", "blocks", {"blocker": bob.id, "blocked": alice_there, "on": False})
    await alice.send(bob.handle, "three")
    await bob.sees(alice.handle, ["one", "three"])
    await alice.send(carla.handle, "hello")
    await carla.sees(alice.handle, ["hello"])
    assert (await world.status("messenger"))["legs"] == 0


async def test_a_deadline_ends_it(world: World) -> None:
    """A rail that errs past the deadline: the sender is told."""
    await world.start_rails("whatsapp", "messenger")
    await world.start_router()
    await world.start_bridge("whatsapp")
    await world.start_bridge("messenger", deadline_s=1)
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "one")
    await bob.sees(alice.handle, ["one"])
    await world.faults("messenger", server_error=1.0)
    late = await alice.send(bob.handle, "two")

    async def failed() -> None:
        statuses = {one["native_id"]: one["status"] for one in await alice.inbox(bob.handle)}
        assert statuses[late] == "failed"

    await eventually(failed)
    await world.faults("messenger")


async def test_a_rail_that_is_too_busy_to_make_a_ghost_is_asked_again(world: World) -> None:
    """Too many calls is no answer to "who is that?": a first message waits like any other, and is not given up."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await world.settled()
    await world.faults("messenger", too_many=1.0)
    await alice.send(bob.handle, "first of all")

    async def put_off() -> None:
        async with world.http.get(f"{world.bridges['messenger']}/metrics") as answer:
            metrics = await answer.text()
        retries = re.search(r'trinario_bridge_retries_total\{rail="messenger",reason="put_off"\} (\d+)', metrics)
        assert retries is not None
        assert int(retries[1]) >= 3

    await eventually(put_off)
    assert (await world.status("messenger"))["dead"] == 0
    await world.faults("messenger")
    await bob.sees(alice.handle, ["first of all"])
    assert (await world.status("messenger"))["dead"] == 0


async def test_killed_bridges_lose_nothing_and_repeat_nothing(world: World) -> None:
    """``kill -9`` of both bridges again and again, while both sides write and the rails drop answers."""
    await world.start_rails("messenger", "instagram")
    await world.start_router()
    processes = [await world.start_process(rail) for rail in ("messenger", "instagram")]
    alice, bob = await world.register("messenger", "alice"), await world.register("instagram", "bob")
    await alice.send(bob.handle, "alice first")
    await bob.sees(alice.handle, ["alice first"])
    for rail in ("messenger", "instagram"):
        await world.faults(rail, seed=3, drop_answer=0.1, duplicate=0.1)
    talking = asyncio.create_task(_talk(alice, bob, count=150))
    dice = random.Random(20)
    kills = 0
    while not talking.done() or kills < 6:
        process: BridgeProcess = dice.choice(processes)
        # The moment is what is random here: anywhere between a claim, a publish, a post and a binding.
        await asyncio.wait({talking}, timeout=dice.uniform(0.05, 0.6))
        await process.kill()
        kills += 1
        await process.start()
        if kills >= 12:
            break
    mine, theirs = await talking
    order = await _agree(alice, bob, "alice first", *mine, *theirs)
    assert _from("alice", order) == ["alice first", *mine]
    assert _from("bob", order) == theirs
    assert kills >= 6


async def test_a_killed_bus_loses_nothing(world: World) -> None:
    """nats-server is killed while both write; bridges and router go on by themselves."""
    await world.start("messenger", "instagram")
    alice, bob = await world.register("messenger", "alice"), await world.register("instagram", "bob")
    await alice.send(bob.handle, "alice first")
    await bob.sees(alice.handle, ["alice first"])
    talking = asyncio.create_task(_talk(alice, bob, count=60))
    for _ in range(3):
        await asyncio.wait({talking}, timeout=0.3)
        await world.kill_bus()
    mine, theirs = await talking
    order = await _agree(alice, bob, "alice first", *mine, *theirs)
    assert _from("alice", order) == ["alice first", *mine]
    assert _from("bob", order) == theirs
