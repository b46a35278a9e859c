"""Dead letters tried again: each message once, where it belongs, whatever the first attempt did."""

from typing import Any

from bus import dead, subjects
from bus.connection import Connection
from bus.dead import Kept
from bus.publish import Publisher
from schemas.codec import decode_redriven, encode
from schemas.dead import Letter, Redriven
from schemas.ids import EventId
from tests.integration.bridges.conftest import Phone, World
from tests.integration.conftest import Connect
from tests.must import eventually


async def _status(phone: Phone, peer: str, native_id: str) -> str:
    return {one["native_id"]: one["status"] for one in await phone.inbox(peer)}[native_id]


async def _letters(conn: Connection, count: int) -> list[Kept]:
    async def there() -> list[Kept]:
        found = [kept async for kept in dead.letters(conn)]
        assert len(found) == count, found
        return found

    return await eventually(there)


async def _redrive(conn: Connection, kept: Kept) -> Redriven:
    answer = await conn.request(subjects.redrive(kept.letter.rail), encode(kept.letter))
    return decode_redriven(answer.body)


async def _town(world: World) -> tuple[Phone, Phone]:
    """Alice and Bob, who have begun to talk; Messenger's bridge gives a leg up after a second."""
    await world.start_rails("whatsapp", "messenger")
    await world.start_router()
    await world.start_bridge("whatsapp")
    await world.start_bridge("messenger", deadline_s=1)
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "one")
    await bob.sees(alice.handle, ["one"])
    return alice, bob


async def _dies(world: World, conn: Connection, alice: Phone, bob: Phone, text: str) -> tuple[str, Kept]:
    """A message that Messenger does not take in time: Alice is told, and there is a letter."""
    await world.faults("messenger", server_error=1.0)
    native_id = await alice.send(bob.handle, text)

    async def failed() -> None:
        assert await _status(alice, bob.handle, native_id) == "failed"

    await eventually(failed)
    letters = await _letters(conn, 1)
    await world.faults("messenger")
    return native_id, letters[0]


async def test_a_redriven_leg_keeps_its_place_and_appears_once(world: World, connect: Connect) -> None:
    """Twice redriven, after later messages have gone: once there, in its place, and the sender sees it arrive."""
    conn = await connect("operator")
    alice, bob = await _town(world)
    native_id, kept = await _dies(world, conn, alice, bob, "two")
    assert (kept.letter.stage, kept.letter.rail, kept.letter.attempts > 1) == ("outlet", "messenger", True)
    assert "given up after" in kept.letter.why
    await alice.send(bob.handle, "three")
    await bob.sees(alice.handle, ["one", "three"])
    assert (await _redrive(conn, kept)).outcome == "queued"
    await _redrive(conn, kept)
    await bob.sees(alice.handle, ["one", "two", "three"])
    await _redrive(conn, kept)
    await world.settled()
    await alice.send(bob.handle, "four")
    await bob.sees(alice.handle, ["one", "two", "three", "four"])
    await bob.read(alice.handle)

    async def arrived() -> None:
        assert await _status(alice, bob.handle, native_id) == "read"

    await eventually(arrived)


async def test_a_leg_that_may_have_been_sent_is_not_sent_twice(world: World, connect: Connect) -> None:
    """The rail took the lost attempt after all: asked again under the same key, it names the message that it shows."""
    conn = await connect("operator")
    alice, bob = await _town(world)
    _, kept = await _dies(world, conn, alice, bob, "two")
    assert kept.letter.may_have_been_sent
    await _post_as_the_lost_attempt(world, alice, bob, kept)
    await bob.sees(alice.handle, ["one", "two"])
    assert (await _redrive(conn, kept)).outcome == "queued"
    await world.settled()
    await alice.send(bob.handle, "three")
    await bob.sees(alice.handle, ["one", "two", "three"])


async def _post_as_the_lost_attempt(world: World, alice: Phone, bob: Phone, kept: Kept) -> None:
    accounts: Any = await world.partner("messenger", "GET", "accounts?limit=100")
    ghost = next(one["id"] for one in accounts["accounts"] if one["handle"] == alice.handle)
    url = f"{world.rails['messenger'].url}/v23.0/{ghost}/messages"
    body = {
        "recipient": {"id": bob.id},
        "messaging_type": "RESPONSE",
        "message": {"text": "two"},
        "federation": {"order": kept.letter.leg.rank if kept.letter.leg else 0, "sent_at_ms": 0},
    }
    headers = {"Authorization": "Bearer partner-token", "Idempotency-Key": kept.letter.event_id}
    async with world.http.post(url, headers=headers, json=body) as answer:
        assert answer.status == 200, await answer.text()


async def test_who_was_blocked_meanwhile_is_not_reached(world: World, connect: Connect) -> None:
    """The router decided before the block; a redrive looks again."""
    conn = await connect("operator")
    alice, bob = await _town(world)
    _, kept = await _dies(world, conn, alice, bob, "two")
    status, answer = await bob.call("POST", "blocks", json={"address": alice.handle, "on": True})
    assert status in {200, 201, 204}, answer

    async def refused() -> None:
        assert (await _redrive(conn, kept)).outcome == "refused"
        assert "not available" in (await _redrive(conn, kept)).why

    await eventually(refused)
    await world.settled()
    assert await bob.texts(alice.handle) == ["one"]


async def test_an_event_the_router_put_aside_is_routed_when_it_is_redriven(world: World, connect: Connect) -> None:
    """Published again once, however often it is asked; and dead again when it still makes no sense."""
    admin, conn = await connect("admin"), await connect("operator")
    await _town(world)
    publisher = Publisher(admin)
    await publisher.publish(subjects.ingress("whatsapp", 3), b"\xff\xff", EventId("evt_strange"))
    await publisher.close()
    (kept,) = await _letters(conn, 1)
    assert (kept.letter.stage, kept.letter.rail) == ("router", "whatsapp")
    assert [(await _redrive(conn, kept)).outcome for _ in range(3)] == ["queued", "already", "already"]
    _, again = await _letters(conn, 2)
    assert again.letter.sequence > kept.letter.sequence
    assert again.letter.payload == kept.letter.payload


async def test_a_webhook_that_could_not_be_read_is_read_again(world: World, connect: Connect) -> None:
    """What was fine in it is not taken twice, and the letter of what was not is kept in one piece."""
    conn = await connect("operator")
    alice, bob = await _town(world)
    status = await world.post_webhook(
        "whatsapp",
        b'{"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": 7}]}]}',
    )
    assert status == 200
    (kept,) = await _letters(conn, 1)
    assert (kept.letter.stage, kept.letter.rail) == ("intake", "whatsapp")
    assert b'"value": 7' in kept.letter.webhook
    assert (await _redrive(conn, kept)).outcome == "queued"
    assert await bob.texts(alice.handle) == ["one"]


async def test_too_many_at_once_wait_for_their_turn(world: World, connect: Connect) -> None:
    """A redrive must not overload a rail that has just come back."""
    conn = await connect("operator")
    await _town(world)
    letter = Kept(id=1, at_ms=0, letter=Letter(stage="intake", rail="messenger", why="strange"))
    outcomes = [(await _redrive(conn, letter)) for _ in range(40)]
    assert {one.outcome for one in outcomes} == {"refused", "later"}
    assert all(one.wait_s > 0 for one in outcomes if one.outcome == "later")
