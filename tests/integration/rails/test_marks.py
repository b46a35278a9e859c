"""How somebody files a thread for themselves: marks with an epoch, from the app and from the partner."""

import random
from typing import Any

import pytest

MARKS = ("archived", "muted", "pinned", "unread")


async def shown(person: Any) -> list[str]:
    """The marks of the person's one thread."""
    status, told = await person.call("GET", "threads")
    assert status == 200, told
    found: list[str] = told["threads"][0]["marks"]
    return found


async def talk(house: Any) -> tuple[Any, Any]:
    """Alice has written to Bob."""
    alice, bob = await house.person("alice"), await house.person("bob")
    await alice.send(bob.handle, "ciao")
    return alice, bob


async def mark(person: Any, peer: str, which: str = "unread", *, on: bool = True) -> None:
    """In the app."""
    assert (await person.call("POST", "mark", json={"with": peer, "mark": which, "on": on}))[0] == 204


async def told(house: Any, who: Any, peer: Any, what: str, **more: Any) -> None:
    """What the partner says of somebody."""
    answer = await house.graph("POST", f"federation/{who.id}/{what}", json={"peer": peer.id, **more})
    assert answer[0] == 200, answer


async def test_each_mark_stands_for_oneself_until_it_is_taken_back(house: Any) -> None:
    """The partner is told of each change once, with one epoch more; the other one sees nothing."""
    partner = await house.partner()
    alice, bob = await talk(house)
    for which in MARKS:
        await mark(bob, alice.handle, which)
        await mark(bob, alice.handle, which)
    assert await shown(bob) == list(MARKS)
    await mark(bob, alice.handle, "pinned", on=False)
    assert await shown(bob) == ["archived", "muted", "unread"]
    assert await shown(alice) == []
    last = {"node": bob.id, "peer": alice.id, "mark": "pinned", "on": False, "epoch": 2}
    await partner.event(lambda event: event == last)
    changes = [event for event in partner.events if "mark" in event]
    assert len(changes) == len(MARKS) + 1
    status, answer = await bob.call("POST", "mark", json={"with": alice.handle, "mark": "starred"})
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_reading_takes_unread_away_and_what_the_partner_says_of_reading_does_not(house: Any) -> None:
    """Also when the partner's reading tells something new (mautrix/whatsapp PR#906)."""
    alice, bob = await talk(house)
    await mark(bob, alice.handle)
    await told(house, bob, alice, "read")
    (thread,) = (await bob.call("GET", "threads"))[1]["threads"]
    assert (thread["unread"], thread["marks"]) == (0, ["unread"])
    assert (await bob.call("POST", "read", json={"with": alice.handle}))[0] == 200
    assert await shown(bob) == []


@pytest.mark.parametrize("seed", range(5))
async def test_the_later_epoch_counts_in_whatever_order_the_partner_tells(house: Any, seed: int) -> None:
    """Late, twice, and across what is done in the app; of one epoch the mark stands."""
    dice = random.Random(seed)
    alice, bob = await talk(house)
    changes = [(epoch, dice.random() < 0.5) for epoch in range(1, 5)] + [(4, True)]
    for epoch, on in dice.choices(changes, k=8) + changes[::-1]:
        await told(house, bob, alice, "mark", mark="unread", on=on, epoch=epoch)
    assert await shown(bob) == ["unread"]
    await mark(bob, alice.handle, on=False)  # epoch 5
    for epoch, on in ((4, True), (1, True)):
        await told(house, bob, alice, "mark", mark="unread", on=on, epoch=epoch)
        assert await shown(bob) == []
    await told(house, bob, alice, "mark", mark="unread", on=True, epoch=5)
    assert await shown(bob) == ["unread"]
