"""Disappearing messages across rails, through real bridges, router and bus."""

import time
from typing import Any

import pytest

from bridges.kit.files import AWAY_MS
from bus.media import MediaStore
from router.trace import trace
from schemas.capabilities import Level
from tests.integration.bridges.conftest import Phone, World
from tests.integration.bridges.test_changing import done, shown
from tests.integration.bridges.test_files import ALICE, BOB, bytes_of, got, show, up
from tests.integration.bridges.test_linked import link
from tests.integration.conftest import Connect
from tests.integration.rails.samples import PNG
from tests.must import eventually

RAILS = ("whatsapp", "messenger", "instagram")


async def gone(phone: Phone, peer: str, native_id: str = "") -> None:
    """The message (or all of the thread) has nothing left to show."""

    async def so() -> None:
        found = [one for one in await phone.inbox(peer) if native_id in ("", one["native_id"])]
        assert found
        assert [(one["unsent"], one["text"], one["content"]) for one in found] == [(True, "", None)] * len(found)

    await eventually(so)


async def unread(phone: Phone) -> list[int]:
    """Of each thread."""
    status, told = await phone.call("GET", "threads")
    assert status == 200, told
    return [thread["unread"] for thread in told["threads"]]


@pytest.fixture
async def two(world: World) -> tuple[Phone, Phone]:
    """Alice on WhatsApp, Bob on Instagram."""
    await world.start("whatsapp", "instagram")
    return await world.register("whatsapp", "alice"), await world.register("instagram", "bob")


@pytest.mark.thread("mautrix/signal#350", "mautrix/whatsapp#520", "mautrix/whatsapp#289")
async def test_mautrix_signal_350_text_and_media_go_everywhere(two: tuple[Phone, Phone], connect: Connect) -> None:
    """What was written, and the photo with it: on the rail it was written on and on the other, files too."""
    alice, bob = two
    await alice.send(BOB, "it stays")
    await bob.has(ALICE, "it stays")
    text = await alice.send(BOB, "it goes", expires_in_s=4)
    file = await up(alice, PNG)
    photo = await show(alice, BOB, {"type": "image", "media_id": file["media_id"]}, expires_in_s=4)
    _, first, second = await got(bob, ALICE, 3)
    media_id = second["content"]["media_id"]
    card = await MediaStore(await connect("bridge-instagram"), writer="instagram").find(file["sha256"])
    assert card is not None
    assert card.until_ms == second["expires_at_ms"] + AWAY_MS  # the bus's own copy
    assert await bytes_of(bob, media_id) == PNG
    for phone, peer, names in (
        (alice, BOB, (text, photo)),
        (bob, ALICE, (first["native_id"], second["native_id"])),
    ):
        for name in names:
            await gone(phone, peer, name)
    for phone, name in ((bob, media_id), (alice, file["media_id"])):
        status, _ = await phone.call("GET", f"media/{name}")
        assert status in {403, 404}
    assert [one["text"] for one in await bob.inbox(ALICE)] == ["it stays", "", ""]


@pytest.mark.thread("mautrix/signal#351")
async def test_mautrix_signal_351_a_reaction_or_an_edit_does_not_reset_the_timer(
    two: tuple[Phone, Phone], connect: Connect
) -> None:
    """Both are shown; the end is the one that was decided when it was written."""
    alice, bob = two
    written = await alice.send(BOB, "look", expires_in_s=8)
    mine = (await got(bob, ALICE))[0]
    await done(bob, "PUT", mine["native_id"], "/reaction", emoji="\N{THUMBS UP SIGN}")
    await done(alice, "PATCH", written, text="look here")
    edited = await shown(bob, ALICE, "look here")
    assert edited["expires_at_ms"] == mine["expires_at_ms"]
    await gone(alice, BOB, written)
    await gone(bob, ALICE)
    conn = await connect("operator")

    async def told() -> dict[str, Any]:
        story = await trace(conn, written)
        assert story is not None
        assert [change["kind"] for change in story["changes"]][-1] == "expired"
        legs = {leg["rail"]: leg["status"] for leg in story["changes"][-1]["legs"]}
        assert legs == {"whatsapp": "posted", "instagram": "posted"}
        return story

    story = await eventually(told)
    assert (story["expires_at_ms"], story["expired"]) == (mine["expires_at_ms"], True)
    assert story["changes"][-1]["at_ms"] == mine["expires_at_ms"]
    status, answer = await alice.call("PATCH", f"messages/{written}", json={"text": "again"})
    assert (status, answer["error"]["code"]) == (409, "unsent")


