"""Webhooks in: who may send them, what comes twice, what is bad, and what happens while the bus is away."""

import asyncio
import json
import os
import signal
from typing import Any

import pytest

from bus.connection import Connection
from bus.stored import read_range
from schemas.codec import decode_event
from schemas.events import Message
from tests.integration.bridges.conftest import World, handle
from tests.integration.conftest import Connect
from tests.must import eventually


def text(number: int, *, author: str, node: str, **more: Any) -> dict[str, Any]:
    """A text from one account to another, as Messenger tells of it."""
    message = {"mid": f"m_{number}", "text": f"text {number}", **more}
    return {
        "sender": {"id": author},
        "recipient": {"id": node},
        "timestamp": 1_800_000_000_000 + number,
        "message": message,
    }


def webhook(*updates: Any) -> bytes:
    """These updates in one POST."""
    entries = [{"id": "x", "time": 1, "messaging": [update]} for update in updates]
    return json.dumps({"object": "page", "entry": entries}).encode()


async def published(conn: Connection) -> list[Message]:
    """The messages that IN_MESSENGER has."""
    found = [decode_event(stored.data) for stored in await read_range(conn, "IN_MESSENGER", first=1)]
    return [event for event in found if isinstance(event, Message)]


@pytest.fixture
async def two(world: World) -> tuple[str, str]:
    """A bridge alone with its rail, and Alice's and Bob's native ids."""
    await world.start_rails("messenger")
    await world.start_bridge("messenger")
    alice, bob = await world.register("messenger", "alice"), await world.register("messenger", "bob")
    return alice.id, bob.id


async def test_only_the_rail_is_heard(world: World, two: tuple[str, str], admin: Connection) -> None:
    """Unsigned, badly signed and malformed webhooks publish nothing."""
    good = webhook(text(1, author=two[0], node=two[1]))
    assert await world.post_webhook("messenger", good, "sha256=00") == 401
    assert await world.post_webhook("messenger", good, "") == 401
    assert await world.post_webhook("messenger", good, "sha256=é\u00ff") == 401
    assert await world.post_webhook("messenger", b"{") == 400
    assert await world.post_webhook("messenger", b"\xff\xfe") == 400
    assert await world.post_webhook("messenger", b"[" * 100_000) == 400
    assert await published(admin) == []
    assert await world.post_webhook("messenger", good) == 200
    assert [event.native_id for event in await published(admin)] == ["m_1"]


async def test_the_handshake(world: World, two: tuple[str, str]) -> None:
    """Only who knows the verify token gets the challenge back."""
    query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "guessed"}
    async with world.http.get(f"{world.bridges['messenger']}/webhook", params=query) as answer:
        assert answer.status == 403


async def test_the_same_twice_and_at_once_is_one(world: World, two: tuple[str, str], admin: Connection) -> None:
    """A native id is claimed once, however many webhooks bring it."""
    body = webhook(*(text(number, author=two[0], node=two[1]) for number in range(5)))
    answers = await asyncio.gather(*(world.post_webhook("messenger", body) for _ in range(8)))
    assert answers == [200] * 8
    assert [event.native_id for event in await published(admin)] == [f"m_{number}" for number in range(5)]


async def test_swapped_messages_of_a_webhook_are_put_in_order(
    world: World, two: tuple[str, str], admin: Connection
) -> None:
    """The rail's own times put right what was swapped on the way."""
    updates = [text(number, author=two[0], node=two[1]) for number in (2, 1, 3)]
    assert await world.post_webhook("messenger", webhook(*updates)) == 200
    assert [event.native_id for event in await published(admin)] == ["m_1", "m_2", "m_3"]


async def test_one_bad_update_is_parked(world: World, two: tuple[str, str], admin: Connection) -> None:
    """The rest of the POST goes on, the answer is 200, the bad ones are in DEAD."""
    image = text(2, author=two[0], node=two[1])
    image["message"] = {"mid": "m_2", "attachments": []}
    stranger = text(4, author="999999999", node=two[1])
    good = [text(number, author=two[0], node=two[1]) for number in (1, 3)]
    body = webhook(good[0], image, {"sender": 5}, stranger, good[1])
    assert await world.post_webhook("messenger", body) == 200
    assert [event.native_id for event in await published(admin)] == ["m_1", "m_3"]
    dead = await read_range(admin, "DEAD", first=1)
    assert [message.subject for message in dead] == ["dead.intake.messenger"] * 3

    async def counted() -> None:
        assert (await world.status("messenger"))["dead"] == 3

    await eventually(counted)


async def test_what_we_posted_is_never_taken_in(world: World, two: tuple[str, str], admin: Connection) -> None:
    """An echo is no message, whoever posted it."""
    echo = text(1, author=two[0], node=two[1], is_echo=True, metadata="evt_nobody")
    assert await world.post_webhook("messenger", webhook(echo)) == 200
    assert await published(admin) == []


async def test_while_the_bus_is_away_the_rail_keeps_it(world: World, two: tuple[str, str], connect: Connect) -> None:
    """503 until the bus is back; then once, in order."""
    body = webhook(*(text(number, author=two[0], node=two[1]) for number in range(3)))
    os.kill(world.bus.server.pid, signal.SIGSTOP)
    try:
        assert await world.post_webhook("messenger", body) == 503
        assert await world.post_webhook("messenger", body) == 503
    finally:
        os.kill(world.bus.server.pid, signal.SIGCONT)

    async def taken() -> None:
        assert await world.post_webhook("messenger", body) == 200

    await eventually(taken)
    admin = await connect("admin")
    assert [event.native_id for event in await published(admin)] == ["m_0", "m_1", "m_2"]


async def test_events_name_accounts_by_handle(world: World, two: tuple[str, str], admin: Connection) -> None:
    """No native account id is on the bus."""
    await world.post_webhook("messenger", webhook(text(1, author=two[0], node=two[1])))
    event = (await published(admin))[0]
    assert (event.actor, event.to) == (handle("messenger", "alice"), (handle("messenger", "bob"),))
