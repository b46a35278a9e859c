"""What is to happen at a time happens, although every router was down at that moment: groups end, messages go."""

import itertools
import time
from collections.abc import Callable

import msgspec

from bus.connection import Connection
from schemas.codec import decode_event
from schemas.events import GroupChanged, GroupFounded
from schemas.groups import group_id
from schemas.ids import OPERATOR, EventId, event_id
from schemas.log import Entry
from schemas.vanishing import Expiry
from tests.integration.router.conftest import RouterProcess, StartRouter
from tests.integration.router.scene import ALICE, BOB, Scene, message, receipt
from tests.must import eventually

GROUP = group_id("whatsapp", "120363~1")


async def found(scene: Scene, until_ms: int) -> None:
    """Alice makes her group with bob; again, until the router has heard of him in the group's partition, too."""
    attempts = itertools.count()

    async def made() -> None:
        await scene.publish("whatsapp", founded(until_ms, next(attempts)))
        logged = await scene.entries()
        assert any(one.entry.kind == "group" and one.entry.outcome == "routed" for one in logged)

    await eventually(made)


async def ended(scene: Scene) -> Entry:
    """The entry that ends the group."""
    logged = await scene.entries()
    last = [one.entry for one in logged if one.entry.source == OPERATOR and one.entry.kind == "group_change"]
    assert last
    return last[-1]


def founded(until_ms: int, attempt: int) -> GroupFounded:
    """Alice's group, with bob."""
    return GroupFounded(
        id=event_id("whatsapp", "group", "120363~1", str(attempt)),
        conversation=GROUP,
        actor=ALICE,
        name="Today",
        members=(BOB,),
        until_ms=until_ms,
    )


async def test_a_temporary_group_ends_though_the_router_was_down(
    admin: Connection, start_router: StartRouter, router_process: Callable[[str], RouterProcess]
) -> None:
    """The router that makes it is killed before its end; the one that comes after finds it ended."""
    scene, first = Scene(admin), router_process("first")
    first.start()
    await scene.register(ALICE, BOB)
    until_ms = int(time.time() * 1000) + 6000
    await found(scene, until_ms)
    first.kill()
    await eventually(lambda: _is_past(until_ms))
    await start_router()
    last = await eventually(lambda: ended(scene))
    assert (last.outcome, last.conversation) == ("routed", GROUP)


async def test_a_deadline_that_is_moved_counts_at_its_new_time(admin: Connection, start_router: StartRouter) -> None:
    """One deadline a group: the earlier one never comes."""
    scene = Scene(admin)
    await start_router()
    await scene.register(ALICE, BOB)
    now_ms = int(time.time() * 1000)
    await found(scene, now_ms + 600_000)
    sooner = GroupChanged(
        id=event_id("whatsapp", "group_change", "x"), conversation=GROUP, actor=ALICE, until_ms=now_ms + 1500
    )
    await scene.publish("whatsapp", sooner)
    assert (await eventually(lambda: ended(scene))).outcome == "routed"


async def _is_past(at_ms: int) -> None:
    assert time.time() * 1000 > at_ms


async def test_messages_go_on_time_whoever_is_killed(
    admin: Connection, router_process: Callable[[str], RouterProcess]
) -> None:
    """``kill -9`` as soon as they are on the log; the next router finds each gone, once, at its own time.

    One goes at a time, one because it was read, which only the second router hears of.
    """
    scene, first = Scene(admin), router_process("first")
    first.start()
    await scene.register(ALICE, BOB)
    at_ms = int(time.time() * 1000) + 3000
    at_a_time = msgspec.structs.replace(message(ALICE, BOB, 1), expires=Expiry(at_ms=at_ms))
    once_read = msgspec.structs.replace(message(ALICE, BOB, 2), expires=Expiry(after_read_s=1), at_ms=at_ms)
    attempts = itertools.count()

    async def said() -> None:
        """Again, until the router has heard of both in the conversation's partition, too."""
        attempt = next(attempts)
        for one in (at_a_time, once_read):
            again = msgspec.structs.replace(one, id=EventId(f"{one.id}_{attempt}"))
            await scene.publish("whatsapp", again)
        logged = await scene.entries()
        assert len([one for one in logged if one.entry.vanishing and one.entry.outcome == "routed"]) >= 2

    await eventually(said)
    first.kill()
    doomed = [one.entry for one in await scene.entries() if one.entry.vanishing]
    await eventually(lambda: _is_past(at_ms))
    router_process("second").start()
    await scene.publish("messenger", receipt(BOB, ALICE, max(one.position for one in doomed)))

    async def gone() -> list[Entry]:
        ends = [one.entry for one in await scene.entries() if one.entry.kind == "expired"]
        assert len(ends) == len(doomed)
        return ends

    ends = await eventually(gone)
    assert sorted(one.position for one in ends) == sorted(one.position for one in doomed)
    assert {one.outcome for one in ends} == {"routed"}
    ended = {one.position: decode_event(one.event).at_ms for one in ends}
    assert {ended[one.position] for one in doomed if one.vanishing[0].at_ms} == {at_ms}
    await scene.check_exactly_once_in_order()
