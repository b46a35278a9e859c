"""A webhook may come again after days, when the bus has long forgotten the ids it has seen. The bridge has not."""

from bus.connection import Connection
from bus.publish import Publisher
from bus.subjects import ingress
from schemas.codec import encode
from schemas.events import AccountSeen
from schemas.ids import EventId
from tests.integration.bridges.conftest import World, handle
from tests.integration.bridges.test_intake import published, text, webhook
from tests.must import eventually

_SHORTEST_WINDOW_NS = 100_000_000


async def forgets(admin: Connection) -> None:
    """Have the bus forget ids as soon as it can, and wait until it has forgotten those of now."""
    config = (await admin.api("STREAM.INFO.IN_MESSENGER"))["config"]
    await admin.api("STREAM.UPDATE.IN_MESSENGER", {**config, "duplicate_window": _SHORTEST_WINDOW_NS})


async def forgotten(admin: Connection) -> None:
    """Publish an event, and again until it is not told from a new one."""
    publisher = Publisher(admin)
    event = AccountSeen(id=EventId("evt_probe"), actor=handle("messenger", "alice"), name="alice")
    await publisher.publish(ingress("messenger", 0), encode(event), event.id)

    async def is_taken_for_new() -> None:
        assert not (await publisher.publish(ingress("messenger", 0), encode(event), event.id)).duplicate

    try:
        await eventually(is_taken_for_new)
    finally:
        await publisher.close()


async def test_a_webhook_that_comes_again_days_later_is_still_one(world: World, admin: Connection) -> None:
    """The native id is claimed in the bridge's own store, so no window of the server's matters."""
    await world.start("messenger")
    alice, bob = await world.register("messenger", "alice"), await world.register("messenger", "bob")
    await forgets(admin)
    body = webhook(text(1, author=alice.id, node=bob.id))
    assert await world.post_webhook("messenger", body) == 200
    await world.settled()  # the log has it: the outbox holds no row any more that could tell
    await forgotten(admin)
    assert await world.post_webhook("messenger", body) == 200
    assert [event.native_id for event in await published(admin)] == ["m_1"]
