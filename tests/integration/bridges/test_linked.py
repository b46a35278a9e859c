"""One person behind two accounts: copies, private read state, ghosts from before, and a rail that fails late."""

import json

from bus import subjects
from bus.commit import Committer
from bus.connection import Connection
from bus.kv import Bucket
from bus.publish import Publisher
from bus.stored import read_range
from schemas.codec import decode_event, encode
from schemas.events import LegResult, Link, Results
from schemas.handles import Handle
from schemas.ids import OPERATOR, PEOPLE_PARTITION, event_id
from schemas.log import VERSION, Record
from schemas.people import handle_key
from tests.integration.bridges.conftest import Phone, World
from tests.integration.conftest import Connect
from tests.must import eventually


async def link(world: World, conn: Connection, one: str, other: str) -> None:
    """As an operator does, once both accounts are known."""

    async def known() -> None:
        keys = [handle_key(Handle(handle)) for handle in (one, other)]
        assert len(await Bucket(conn, subjects.DIRECTORY).get_many(keys)) == len(keys)

    await eventually(known)
    event = Link(id=event_id(OPERATOR, "link", "", one, other), handles=(Handle(one), Handle(other)))
    subject = subjects.ingress(OPERATOR, PEOPLE_PARTITION)
    await Publisher(conn).publish(subject, encode(event), event.id)


async def all_read(phone: Phone, peer: str, count: int) -> None:
    """The phone shows so many messages of its owner's as read."""

    async def shown() -> None:
        mine = [message for message in await phone.inbox(peer) if message["direction"] == "out"]
        assert [message["status"] for message in mine] == ["read"] * count

    await eventually(shown)


async def test_one_person_on_two_rails(world: World, connect: Connect) -> None:
    """Bob is on Messenger and Instagram: he gets both copies, reads once, writes from either, in one thread each."""
    await world.start("whatsapp", "messenger", "instagram")
    alice = await world.register("whatsapp", "alice")
    here, there = await world.register("messenger", "bob"), await world.register("instagram", "bob")
    await alice.send(here.handle, "before")
    await here.sees(alice.handle, ["before"])
    await link(world, await connect("operator"), here.handle, there.handle)
    texts = ["before"]

    async def reaches_both() -> None:
        """Until the router has heard of the link, a message goes to one rail only."""
        texts.append(f"after {len(texts)}")
        await alice.send(here.handle, texts[-1])
        await there.has(alice.handle, texts[-1], within_s=1)

    await eventually(reaches_both)
    await here.sees(alice.handle, texts)
    await there.read(alice.handle)

    async def nothing_unread() -> None:
        status, told = await here.call("GET", "threads")
        assert (status, [thread["unread"] for thread in told["threads"]]) == (200, [0])

    await eventually(nothing_unread)
    await all_read(alice, here.handle, len(texts))
    await there.send(alice.handle, "from instagram")
    await here.sees(alice.handle, [*texts, "from instagram"])
    await alice.sees(here.handle, [*texts, "from instagram"])
    assert [one["direction"] for one in await here.inbox(alice.handle)][-1] == "out"


async def test_a_ghost_from_before_a_link_goes_on(world: World, connect: Connect) -> None:
    """Alice is two strangers to Bob until she is linked; then she writes by the ghost he knows."""
    await world.start("whatsapp", "messenger", "instagram")
    phone, desk = await world.register("whatsapp", "alice"), await world.register("messenger", "alice")
    bob = await world.register("instagram", "bob")
    await phone.send(bob.handle, "from the phone")
    await desk.send(bob.handle, "from the desk")
    await bob.sees(phone.handle, ["from the phone"])
    await bob.sees(desk.handle, ["from the desk"])
    await link(world, await connect("operator"), phone.handle, desk.handle)

    async def as_one() -> None:
        await desk.send(bob.handle, "again")
        await bob.has(phone.handle, "again", within_s=1)

    await eventually(as_one)
    ghosts = [
        one for one in (await world.partner("instagram", "GET", "accounts"))["accounts"] if one["kind"] == "ghost"
    ]
    assert len(ghosts) == 2
    await bob.send(desk.handle, "got it")
    await phone.has(bob.handle, "got it")
    await desk.has(bob.handle, "got it")


async def results(conn: Connection, rail: str) -> list[LegResult]:
    """What a bridge has said became of its legs."""
    events = [decode_event(one.data) for one in await read_range(conn, subjects.ingress_stream(rail), first=1)]
    return [result for event in events if isinstance(event, Results) for result in event.results]


