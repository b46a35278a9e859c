"""Events in, records out: a router in this process on a real nats-server."""

from bus.kv import Bucket
from bus.stored import last_of
from bus.subjects import DEAD, DIRECTORY, OPERATOR, RAILS, STATE, dead
from schemas.capabilities import Capabilities, Level
from schemas.codec import (
    decode_conversation,
    decode_event,
    decode_legs,
    decode_letter,
    decode_person,
    decode_seats,
    encode,
)
from schemas.events import Link, Unlink
from schemas.ids import EventId, RailName, partition_of, person_id
from schemas.markers import Marker
from schemas.people import handle_key, person_key
from tests.integration.conftest import PARTITIONS, Connect
from tests.integration.router.conftest import StartRouter
from tests.integration.router.scene import ALICE, BOB, CARLA, Scene, between, message, of_rail, receipt
from tests.must import eventually


async def test_messages_and_receipts_come_out_in_order(connect: Connect, start_router: StartRouter) -> None:
    """Positions from 1 without gaps, legs where somebody is, the event byte for byte, and the marker in the state."""
    scene = Scene(await connect("admin"))
    router = await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    sent = [message(ALICE, BOB, number) for number in range(50)]
    await scene.publish("whatsapp", *sent)
    await eventually(lambda: scene.expect(52))
    await scene.publish("messenger", receipt(BOB, ALICE, 40))
    logged = [one.entry for one in await eventually(lambda: scene.expect(53))][2:]
    assert [entry.position for entry in logged] == [*range(1, 51), 40]
    assert [decode_event(entry.event) for entry in logged[:50]] == sent
    assert {rail: leg.act for rail, leg in decode_legs(logged[0].legs).items()} == {"messenger": "post"}
    assert {rail: leg.act for rail, leg in decode_legs(logged[-1].legs).items()} == {"whatsapp": "read"}
    assert [seat.handles for seat in decode_seats(logged[0].seats)] == [(ALICE,), (BOB,)]
    assert router.status()["partitions"] == PARTITIONS
    assert (router.status()["pending"], router.status()["lag_ms"], router.status()["events"]) == (0, 0, 53)


async def test_what_a_router_leaves_behind_shortens_the_next_ones_way(
    connect: Connect, start_router: StartRouter
) -> None:
    """A drained router has written its conversations and the checkpoint."""
    conn = await connect("admin")
    scene = Scene(conn)
    router = await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    await scene.publish("whatsapp", *(message(ALICE, BOB, number) for number in range(7)))
    await eventually(lambda: scene.expect(9))
    await scene.publish("messenger", receipt(BOB, ALICE, 5))
    last = (await eventually(lambda: scene.expect(10)))[-1]
    conversation, state = between(ALICE, BOB), Bucket(conn, STATE)
    partition = partition_of(conversation, PARTITIONS)

    async def written_down() -> None:
        await router._lanes[partition].states.flush()
        checkpoint = await state.get(f"checkpoint.{partition}")
        assert checkpoint is not None
        assert int(checkpoint.value) == last.sequence

    await eventually(written_down)
    entry = await state.get(f"{partition}.{conversation}")
    assert entry is not None
    snapshot = decode_conversation(entry.value)
    assert (snapshot.last, snapshot.sequence) == (7, last.sequence)
    assert snapshot.markers == {person_id(BOB): Marker(delivered=5, read=5)}


