"""The story of Alice, Bob and Carla through the command line alone, on the demo's people."""

from typing import Any

import pytest

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually
from trinario.demo import CAST
from trinario.messaging import MESSAGE_KEYS

pytestmark = pytest.mark.timeout(240)

ALICE, BOB, (CARLA,) = CAST["Alice"], CAST["Bob"], CAST["Carla"]
DEMO = ["Ciao Bob, are you coming on Sunday?", "Yes! What shall I bring?"]


async def shows(town: Trinario, handle: str, peer: str, texts: list[str]) -> list[dict[str, Any]]:
    """Wait until an inbox shows exactly these texts, in this order; the messages."""

    async def look() -> list[dict[str, Any]]:
        found = await town.cli("inbox", "--as", handle, "--with", peer)
        assert [one["text"] for one in found] == texts
        return found

    return await eventually(look)


async def test_write_on_one_rail_see_it_on_all_read_on_one_read_on_all(town: Trinario) -> None:
    """The demo's two lines, a third from Messenger, and Bob's reading on Instagram."""
    texts = [*DEMO, "Just bring yourself."]
    sent = (await town.cli("send", "--as", ALICE[1], "--to", BOB[0], texts[2]))[0]
    assert set(sent) == {"native_id", "thread"}
    for handle in ALICE:
        await shows(town, handle, BOB[0], texts)
    for handle in BOB:
        found = await shows(town, handle, ALICE[0], texts)
        assert [tuple(one) for one in found] == [MESSAGE_KEYS] * 3
        assert [one["direction"] for one in found] == ["in", "out", "in"]
    assert (await town.cli("read", "--as", BOB[1], "--with", ALICE[0])) == [{"read": 2}]

    async def read_everywhere() -> None:
        assert await town.cli("inbox", "--as", BOB[0], "--unread") == []
        for handle in ALICE:
            own = [one for one in await town.cli("inbox", "--as", handle) if one["direction"] == "out"]
            assert {one["status"] for one in own} == {"read"}

    await eventually(read_everywhere)


async def test_somebody_elsewhere_is_addressed_by_handle(town: Trinario) -> None:
    """Carla, who is on Instagram only, writes to Alice's number; Alice answers from either of her rails."""
    await town.cli("send", "--as", CARLA, "--to", ALICE[0], "Hello Alice.")
    for handle in ALICE:
        await shows(town, handle, CARLA, ["Hello Alice."])
    await town.cli("send", "--as", ALICE[0], "--to", CARLA, "Hello Carla.")
    found = await shows(town, CARLA, ALICE[1], ["Hello Alice.", "Hello Carla."])
    assert found[0]["from"] == found[1]["to"] == CARLA


async def test_registering_again_is_the_same_and_anothers_address_is_refused(town: Trinario) -> None:
    """The same answer with our session; without it, 4."""
    again = await town.cli("account", "register", CARLA, "--name", "Carla")
    assert again == await town.cli("account", "register", CARLA.upper(), "--name", "Carla")
    assert again[0]["handle"] == CARLA
    assert again[0]["person"].startswith("per_")
    session = next((town.data / "sessions").glob("*carla*"))
    aside = session.rename(town.data / "aside.json")
    failed = await town.refused("account", "register", CARLA, "--name", "Carla")
    aside.rename(session)
    assert failed.code == 4
    assert "taken" in failed.said


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("send", "--as", CARLA, "--to", "whatsapp:+393339999999", "Hi"), 3, "Nobody"),
        (("send", "--as", CARLA, "--to", "nobody", "Hi"), 2, "instagram:@bob"),
        (("send", "--as", CARLA, "--to", ALICE[0], "x" * 100_000), 4, "shorten"),
        (("send", "--as", "instagram:@nobody", "--to", CARLA, "Hi"), 3, "account register"),
        (("inbox", "--as", "telegram:@carla"), 3, "whatsapp"),
        (("inbox",), 2, "--as"),
        (("person", "show", "instagram:@nobody"), 3, "person list"),
        (("person", "link", *ALICE, "--trust"), 4, "already"),
        (("person", "prefer", CARLA), 2, "--receipts"),
        (("trace", "evt_unknown"), 3, "evt_unknown"),
        (("dead", "show", "1"), 3, "dead list"),
        (("route", "explain", "--from", CARLA, "--to", "messenger:nobody"), 3, "messenger:nobody"),
    ],
)
async def test_what_cannot_be_done_says_why_and_with_which_code(
    town: Trinario, words: tuple[str, ...], code: int, said: str
) -> None:
    """The contract's exit codes, and the way out on stderr."""
    failed = await town.refused(*words)
    assert (failed.code, said in failed.said) == (code, True), failed.said


