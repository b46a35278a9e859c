"""What one rail has and another has not: answers to messages that are not there, and reactions where there are none."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosqlite
import pytest

from bridges.kit import lost
from bus import subjects
from bus.connection import Connection
from bus.kv import Bucket
from bus.publish import Publisher
from bus.stored import read_range
from bus.subjects import LOG
from schemas.capabilities import Level
from schemas.codec import decode_event, decode_person, decode_record, encode
from schemas.events import Prefer, Results
from schemas.handles import Handle
from schemas.ids import OPERATOR, PEOPLE_PARTITION, event_id, person_id
from schemas.people import person_key
from tests.integration.bridges.conftest import Phone, World
from tests.integration.bridges.test_changing import agrees, done, shown
from tests.integration.bridges.test_linked import link
from tests.must import eventually

Connect = Callable[[str], Awaitable[Connection]]


async def losses(conn: Connection) -> set[str]:
    """Every loss that the log tells of."""
    found: set[str] = set()
    for message in await read_range(conn, LOG, first=1, subject_filter="log.*"):
        for entry in decode_record(message.data).entries:
            event = decode_event(entry.event) if entry.kind == "results" else None
            if isinstance(event, Results):
                found |= {phrase for result in event.results for phrase in result.lost}
    return found


async def moved(world: World, connect: Connect) -> tuple[Phone, Phone, Phone]:
    """Alice on WhatsApp and Bob on Messenger have talked; now Bob is on Instagram, too. What is sent reaches both."""
    await world.start("whatsapp", "messenger", "instagram")
    alice, here = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    for text in ("Dinner on Monday?", "Forget this."):
        await alice.send(here.handle, text)
        await shown(here, alice.handle, text)
    await here.send(alice.handle, "*Sorry*, which day?")
    await alice.has(here.handle, "*Sorry*, which day?")
    there = await world.register("instagram", "bob")
    await link(world, await connect("operator"), here.handle, there.handle)

    async def reaches_both() -> None:
        await alice.send(here.handle, "hello?")
        await there.has(alice.handle, "hello?", within_s=1)

    await eventually(reaches_both)
    return alice, here, there


@pytest.mark.thread("mautrix/facebook#173", "mautrix/signal#641", "matterbridge#1806")
async def test_mautrix_facebook_173_an_answer_to_what_is_not_on_the_rail_quotes_it(
    world: World, connect: Connect, admin: Connection
) -> None:
    """It never waits: its beginning stands above the answer, from the log's copy, and the leg says what is lost."""
    alice, here, there = await moved(world, connect)
    question = (await shown(here, alice.handle, "Dinner on Monday?"))["native_id"]
    await here.send(alice.handle, "Monday is fine.", reply_to=question)
    answer = await shown(there, alice.handle, "> Dinner on Monday?\nMonday is fine.")
    assert answer["reply_to"] is None
    assert (await shown(alice, here.handle, "Monday is fine."))["reply_to"] is not None

    async def told() -> None:
        assert lost.REPLY_QUOTED in await losses(admin)

    await eventually(told)
    doubt = (await shown(alice, here.handle, "*Sorry*, which day?"))["native_id"]
    await alice.send(here.handle, "Monday.", reply_to=doubt)
    await shown(there, alice.handle, "> *Sorry*, which day?\nMonday.")


@pytest.mark.thread("mautrix/meta#24")
async def test_mautrix_meta_24_what_was_changed_or_taken_back_is_not_quoted_as_it_was(
    world: World, connect: Connect
) -> None:
    """The quote says what the message says now; of one that was taken back not a word."""
    alice, here, there = await moved(world, connect)
    first, second = (one["native_id"] for one in (await alice.inbox(here.handle))[:2])
    await done(alice, "PATCH", first, text="Dinner on Tuesday?")
    question = (await shown(here, alice.handle, "Dinner on Tuesday?"))["native_id"]
    await here.send(alice.handle, "Tuesday is fine.", reply_to=question)
    await shown(there, alice.handle, "> Dinner on Tuesday?\nTuesday is fine.")
    gone = (await shown(here, alice.handle, "Forget this."))["native_id"]
    await done(alice, "DELETE", second)
    await shown(here, alice.handle, "")
    await here.send(alice.handle, "What was it?", reply_to=gone)
    await shown(there, alice.handle, "> an earlier message\nWhat was it?")
    assert "Forget this." not in str(await there.texts(alice.handle))


