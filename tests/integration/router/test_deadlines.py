"""A temporary group ends on time, although every router was down at that moment."""

import itertools
import time
from collections.abc import Callable

from bus.connection import Connection
from schemas.events import GroupChanged, GroupFounded
from schemas.groups import group_id
from schemas.ids import OPERATOR, event_id
from schemas.log import Entry
from tests.integration.router.conftest import RouterProcess, StartRouter
from tests.integration.router.scene import ALICE, BOB, Scene
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