async def test_people_are_shown_linked_unlinked_and_asked(town: Trinario) -> None:
    """Two fresh accounts become one person, prefer something, and part again."""
    one, other = "whatsapp:+393330000001", "instagram:@second"
    for handle in (one, other):
        await town.cli("account", "register", handle, "--name", "Carla Two")
    linked = (await town.cli("person", "link", one, other, "--trust"))[0]
    assert linked["accounts"] == [{"handle": one, "state": "verified"}, {"handle": other, "state": "verified"}]
    assert linked["preferences"] == {"receipts": True, "never": []}
    assert (await town.cli("person", "show", other)) == (await town.cli("person", "show", linked["person"])) == [linked]
    wished = (await town.cli("person", "prefer", one, "--no-receipts", "--never", "instagram"))[0]
    assert wished["preferences"] == {"receipts": False, "never": ["instagram"]}
    wished = (await town.cli("person", "prefer", one, "--everywhere"))[0]
    assert wished["preferences"] == {"receipts": False, "never": []}
    wished = (await town.cli("person", "prefer", one, "--presence", "--offline-on", "instagram"))[0]
    assert wished["preferences"] == {"receipts": False, "never": [], "presence": True, "offline_on": ["instagram"]}
    until = ("--offline-until", "2100-01-01T00:00:00+00:00")
    wished = (await town.cli("person", "prefer", one, *until, "--offline-on", "none"))[0]
    assert wished["preferences"]["offline_until_ms"] == 4_102_444_800_000
    assert "offline_on" not in wished["preferences"]
    wished = (await town.cli("person", "prefer", one, "--no-presence", "--offline-until", "now"))[0]
    assert wished["preferences"] == {"receipts": False, "never": []}
    alone = (await town.cli("person", "unlink", other))[0]
    assert alone["person"] != linked["person"]
    everyone = await town.cli("person", "list")
    handles = [account["handle"] for person in everyone for account in person["accounts"]]
    assert {one, other, *ALICE, *BOB, CARLA} <= set(handles)


async def test_who_is_blocked_cannot_write_from_anywhere(town: Trinario) -> None:
    """Blocked on one rail, a message from another fails and says so; and back."""
    blocked, blocker = "instagram:@pest", "messenger:blocker"
    for handle, name in ((blocked, "Pest"), (blocker, "Blocker")):
        await town.cli("account", "register", handle, "--name", name)
    await town.cli("send", "--as", blocked, "--to", blocker, "Hi")
    await shows(town, blocker, blocked, ["Hi"])
    await town.cli("account", "block", "--as", blocker, blocked)

    await eventually(lambda: fails(town, blocked, blocker, "Are you there?"))
    await town.cli("account", "unblock", "--as", blocker, blocked)

    async def heard_again() -> None:
        await town.cli("send", "--as", blocked, "--to", blocker, "Sorry.")
        assert (await town.cli("inbox", "--as", blocker))[-1]["text"] == "Sorry."

    await eventually(heard_again)


async def fails(town: Trinario, sender: str, recipient: str, text: str) -> None:
    """Write, and wait for the message's fate: it must fail, and not arrive."""
    sent = (await town.cli("send", "--as", sender, "--to", recipient, text))[0]

    async def settled() -> str:
        shown = {one["native_id"]: one["status"] for one in await town.cli("inbox", "--as", sender)}
        assert shown[sent["native_id"]] != "sent"
        return str(shown[sent["native_id"]])

    assert await eventually(settled) == "failed"
    assert (await town.cli("inbox", "--as", recipient))[-1]["text"] != text


async def test_routing_is_explained_and_traced(town: Trinario) -> None:
    """The dry run names each account; the trace of a native id is that of the message's own id."""
    plan = (await town.cli("route", "explain", "--from", ALICE[0], "--to", BOB[0]))[0]
    assert {leg["rail"] for leg in plan["legs"]} == {"messenger", "instagram"}
    assert {account["handle"] for account in plan["accounts"] if account["reached"]} >= set(BOB)
    sent = (await town.cli("inbox", "--as", ALICE[0], "--with", BOB[0]))[0]

    async def posted() -> dict[str, Any]:
        found = (await town.cli("trace", sent["native_id"]))[0]
        assert {leg["rail"] for leg in found["legs"]} == {"whatsapp", "messenger", "instagram"}
        assert not [leg for leg in found["legs"] if leg["status"] == "queued"]
        return dict(found)

    found = await eventually(posted)
    assert (await town.cli("trace", found["message_id"])) == [found]


async def test_status_and_doctor_find_all_well(town: Trinario) -> None:
    """Every part is there, with the contract's keys; the doctor has nothing to say."""

    async def well() -> None:
        found = (await town.cli("status"))[0]
        assert set(found) == {"nats", "router", "ledger", "bridges", "rails"}
        assert {"partitions", "pending", "lag_ms"} <= set(found["router"])
        for bridge in found["bridges"].values():
            assert {"state", "pending", "lag_ms", "dead"} <= set(bridge)
            assert (bridge["state"], bridge["dead"]) == ("connected", 0)
        assert (await town.cli("doctor"))[0]["well"] is True
        assert await town.cli("dead", "list") == []

    await eventually(well)


async def test_a_business_node_is_made(town: Trinario) -> None:
    """The contract's four credentials."""
    made = (await town.cli("rail", "node", "create", "whatsapp", "--name", "Pasta & Co"))[0]
    assert list(made)[:4] == ["node_id", "access_token", "app_secret", "verify_token"]