@pytest.mark.thread("mautrix/signal#131", "mautrix/go#510", "matterbridge#640", "matterbridge#1276", "matterbridge#189")
async def test_mautrix_signal_131_reactions_on_a_rail_without_reactions_are_told_and_counted(
    world: World, admin: Connection
) -> None:
    """Each one's is a message that answers what it is about; with several, how many. Unsent, all of it goes."""
    await world.start_rails("whatsapp", "messenger")
    await world.start_router()
    await world.start_bridge("whatsapp")
    await world.start_bridge("messenger", without={"reaction": Level.FALLBACK})
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    native_id = await alice.send(bob.handle, "A parrot!")
    copy = await shown(bob, alice.handle, "A parrot!")
    await done(bob, "PUT", copy["native_id"], "/reaction", emoji="👍")
    await agrees(alice, bob.handle, reactions={bob.handle: "👍"})
    await done(alice, "PUT", native_id, "/reaction", emoji="👍")
    note = await shown(bob, alice.handle, "Alice reacted with 👍\nIn all: 2 \N{MULTIPLICATION SIGN} 👍")
    assert note["reply_to"] == copy["native_id"]
    await done(alice, "PUT", native_id, "/reaction", emoji="🦜")
    await shown(bob, alice.handle, "Alice reacted with 🦜\nIn all: 👍, 🦜")
    await done(alice, "PUT", native_id, "/reaction", emoji="")
    await shown(bob, alice.handle, "Alice took back a reaction")
    assert [one["reactions"] for one in await alice.inbox(bob.handle)] == [{bob.handle: "👍"}]

    async def told() -> None:
        assert lost.REACTION_WORDS in await losses(admin)

    await eventually(told)
    await done(alice, "DELETE", native_id)

    async def gone() -> None:
        assert [one["unsent"] for one in await bob.inbox(alice.handle)] == [True] * 4

    await eventually(gone)