async def test_people_are_written_down_and_seen_by_the_next_message(
    connect: Connect, start_router: StartRouter
) -> None:
    """Register, link, unlink: the directory follows, and routing with it."""
    conn = await connect("admin")
    scene, directory = Scene(conn), Bucket(conn, DIRECTORY)
    await start_router()
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    await scene.publish(OPERATOR, Link(id=EventId("evt_link"), handles=(BOB, CARLA)))

    async def holder_of(handle: str, expected: str) -> None:
        entry = await directory.get(handle_key(handle))  # type: ignore[arg-type]
        assert entry is not None
        assert entry.value.decode() == expected

    await eventually(lambda: holder_of(CARLA, person_id(BOB)))
    for handle, into in ((CARLA, person_id(BOB)), (BOB, None)):
        entry = await directory.get(person_key(person_id(handle)))
        assert entry is not None
        assert decode_person(entry.value).merged_into == into
    await scene.publish("whatsapp", message(ALICE, BOB, 1))
    linked = (await eventually(lambda: scene.expect(5)))[-1].entry
    assert set(decode_legs(linked.legs)) == {"messenger", "instagram"}

    await scene.publish(OPERATOR, Unlink(id=EventId("evt_unlink"), handle=CARLA))
    await eventually(lambda: holder_of(CARLA, person_id(CARLA)))
    await scene.publish("whatsapp", message(ALICE, BOB, 2))
    unlinked = (await eventually(lambda: scene.expect(7)))[-1].entry
    assert set(decode_legs(unlinked.legs)) == {"messenger"}
    version = await directory.get("version")
    assert version is not None
    assert int(version.value) >= 3
    cursor = await directory.get("cursor")
    assert cursor is not None
    assert int(cursor.value) == [one.sequence for one in await scene.entries(0) if one.entry.outcome == "people"][-1]


async def test_poison_is_parked_and_the_partition_goes_on(connect: Connect, start_router: StartRouter) -> None:
    """Bytes that nobody understands are kept in DEAD with the reason; the event behind them is routed."""
    conn = await connect("admin")
    scene = Scene(conn)
    await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    partition = partition_of(between(ALICE, BOB), PARTITIONS)
    deep = bytearray(encode(message(ALICE, BOB, 99)))
    deep[0] += 1
    poisons = [
        b"",
        b"\xff" * 40,
        encode({"kind": "nonsense"}),
        b"\x91" * 100_000,
        bytes(deep) + encode("zz") + b"\x91" * 600 + b"\xc0",
    ]
    for number, poison in enumerate(poisons):
        await scene.publish_raw("whatsapp", partition, poison, f"evt_poison{number}")
    await scene.publish("whatsapp", message(ALICE, BOB, 1))
    logged = [one.entry for one in await eventually(lambda: scene.expect(8))][2:]
    assert [entry.outcome for entry in logged] == ["parked"] * 5 + ["routed"]
    assert [entry.event_id for entry in logged[:5]] == [f"evt_poison{number}" for number in range(5)]
    kept = await last_of(conn, DEAD, dead("router", "whatsapp"))
    assert kept is not None
    letter = decode_letter(kept.data)
    assert (letter.event_id, letter.payload, letter.why) == (
        "evt_poison4",
        poisons[4],
        "not an event: nested deeper than 32",
    )


async def test_an_event_in_the_wrong_partition_is_refused(connect: Connect, start_router: StartRouter) -> None:
    """Otherwise one conversation would have two orders."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB)
    astray = message(ALICE, BOB, 1)
    wrong = (partition_of(astray.conversation, PARTITIONS) + 1) % PARTITIONS
    await eventually(lambda: scene.expect(2))
    await scene.publish_raw("whatsapp", wrong, encode(astray), astray.id)
    refused = (await eventually(lambda: scene.expect(3)))[-1].entry
    assert (refused.outcome, refused.why) == ("refused", "wrong_conversation")
    assert {rail: leg.act for rail, leg in decode_legs(refused.legs).items()} == {"whatsapp": "fail"}


async def test_a_rails_capabilities_are_heeded(connect: Connect, start_router: StartRouter) -> None:
    """What its bridge has said of it before the router came."""
    conn = await connect("admin")
    blind = Capabilities(rail=RailName("whatsapp"), version=1, text_max=9, text_unit="bytes", delivered=Level.FULL)
    await Bucket(conn, RAILS).put("whatsapp", encode(blind))
    scene = Scene(conn)
    await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    await scene.publish("whatsapp", message(ALICE, BOB, 1))
    await eventually(lambda: scene.expect(3))
    await scene.publish("messenger", receipt(BOB, ALICE, 1, "delivered"))
    await scene.publish("messenger", receipt(BOB, ALICE, 1, "read"))
    delivered, read = [one.entry for one in await eventually(lambda: scene.expect(5))][3:]
    assert [set(decode_legs(entry.legs)) for entry in (delivered, read)] == [{"whatsapp"}, set()]
    assert of_rail(await scene.entries(), "messenger")[-2:] == [delivered.event_id, read.event_id]
