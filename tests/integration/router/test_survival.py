"""What a router must survive: kill -9 of itself and of nats-server, rivals, sleep, long logs, stores rolled back."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from bus.commit import Fenced
from bus.config import Settings
from bus.connection import Connection
from bus.reader import Reader
from bus.stored import StoredMessage
from bus.subjects import ingress, ingress_stream
from router.core.fanout import Plans
from router.dead import DeadLetters
from router.directory import Directory
from router.intake import Intake
from router.partition import Lane, Shared
from router.people import People
from schemas.handles import Handle
from schemas.ids import partition_of
from tests.integration.conftest import PARTITIONS, RAILS, Bus, Connect
from tests.integration.router.conftest import RouterProcess, StartRouter
from tests.integration.router.scene import ALICE, BOB, CARLA, Scene, between, message, receipt
from tests.must import eventually

MakeProcess = Callable[[str], RouterProcess]
ROUNDS, A_ROUND = 12, 150


def _shared(conn: Connection, **more: int) -> Shared:
    people = People(conn)
    return Shared(
        conn=conn,
        people=people,
        directory=Directory(conn, on_changed=people.drop),
        letters=DeadLetters(conn),
        plans=Plans(capabilities={}),
        sources=(*RAILS, "operator"),
        partitions=PARTITIONS,
        batch=Settings().router.batch,
        record_bytes=Settings().router.record_bytes,
        **more,
    )


async def _say(scene: Scene, number: int) -> int:
    """One round of everybody talking to everybody; how many events that is."""
    numbers = range(number * A_ROUND, (number + 1) * A_ROUND)
    async with asyncio.TaskGroup() as group:
        group.create_task(scene.publish("whatsapp", *(message(ALICE, (BOB, CARLA)[n % 2], n) for n in numbers)))
        group.create_task(scene.publish("messenger", *(message(BOB, (ALICE, CARLA)[n % 2], n) for n in numbers)))
        group.create_task(scene.publish("instagram", *(message(CARLA, (ALICE, BOB)[n % 2], n) for n in numbers)))
        group.create_task(scene.publish("messenger", *(receipt(BOB, ALICE, n) for n in numbers[::10])))
    return 3 * A_ROUND + len(numbers[::10])


async def test_kill_9_of_router_and_server_loses_doubles_and_reorders_nothing(
    nats_server: Bus, connect: Connect, router_process: MakeProcess
) -> None:
    """Both are killed in the middle of traffic, again and again; every event is in the log once, in order."""
    scene = Scene(await connect("admin"))
    router = router_process("one")
    router.start()
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    total = 3
    for number in range(ROUNDS):
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(_say(scene, number))
            reached = total + A_ROUND // 3
            await eventually(lambda reached=reached: scene.expect(reached))  # type: ignore[misc]
            if number % 3 == 1:
                os.kill(nats_server.server.pid, signal.SIGKILL)
            if number % 3 != 1 or number % 2:
                router.kill()
                router.start()
        total += talking.result()
    total += await _say(scene, ROUNDS)
    await eventually(lambda: scene.expect(total))
    await scene.check_exactly_once_in_order()
    assert nats_server.server.restarts == ROUNDS // 3
    assert router.stop() == 0


async def test_two_routers_share_and_take_over_from_each_other(connect: Connect, router_process: MakeProcess) -> None:
    """One is stopped in its tracks until the other has its partitions, then goes on as if it still had them."""
    scene = Scene(await connect("admin"))
    one, other = router_process("one"), router_process("other")
    one.start()
    other.start()
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    total = 3 + await _say(scene, 0)
    await eventually(lambda: scene.expect(total))
    for number, sleeper in ((1, one), (2, other), (3, one)):
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(_say(scene, number))
            sleeper.pause()
        total += talking.result()
        # Half of the partitions are the sleeper's: only when the other has taken them is everything routed.
        await eventually(lambda total=total: scene.expect(total))  # type: ignore[misc]
        sleeper.resume()
    total += await _say(scene, 4)
    await eventually(lambda: scene.expect(total))
    await scene.check_exactly_once_in_order()
    assert (one.stop(), other.stop()) == (0, 0)


async def test_of_two_owners_one_is_fenced(connect: Connect) -> None:
    """Whatever the leases say: who commits second is refused, and its decision has never happened."""
    conn = await connect("router")
    scene = Scene(await connect("admin"))
    partition = partition_of(between(ALICE, ALICE_S_FRIEND), PARTITIONS)
    await scene.publish("whatsapp", *(message(ALICE, ALICE_S_FRIEND, number) for number in range(2)))
    lanes = [await Lane.take_over(_shared(conn), partition) for _ in range(2)]
    reader = await Reader.open(
        conn, stream=ingress_stream("whatsapp"), after=0, filters=[ingress("whatsapp", partition)]
    )
    messages: list[StoredMessage] = []
    while len(messages) < len(lanes):
        messages += await reader.pull(limit=10)
    for count, lane in enumerate(lanes, start=1):
        lane.offer("whatsapp", messages[:count])
    tasks = [asyncio.create_task(lane.run()) for lane in lanes]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert [type(task.exception()) for task in done] == [Fenced]
    assert 1 <= len(await eventually(lambda: scene.expect(1))) <= 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await reader.close()


async def test_an_intake_that_waits_for_its_source_may_be_told_of_lanes(connect: Connect) -> None:
    """Found by the simulation: what it read under had ended, and telling it of that ended the whole router."""
    conn = await connect("router")
    await conn.close()
    intake = Intake(conn, source="whatsapp", lanes={}, partitions=PARTITIONS, batch=10)
    with capture_logs() as logs:
        running = asyncio.create_task(intake.run())

        async def interrupted() -> None:
            assert [one["event"] for one in logs] == ["intake.interrupted"]

        await eventually(interrupted)
        intake.lanes_changed()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


ALICE_S_FRIEND = Handle("whatsapp:+39331000009")


async def test_a_log_longer_than_the_memory_is_taken_over_from_snapshots(
    connect: Connect, start_router: StartRouter
) -> None:
    """More conversations than a lane keeps: positions go on where they were, from snapshots and from the log."""
    scene = Scene(await connect("admin"))
    friends = [Handle(f"whatsapp:+3933200{number:04d}") for number in range(150)]
    small = _shared(await connect("router"), most_states=10)

    async def owned_for(expected: int, *, flush: bool) -> list[Lane]:
        """All partitions taken over and run, by lanes with a small memory, until the log has as many entries."""
        lanes = [await Lane.take_over(small, partition) for partition in range(PARTITIONS)]
        reader = await Reader.open(small.conn, stream=ingress_stream("whatsapp"), after=0)
        tasks = [asyncio.create_task(lane.run()) for lane in lanes]
        while messages := await reader.pull(limit=100, wait_s=3):
            for lane in lanes:
                mine = [one for one in messages if one.subject == ingress("whatsapp", lane.partition)]
                if mine:
                    lane.offer("whatsapp", mine)
        await eventually(lambda: scene.expect(expected))
        for lane in lanes if flush else ():
            await lane.states.flush()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await reader.close()
        return lanes

    for turn, flush in enumerate((True, False, True)):
        for number in range(3):
            await scene.publish("whatsapp", *(message(ALICE, friend, turn * 3 + number) for friend in friends))
        lanes = await owned_for(450 * (turn + 1), flush=flush)
        kept = [len(lane.states._clean) + len(lane.states._changed) for lane in lanes]
        assert min(kept) > 0
    await scene.check_exactly_once_in_order()
    await start_router()
    await scene.publish("whatsapp", *(message(ALICE, friend, 9) for friend in friends))
    last = await eventually(lambda: scene.expect(1500))
    assert {one.entry.position for one in last[-150:]} == {10}


async def test_a_rolled_back_ingress_store_is_noticed_and_made_good(
    nats_server: Bus, connect: Connect, start_router: StartRouter
) -> None:
    """The store is as it was an hour ago and gives sequences away again: an alarm, a new epoch, nothing lost."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))

    async def say(numbers: range, total: int) -> None:
        await scene.publish("whatsapp", *(message(ALICE, BOB, number) for number in numbers))
        await eventually(lambda: scene.expect(total))

    await say(range(10), 12)
    await nats_server.server.stop()
    (store,) = nats_server.folder.glob("nats/**/streams/IN_WHATSAPP")
    shutil.copytree(store, nats_server.folder / "an hour ago")
    await nats_server.server.start()
    await say(range(10, 20), 22)
    await nats_server.server.stop()
    shutil.rmtree(store)
    shutil.copytree(nats_server.folder / "an hour ago", store)
    with capture_logs() as logs:
        await nats_server.server.start()
        await say(range(20, 35), 37)
    assert {line["event"] for line in logs if line["log_level"] == "critical"} == {"ingress.damaged"}
    logged = await scene.entries()
    texts = [one.entry.event_id for one in logged if one.entry.kind == "message"]
    assert texts == [message(ALICE, BOB, number).id for number in range(35)]
    assert {one.epoch for one in logged if one.entry.event_id == texts[-1]} == {1}
    # The new epoch stands where the store ends, so the next owner finds nothing amiss.
    lane = await Lane.take_over(_shared(await connect("router")), partition_of(between(ALICE, BOB), PARTITIONS))
    assert lane.epoch == 1


@pytest.mark.parametrize("gone", [5])
async def test_events_that_retention_took_unread_raise_the_alarm(connect: Connect, gone: int) -> None:
    """They are lost; what is left is routed, in a new epoch."""
    admin = await connect("admin")
    scene = Scene(admin)
    await scene.publish("whatsapp", *(message(ALICE, ALICE_S_FRIEND, number) for number in range(9)))
    await admin.api(f"STREAM.PURGE.{ingress_stream('whatsapp')}", {"seq": gone + 1})
    with capture_logs() as logs:
        lane = await Lane.take_over(
            _shared(await connect("router")), partition_of(between(ALICE, ALICE_S_FRIEND), PARTITIONS)
        )
    assert [line["why"] for line in logs if line["log_level"] == "critical"] == ["history gone"]
    logged = await scene.entries()
    assert [one.entry.event_id for one in logged] == [message(ALICE, ALICE_S_FRIEND, n).id for n in range(gone, 9)]
    assert (lane.epoch, lane.cursor["whatsapp"][0]) == (1, 9)
