"""200 dialogues between three people who change rails at every turn: every rail shows every turn, once, in order.

Real dialogues where the shared data is there, a few of our own otherwise.
"""

import asyncio
import itertools
import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Federation, People, Phone
from tests.must import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SHARED = Path(__file__).parents[3] / "shared" / "data" / "dialogues.jsonl"
OUR_OWN = Path(__file__).parent / "dialogues.jsonl"
HOW_MANY = 200

HANDLES = {
    "Alice": ("whatsapp:+393331112222", "messenger:alice.bianchi"),
    "Bob": ("messenger:bob.rossi", "instagram:@bob"),
    "Carla": ("instagram:@carla",),
}
PAIRS = (("Alice", "Bob"), ("Bob", "Carla"), ("Carla", "Alice"))


def dialogues() -> list[list[str]]:
    """Lists of turns; texts are made unique, so that a turn shown twice cannot pass for two turns."""
    source = SHARED if SHARED.exists() else OUR_OWN
    found = [json.loads(line)["turns"] for line in source.read_text().splitlines()]
    chosen = itertools.islice(itertools.cycle(found), HOW_MANY)
    return [[f"{turn} [{number}.{step}]" for step, turn in enumerate(turns)] for number, turns in enumerate(chosen)]


async def test_two_hundred_dialogues(federation: Federation, people: People) -> None:
    """Three pairs talk side by side; whoever answers has seen the turn before on the phone in hand."""
    phones = {name: await people.join(name, *handles) for name, handles in HANDLES.items()}
    shares = {pair: dialogues()[number :: len(PAIRS)] for number, pair in enumerate(PAIRS)}
    async with asyncio.TaskGroup() as tasks:
        for (one, other), share in shares.items():
            tasks.create_task(talk(one, other, phones, share))
    for (one, other), share in shares.items():
        turns = [turn for dialogue in share for turn in dialogue]
        for name, peer in ((one, other), (other, one)):
            for phone in phones[name].values():
                await eventually(lambda phone=phone, peer=peer, turns=turns: complete(phone, peer, turns))
    status = (await federation.cli("status"))[0]
    assert {bridge["dead"] for bridge in status["bridges"].values()} == {0}


async def talk(one: str, other: str, phones: dict[str, dict[str, Phone]], share: list[list[str]]) -> None:
    """Play a pair's dialogues; whoever speaks takes their next phone. At a dialogue's end both read."""
    hands = {name: itertools.cycle(phones[name].values()) for name in (one, other)}
    addresses = {name: itertools.cycle(HANDLES[name]) for name in (one, other)}
    before = None
    for turns in share:
        for speaker, turn in zip(itertools.cycle((one, other)), turns, strict=False):
            phone, peer = next(hands[speaker]), other if speaker == one else one
            if before is not None:
                await phone.sees(before)
            await phone.send(next(addresses[peer]), turn)
            before = turn
        for reader, peer in ((one, other), (other, one)):
            phone = next(hands[reader])
            await phone.sees(before or "")
            await phone.read(HANDLES[peer][0])


async def complete(phone: Phone, peer: str, turns: list[str]) -> None:
    """Every turn, once, in order; what came in is read, and what went out is seen to be read."""
    thread = await phone.inbox(HANDLES[peer][0])
    assert [message["text"] for message in thread] == turns
    assert [m["text"] for m in thread if not m["read"]] == []
    assert {m["status"] for m in thread if m["direction"] == "out"} == {"read"}
