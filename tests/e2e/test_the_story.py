"""The story of the README, over real processes: write on one rail, see it on all; read on one, read on all.

Told once undisturbed, and once with ``kill -9`` of every daemon that carries it.
"""

from collections.abc import Awaitable, Callable

import pytest

from tests.e2e.conftest import Federation, People, Phone
from tests.must import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ALICE = ("whatsapp:+393331112222", "messenger:alice.bianchi")
BOB = ("messenger:bob.rossi", "instagram:@bob")
CARLA = ("instagram:@carla",)

Interlude = Callable[[str], Awaitable[None]]


async def test_the_story(federation: Federation, people: People) -> None:
    """Alice writes from WhatsApp, Bob answers from Instagram, Alice goes on from Messenger, Bob reads on one."""

    async def nothing(_: str) -> None:
        return

    await tell(federation, people, nothing)


async def test_the_story_with_every_daemon_killed(federation: Federation, people: People) -> None:
    """The same, with a ``kill -9`` between any two steps, without waiting for what is under way."""

    async def kill(daemon: str) -> None:
        await federation.kill(daemon)

    await tell(federation, people, kill)


async def tell(federation: Federation, people: People, then: Interlude) -> None:
    """The story; `then` is called with a daemon's name after each act, before its effects are awaited."""
    alice, bob = await people.join("Alice", *ALICE), await people.join("Bob", *BOB)
    carla = await people.join("Carla", *CARLA)
    texts = ["Ciao Bob, are you coming on Sunday?", "Yes! What shall I bring?", "Just bring yourself.", "And bread."]

    await alice["whatsapp"].send(BOB[1], texts[0])
    await then("router")
    await seen_everywhere(texts[:1], alice, bob)

    await bob["instagram"].send(ALICE[0], texts[1])
    await then("bridge-instagram")
    await seen_everywhere(texts[:2], alice, bob)

    await alice["messenger"].send(BOB[0], texts[2])
    await then("bridge-messenger")
    await seen_everywhere(texts[:3], alice, bob)

    await alice["whatsapp"].send(BOB[1], texts[3])
    await then("nats")
    await seen_everywhere(texts, alice, bob)

    await bob["instagram"].read(ALICE[0])
    await then("bridge-whatsapp")
    await read_everywhere(alice, bob)

    await carla["instagram"].send(ALICE[0], "Hello Alice, Bob gave me your number.")
    await then("router")
    for phone in alice.values():
        await eventually(lambda phone=phone: shows(phone, CARLA[0], ["Hello Alice, Bob gave me your number."]))
    assert [m["text"] for m in await bob["instagram"].inbox(ALICE[0])] == texts
    status = (await federation.cli("status"))[0]
    assert {bridge["dead"] for bridge in status["bridges"].values()} == {0}


async def seen_everywhere(texts: list[str], alice: dict[str, Phone], bob: dict[str, Phone]) -> None:
    """Every phone of both shows exactly these texts, in this order, from the right people."""
    for phone in alice.values():
        await eventually(lambda phone=phone: shows(phone, BOB[1], texts))
    for phone in bob.values():
        await eventually(lambda phone=phone: shows(phone, ALICE[0], texts))


async def shows(phone: Phone, peer: str, texts: list[str]) -> None:
    """The thread on one phone: once each, in order, and nothing addressed to or from anybody else."""
    thread = await phone.inbox(peer)
    assert [message["text"] for message in thread] == texts
    for message in thread:
        own_side = message["from"] if message["direction"] == "out" else message["to"]
        assert own_side == phone.handle
    assert len({message["native_id"] for message in thread}) == len(texts)


async def read_everywhere(alice: dict[str, Phone], bob: dict[str, Phone]) -> None:
    """What Bob read on Instagram is read on his Messenger, and Alice sees it as read on both of hers."""

    async def bobs_other_phone() -> None:
        assert all(m["read"] for m in await bob["messenger"].inbox(ALICE[0]) if m["direction"] == "in")

    async def alices(phone: Phone) -> None:
        own = [m for m in await phone.inbox(BOB[1]) if m["direction"] == "out"]
        assert own
        assert all(m["read"] and m["status"] == "read" for m in own)

    await eventually(bobs_other_phone)
    for phone in alice.values():
        await eventually(lambda phone=phone: alices(phone))
