"""A temporary group ends on time, although every router was down at that moment."""

import time
from collections.abc import Callable

from bus.connection import Connection
from schemas.events import GroupChanged, GroupFounded
from schemas.groups import group_id
from schemas.ids import OPERATOR, event_id
from tests.integration.router.conftest import RouterProcess, StartRouter
from tests.integration.router.scene import ALICE, BOB, Scene
from tests.must import eventually

GROUP = group_id("whatsapp", "120363~1")


def founded(until_ms: int) -> GroupFounded:
    """Alice's group, with bob."""
    return GroupFounded(
        id=event_id("whatsapp", "group", "120363~1"),
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
    await eventually(lambda: scene.expect(2))
    until_ms = int(time.time() * 1000) + 4000
    await scene.publish("whatsapp", founded(until_ms))
    await eventually(lambda: scene.expect(3))
    first.kill()
    await eventually(lambda: _is_past(until_ms))
    await start_router()
    logged = await eventually(lambda: scene.expect(4))
    last = logged[-1].entry
    assert (last.source, last.kind, last.outcome, last.conversation) == (OPERATOR, "group_change", "routed", GROUP)


async def test_a_deadline_that_is_moved_counts_at_its_new_time(admin: Connection, start_router: StartRouter) -> None:
    """One deadline a group: the earlier one never comes."""
    scene = Scene(admin)
    await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    now_ms = int(time.time() * 1000)
    await scene.publish("whatsapp", founded(now_ms + 600_000))
    sooner = GroupChanged(
        id=event_id("whatsapp", "group_change", "x"), conversation=GROUP, actor=ALICE, until_ms=now_ms + 1500
    )
    await scene.publish("whatsapp", sooner)
    logged = await eventually(lambda: scene.expect(5))
    assert [one.entry.kind for one in logged[-2:]] == ["group_change", "group_change"]
    assert logged[-1].entry.outcome == "routed"


async def _is_past(at_ms: int) -> None:
    assert time.time() * 1000 > at_ms