async def test_a_rail_that_fails_late_is_told_of(world: World, admin: Connection) -> None:
    """WhatsApp has accepted a post and says `failed` afterwards: the sender on Messenger is told."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    written = await bob.send(alice.handle, "are you there?")

    async def is_posted() -> str:
        found = await results(admin, "whatsapp")
        assert len(found) == 1
        return found[0].native_ids[0]

    posted = await eventually(is_posted)
    status = {
        "id": posted,
        "status": "failed",
        "timestamp": "1",
        "recipient_id": alice.id,
        "errors": [{"code": 131026, "title": "Message undeliverable"}],
    }
    value = {"metadata": {"phone_number_id": "1"}, "statuses": [status]}
    body = json.dumps({"object": "x", "entry": [{"changes": [{"field": "messages", "value": value}]}]}).encode()
    assert await world.post_webhook("whatsapp", body) == 200

    async def told() -> None:
        found = {one["native_id"]: one for one in await bob.inbox(alice.handle)}
        assert found[written]["status"] == "failed"
        assert "131026" in found[written]["error"]["message"]

    await eventually(told)


async def test_results_are_on_the_bus(world: World, admin: Connection) -> None:
    """What became of each leg, with the native ids: so the id map can be made anew from the log."""
    await world.start("whatsapp", "messenger")
    alice, bob = await world.register("whatsapp", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "one")
    await bob.sees(alice.handle, ["one"])
    native_id = (await bob.inbox(alice.handle))[0]["native_id"]

    async def told() -> None:
        found = await results(admin, "messenger")
        assert [(one.status, one.native_ids, one.attempts) for one in found] == [("posted", (native_id,), 1)]

    await eventually(told)


async def test_a_bus_that_was_rolled_back_gets_it_again(world: World, connect: Connect) -> None:
    """What the log has not confirmed is published again when a new epoch says that the ingress store was lost."""
    await world.start_rails("messenger")
    await world.start_bridge("messenger")
    alice, bob = await world.register("messenger", "alice"), await world.register("messenger", "bob")
    await alice.send(bob.handle, "precious")
    admin = await connect("admin")

    async def ingress() -> list[str]:
        found = await read_range(admin, "IN_MESSENGER", first=1)
        return [message.subject for message in found if b"precious" in message.data]

    async def there() -> str:
        found = await ingress()
        assert len(found) == 1
        return found[0]

    subject = await eventually(there)
    _, partition = subjects.parse_ingress(subject)
    committer = Committer(admin, subject=subjects.log(partition), expected=0)
    record = Record(version=VERSION, partition=partition, epoch=1, cursor={}, entries=())
    await committer.commit(encode(record))
    config = (await admin.api("STREAM.INFO.IN_MESSENGER"))["config"]
    await admin.api("STREAM.DELETE.IN_MESSENGER")
    await admin.api("STREAM.CREATE.IN_MESSENGER", config)
    assert await ingress() == []
    await committer.commit(encode(Record(version=VERSION, partition=partition, epoch=2, cursor={}, entries=())))
    assert await eventually(there) == subject


async def test_an_account_takes_over_its_persons_ghost(world: World, connect: Connect) -> None:
    """Alice knows Bob by his ghost on Messenger until he joins: then it is one thread with him."""
    await world.start("whatsapp", "messenger", "instagram")
    operator = await connect("operator")
    phone, desk = await world.register("whatsapp", "alice"), await world.register("messenger", "alice")
    bob = await world.register("instagram", "bob")
    await link(world, operator, phone.handle, desk.handle)
    texts: list[str] = []

    async def reaches_the_desk() -> None:
        texts.append(f"hello {len(texts)}")
        await phone.send(bob.handle, texts[-1])
        await desk.has(bob.handle, texts[-1], within_s=1)

    await eventually(reaches_the_desk)
    newer = await world.register("messenger", "bob")
    await link(world, operator, bob.handle, newer.handle)

    async def taken_over() -> None:
        assert [one["text"] for one in await newer.inbox(desk.handle)] == texts[-len(await newer.inbox(desk.handle)) :]
        assert texts[-1] in [one["text"] for one in await newer.inbox(desk.handle)]

    await eventually(taken_over)
    await desk.send(bob.handle, "to the old handle")
    texts.append("to the old handle")
    await newer.has(desk.handle, texts[-1])
    await bob.sees(phone.handle, texts)
    await newer.send(desk.handle, "from the new one")
    texts.append("from the new one")
    await bob.sees(phone.handle, texts)
    await phone.sees(bob.handle, texts)

    async def in_order() -> None:
        """A rail is told the federation's order of what was written there a moment after it has shown it."""
        for handle in (bob.handle, newer.handle):
            assert [one["text"] for one in await desk.inbox(handle)][-2:] == texts[-2:]

    await eventually(in_order)
