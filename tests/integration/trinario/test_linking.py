"""Two accounts prove by codes that they are one person's; what is said then reaches both."""

import re

import pytest

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually

CARLA, ALSO_CARLA = "instagram:@carla.two", "messenger:carla.two"
BOB = "whatsapp:+393332228888"


async def _code(trinario: Trinario, handle: str) -> str:
    """What an account's app shows of it, as a person would read it there."""

    async def there() -> str:
        said = [one for one in await trinario.cli("inbox", "--as", handle) if one["from"] == "trinario:notices"]
        found = re.match(r"\d{6}", said[-1]["text"]) if said else None
        assert found is not None, said
        return found[0]

    return await eventually(there)


@pytest.fixture
async def people(town: Trinario) -> Trinario:
    """Carla twice, and Bob."""
    for handle, name in ((CARLA, "Carla"), (ALSO_CARLA, "Carla"), (BOB, "Bob")):
        await town.cli("account", "register", handle, "--name", name)
    return town


async def test_linked_by_codes(people: Trinario) -> None:
    """Wrong codes link nobody; the right ones do, once; no other rail has seen the codes, and nothing is left over."""
    (asked,) = await people.cli("person", "link", CARLA, ALSO_CARLA)
    assert asked["state"] == "proposed"
    assert (await people.refused("person", "link", CARLA, ALSO_CARLA)).code == 4  # just sent: no flood of codes
    codes = [await _code(people, handle) for handle in (CARLA, ALSO_CARLA)]
    given = [word for code in codes for word in ("--code", code)]

    wrong = await people.refused("person", "link", CARLA, ALSO_CARLA, "--code", codes[0], "--code", "nonsense")
    assert wrong.code == 4
    assert "4 tries are left" in wrong.said
    (unlinked,) = await people.cli("person", "show", ALSO_CARLA)
    assert [account["handle"] for account in unlinked["accounts"]] == [ALSO_CARLA]

    (linked,) = await people.cli("person", "link", CARLA, ALSO_CARLA, *given)
    assert {account["handle"]: account["state"] for account in linked["accounts"]} == {
        CARLA: "verified",
        ALSO_CARLA: "verified",
    }
    assert (await people.refused("person", "link", CARLA, ALSO_CARLA, *given)).code == 3

    await people.cli("send", "--as", BOB, "--to", CARLA, "to both of you")
    for handle in (CARLA, ALSO_CARLA):

        async def there(handle: str = handle) -> None:
            texts = [one["text"] for one in await people.cli("inbox", "--as", handle)]
            assert texts[-1] == "to both of you"
            assert len(texts) == 2  # and the code that was sent here, not the other

        await eventually(there)


async def test_nothing_is_left_behind_on_the_bus(people: Trinario) -> None:
    """A notice is read and answered like any message, and stays where it is: no pending event, no dead letter."""
    await people.cli("person", "link", BOB, ALSO_CARLA)
    await _code(people, BOB)
    await people.cli("read", "--as", BOB, "--with", "trinario:notices")
    (sent,) = await people.cli("send", "--as", BOB, "--to", "trinario:notices", "who is this?")

    async def told() -> None:
        found = {one["native_id"]: one for one in await people.cli("inbox", "--as", BOB)}
        assert found[sent["native_id"]]["status"] == "failed"

    await eventually(told)

    async def quiet() -> None:
        (status,) = await people.cli("status")
        assert {rail: (one["pending"], one["dead"]) for rail, one in status["bridges"].items()} == dict.fromkeys(
            status["bridges"], (0, 0)
        )

    await eventually(quiet)


async def test_who_is_asked_for_is_there(people: Trinario) -> None:
    """Nobody is sent a code for somebody who is not there, and bad words are told apart."""
    assert (await people.refused("person", "link", CARLA, "messenger:nobody.here")).code == 3
    assert (await people.refused("person", "link", CARLA, CARLA)).code == 2
    assert (await people.refused("person", "link", CARLA, BOB, "--trust", "--code", "123456")).code == 2
    assert (await people.refused("person", "link", CARLA, BOB, "--code", "123456", "--code", "123456")).code == 3