@pytest.mark.thread("mautrix/whatsapp#934")
async def test_mautrix_whatsapp_934_what_went_unread_is_not_unread(two: tuple[Phone, Phone]) -> None:
    """Nobody has read it, and there is nothing left to be read; an answer to it is an answer to nothing."""
    alice, bob = two
    written = await alice.send(BOB, "never read", expires_in_s=3)
    copy = (await got(bob, ALICE))[0]["native_id"]
    await gone(bob, ALICE, copy)
    await gone(alice, BOB, written)
    assert await unread(bob) == [0]
    status, answer = await bob.call("POST", "messages", json={"to": ALICE, "text": "what was it?", "reply_to": copy})
    assert status == 201, answer
    await alice.has(BOB, "what was it?")


async def test_the_countdown_begins_when_the_other_one_has_read_it(world: World, connect: Connect) -> None:
    """On whichever of their rails that is; then it goes on all rails, the reader's others and the author's own too."""
    await world.start(*RAILS)
    alice = await world.register("whatsapp", "alice")
    here, there = await world.register("messenger", "bob"), await world.register("instagram", "bob")
    await link(world, await connect("operator"), here.handle, there.handle)
    texts: list[str] = []

    async def reaches_both() -> None:
        """Until the router has heard of the link, a message goes to one rail only."""
        texts.append(f"secret {len(texts)}")
        await alice.send(here.handle, texts[-1], after_read_s=2)
        await there.has(alice.handle, texts[-1], within_s=1)

    await eventually(reaches_both)
    await here.has(alice.handle, texts[-1])
    story = await trace(await connect("operator"), (await alice.inbox(here.handle))[-1]["native_id"])
    assert story is not None
    assert (story["expires_at_ms"], story["after_read_s"]) == (None, 2)
    before_ms = time.time() * 1000
    await there.read(alice.handle)
    for phone, peer in ((alice, here.handle), (here, alice.handle), (there, alice.handle)):
        last = (await phone.inbox(peer))[-1]["native_id"]
        await gone(phone, peer, last)
    assert time.time() * 1000 >= before_ms + 2000


async def test_what_comes_due_while_the_router_is_down_goes_when_it_is_back(
    two: tuple[Phone, Phone], world: World
) -> None:
    """JetStream keeps the time; the same with a bridge that was away, and with a rail that had done it by itself."""
    alice, bob = two
    written = await alice.send(BOB, "soon gone", expires_in_s=3)
    copy = (await got(bob, ALICE))[0]
    await world.stop_task("router")
    await world.stop_task("bridge-instagram")

    async def is_past() -> None:
        assert time.time() * 1000 > copy["expires_at_ms"] + 500

    await eventually(is_past)
    assert [one["text"] for one in await bob.inbox(ALICE)] == ["soon gone"]
    await gone(alice, BOB, written)  # WhatsApp sees to its own copy
    await world.start_router()
    await world.start_bridge("instagram")
    await gone(bob, ALICE)


async def test_a_rail_that_takes_nothing_back_says_so(world: World) -> None:
    """The message stays there, an answer to it says that its time is over, and the trace that it was lost."""
    await world.start_rails("whatsapp", "instagram")
    await world.start_router()
    await world.start_bridge("whatsapp")
    await world.start_bridge("instagram", without={"unsend": Level.FALLBACK})
    alice, bob = await world.register("whatsapp", "alice"), await world.register("instagram", "bob")
    await alice.send(BOB, "not for ever", expires_in_s=2)
    kept, notice = await got(bob, ALICE, 2)
    assert kept["text"] == "not for ever"
    assert "time of this message is over" in notice["text"]
    assert notice["reply_to"] == kept["native_id"]


async def test_a_timer_holds_for_whoever_writes_on_whichever_rail(two: tuple[Phone, Phone]) -> None:
    """Either sets it; all rails show it; what was written before stays, what comes after goes, until it is ended."""
    alice, bob = two
    assert (await bob.call("PUT", "timer", json={"with": ALICE, "after_s": 2}))[0] == 404
    await alice.send(BOB, "it stays")
    await bob.has(ALICE, "it stays")
    assert await bob.call("PUT", "timer", json={"with": ALICE, "after_s": 2}) == (
        200,
        {"after_s": 2, "after_read_s": 0},
    )
    await timed(alice, 2)
    await alice.send(BOB, "from her")
    await bob.send(ALICE, "from him", expires_in_s=3600)
    for phone, peer in ((alice, BOB), (bob, ALICE)):
        await phone.sees(peer, ["it stays", "", ""])
    assert (await alice.call("PUT", "timer", json={"with": BOB}))[0] == 200
    await timed(bob, 0)
    await bob.send(ALICE, "for good")
    await alice.has(BOB, "for good")
    assert (await alice.inbox(BOB))[-1]["expires_at_ms"] is None


async def timed(phone: Phone, after_s: int) -> None:
    """Its one thread has this timer."""

    async def so() -> None:
        _, told = await phone.call("GET", "threads")
        assert [thread["timer"] for thread in told["threads"]] == [{"after_s": after_s, "after_read_s": 0}]

    await eventually(so)