async def test_a_reaction_that_comes_too_late_is_told_in_words(world: World) -> None:
    """WhatsApp takes reactions for 30 days: to an older message Bob's is a message there."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "A month ago.")
    copy = await shown(bob, alice.handle, "A month ago.")
    await world.settled()
    await aged(world.folder / "rails", days=31)
    await done(bob, "PUT", copy["native_id"], "/reaction", emoji="👍")
    note = await shown(alice, bob.handle, "Bob reacted with 👍")
    assert note["reply_to"] == (await alice.inbox(bob.handle))[0]["native_id"]


async def aged(folder: Path, *, days: int) -> None:
    """Everything on WhatsApp was written that much earlier."""
    async with aiosqlite.connect(folder / "whatsapp.sqlite3") as db:
        await db.execute("UPDATE messages SET at_ms = at_ms - ?", (days * 86_400_000,))
        await db.commit()


async def test_mautrix_whatsapp_780_an_unsend_that_comes_too_late_is_a_notice(world: World) -> None:
    """WhatsApp takes messages back for two days, Messenger for ever: the copy stays, with a notice."""
    await world.start("messenger", "whatsapp")
    alice, bob = await world.register("messenger", "alice"), await world.register("whatsapp", "bob")
    native_id = await alice.send(bob.handle, "Three days ago.")
    await shown(bob, alice.handle, "Three days ago.")
    await world.settled()
    await aged(world.folder / "rails", days=3)
    await done(alice, "DELETE", native_id)
    notice = await shown(bob, alice.handle, "Alice took back a message")
    assert notice["reply_to"] == (await bob.inbox(alice.handle))[0]["native_id"]
    assert (await bob.texts(alice.handle))[0] == "Three days ago."


@pytest.mark.thread(
    "mautrix/whatsapp#319", "mautrix/whatsapp#388", "mautrix/whatsapp#433", "mautrix/whatsapp#528", "mautrix/signal#134"
)
async def test_mautrix_whatsapp_319_an_edit_on_a_rail_without_edits_is_an_answer_to_the_original(world: World) -> None:
    """It says what it is, belongs to the message as if it were a part of it, and goes with it."""
    await world.start_rails("whatsapp", "messenger")
    await world.start_router()
    await world.start_bridge("whatsapp")
    await world.start_bridge("messenger", without={"edit": Level.FALLBACK})
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    native_id = await alice.send(bob.handle, "At seven.")
    copy = await shown(bob, alice.handle, "At seven.")
    await done(alice, "PATCH", native_id, text="At eight.")
    correction = await shown(bob, alice.handle, "Corrected: At eight.")
    assert correction["reply_to"] == copy["native_id"]
    await bob.send(alice.handle, "Good.", reply_to=correction["native_id"])
    assert (await shown(alice, bob.handle, "Good."))["reply_to"] == native_id
    await done(alice, "DELETE", native_id)

    async def gone() -> None:
        found = await bob.inbox(alice.handle)
        assert [one["text"] for one in found if one["direction"] == "in"] == ["", ""]

    await eventually(gone)


@pytest.mark.thread("mautrix/signal#225", "mautrix/signal#431")
async def test_mautrix_signal_225_one_emoji_of_several_people_is_several_reactions(world: World) -> None:
    """Both have it on both rails; said twice it is there once; one who takes theirs back leaves the other's."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    native_id = await alice.send(bob.handle, "A parrot!")
    copy = (await shown(bob, alice.handle, "A parrot!"))["native_id"]
    both = {alice.handle: "👍", bob.handle: "👍"}
    for _ in range(2):
        await done(alice, "PUT", native_id, "/reaction", emoji="👍")
        await done(bob, "PUT", copy, "/reaction", emoji="👍")
        await agrees(alice, bob.handle, reactions=both)
        await agrees(bob, alice.handle, reactions=both)
    await done(alice, "PUT", native_id, "/reaction", emoji="")
    await agrees(bob, alice.handle, reactions={bob.handle: "👍"})


@pytest.mark.thread("mautrix/whatsapp#356", "mautrix/whatsapp#550", "mautrix/whatsapp#730", "mautrix/whatsapp#237")
@pytest.mark.thread("mautrix/telegram#846")
async def test_mautrix_whatsapp_356_who_keeps_what_others_take_back_is_told(world: World, connect: Connect) -> None:
    """Bob has asked for it: the message stays with him, with a notice. Others see the sender's wish done."""
    await world.start("whatsapp", "messenger", "instagram")
    alice, carla = await world.register("whatsapp", "alice"), await world.register("messenger", "carla")
    bob = await world.register("instagram", "bob")
    for phone in (bob, carla):
        await alice.send(phone.handle, "hello?")
        await shown(phone, alice.handle, "hello?")
    operator = await connect("operator")
    wish = Prefer(id=event_id(OPERATOR, "prefer", bob.handle), handle=Handle(bob.handle), keeps=True)
    await Publisher(operator).publish(subjects.ingress(OPERATOR, PEOPLE_PARTITION), encode(wish), wish.id)

    async def known() -> None:
        entry = await Bucket(operator, subjects.DIRECTORY).get(person_key(person_id(Handle(bob.handle))))
        assert entry is not None
        assert decode_person(entry.value).preferences.keeps

    await eventually(known)
    for phone, after in ((carla, ["hello?", ""]), (bob, ["hello?", "I never said that.", "Alice took back a message"])):
        native_id = await alice.send(phone.handle, "I never said that.")
        await shown(phone, alice.handle, "I never said that.")
        await done(alice, "DELETE", native_id)

        async def seen(phone: Phone = phone, after: list[str] = after) -> None:
            assert await phone.texts(alice.handle) == after

        await eventually(seen)
