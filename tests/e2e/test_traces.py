"""What the ledger tells of every message, beside what people's apps were shown by the rails, under kills."""

import random
from pathlib import Path
from typing import Any

import pytest

from bus.service import NobodyAnswers
from router.ledger.service import Asking
from tests.e2e.conftest import Federation, People, Phone
from tests.must import eventually
from trinario.bus_access import connected
from trinario.place import Place

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MESSAGES, SEED = 1000, 11
_KILLED = ("router", "ledger", "bridge-instagram", "ledger", "bridge-whatsapp")


async def test_every_trace_is_what_the_apps_were_shown(federation: Federation, people: People, tmp_path: Path) -> None:
    """Leg by leg: each copy that the ledger names is on that rail, once; each copy on a rail is named."""
    alice = await people.join("Alice", "whatsapp:+393331112222", "messenger:alice")
    bob = await people.join("Bob", "messenger:bob.rossi", "instagram:@bob")
    carla = await people.join("Carla", "instagram:@carla")
    sent = await _talk(federation, [alice, bob, carla])

    async with connected(Place(data=tmp_path / "data")) as connection:
        asking = Asking(connection)

        async def agree() -> None:
            shown = await _shown([alice, bob, carla])
            for text, native_id in sent.items():
                await _check_one(asking, text, native_id, shown)

        await eventually(agree, within_s=240)
        await bob["instagram"].read(alice["whatsapp"].handle)
        for text, native_id in sent.items():
            if text.startswith("alice to bob"):
                await _check_read(asking, native_id)


async def _talk(federation: Federation, everybody: list[dict[str, Phone]]) -> dict[str, str]:
    """Random people write to one another from random rails, while daemons are killed; text -> native id."""
    dice, names, sent = random.Random(SEED), ("alice", "bob", "carla"), dict[str, str]()
    for number in range(MESSAGES):
        one, other = dice.sample(range(3), 2)
        writer = dice.choice(list(everybody[one].values()))
        reader = dice.choice(list(everybody[other].values()))
        text = f"{names[one]} to {names[other]} {number}"
        sent[text] = await _sent(writer, reader.handle, text)
        if number % (MESSAGES // len(_KILLED)) == 20:
            await federation.kill(_KILLED[number // (MESSAGES // len(_KILLED))])
    return sent


async def _sent(writer: Phone, to: str, text: str) -> str:
    """A new address cannot be looked up while the bridge is away: the app tries again."""

    async def send() -> str:
        return await writer.send(to, text)

    return await eventually(send)


async def _shown(everybody: list[dict[str, Phone]]) -> dict[str, dict[str, set[str]]]:
    """Rail -> text -> the native ids under which apps on that rail show it."""
    phones = [phone for person in everybody for phone in person.values()]
    found: dict[str, dict[str, set[str]]] = {}
    for phone in phones:
        on_rail = found.setdefault(phone.handle.partition(":")[0], {})
        for person in everybody:
            for peer in person.values():
                if phone in person.values():
                    continue
                for one in await _inbox(phone, peer.handle):
                    on_rail.setdefault(one["text"], set()).add(one["native_id"])
    return found


async def _inbox(phone: Phone, peer: str) -> list[dict[str, Any]]:
    try:
        return await phone.inbox(peer)
    except AssertionError as error:
        if "unknown_recipient" in str(error) or "not_found" in str(error):
            return []  # nobody there has heard of them yet
        raise


async def _check_one(asking: Asking, text: str, native_id: str, shown: dict[str, dict[str, set[str]]]) -> None:
    try:
        answer = await asking("trace", id=native_id)
    except NobodyAnswers as error:
        raise AssertionError from error
    found = answer["found"]
    assert found is not None, f"{text}: not in the ledger"
    assert found["outcome"] == "routed"
    named = {leg["rail"]: set(leg["native_ids"]) for leg in found["legs"]}
    seen = {rail: texts[text] for rail, texts in shown.items() if text in texts}
    assert {leg["status"] for leg in found["legs"]} <= {"posted", "delivered", "read"}, text
    assert named == seen, text
    assert all(len(ids) == 1 for ids in seen.values()), f"{text}: doubled"
    for ids in named.values():
        for one in ids:
            assert (await asking("trace", id=one))["found"]["message_id"] == found["message_id"]


async def _check_read(asking: Asking, native_id: str) -> None:
    """Bob has read it on Instagram: so it is read on both his rails."""

    async def read() -> None:
        found = (await asking("trace", id=native_id))["found"]
        statuses = {leg["rail"]: leg["status"] for leg in found["legs"]}
        assert {statuses["messenger"], statuses["instagram"]} == {"read"}

    await eventually(read)
