"""Edits, unsends, reactions and votes on a real log: their messages are looked up where they say that they stand."""

from collections.abc import Callable

import msgspec

from bus.kv import Bucket
from bus.subjects import OPERATOR, STATE
from router.core.about import Original
from router.originals import NotRead, Originals
from schemas.codec import decode_conversation, decode_event, decode_legs
from schemas.events import Link, Vote
from schemas.ids import EventId, partition_of, person_id
from schemas.log import Entry, order_of
from tests.integration.conftest import PARTITIONS, Connect
from tests.integration.router.conftest import RouterProcess, StartRouter
from tests.integration.router.scene import (
    ALICE,
    BOB,
    CARLA,
    Scene,
    between,
    edit,
    message,
    reaction,
    unsend,
)
from tests.must import eventually


def _acts(entry: Entry) -> dict[str, str]:
    return {rail: leg.act for rail, leg in decode_legs(entry.legs).items()}


async def test_a_message_from_before_a_restart_is_edited_by_its_author_only(
    connect: Connect, router_process: Callable[[str], RouterProcess]
) -> None:
    """The new router has nothing in memory: who wrote it, under the id they had before a link, is what the log says."""
    scene = Scene(await connect("admin"))
    first = router_process("first")
    first.start()
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    await scene.publish("instagram", *(message(CARLA, ALICE, number) for number in range(20)))
    said = await eventually(lambda: scene.expect(23))
    await scene.publish(OPERATOR, Link(id=EventId("evt_link"), handles=(BOB, CARLA)))
    await eventually(lambda: scene.expect(24))
    first.kill()
    target = said[12]
    await scene.publish("whatsapp", edit(ALICE, target, "not hers", event="evt_rogue"), reaction(ALICE, target))
    await scene.publish("messenger", edit(BOB, target, "better"))
    await scene.publish("instagram", unsend(CARLA, said[13]))
    router_process("second").start()
    entries = {one.entry.event_id: one.entry for one in await eventually(lambda: scene.expect(28))}
    rogue, reacted = entries[EventId("evt_rogue")], entries[EventId("evt_re")]
    edited, gone = entries[EventId("evt_edit")], entries[EventId("evt_unsend")]
    assert (rogue.outcome, rogue.why, _acts(rogue), rogue.position) == ("refused", "not_the_author", {}, 0)
    assert (reacted.outcome, _acts(reacted)) == ("routed", {"messenger": "react", "instagram": "react"})
    assert (edited.actor, _acts(edited)) == (person_id(BOB), {"whatsapp": "edit", "instagram": "edit"})
    assert (gone.actor, _acts(gone)) == (person_id(BOB), {"whatsapp": "unsend", "messenger": "unsend"})
    assert [edited.position, reacted.position, gone.position] == [target.entry.position] * 2 + [
        target.entry.position + 1
    ]
    assert decode_event(edited.event) == edit(BOB, target, "better")
    await scene.check_exactly_once_in_order()


async def test_a_rank_that_does_not_lead_to_the_message_is_refused(connect: Connect, start_router: StartRouter) -> None:
    """Behind the log's end, in another partition's record, at another entry, or nonsense: refused, and all goes on."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB)
    other = await eventually(lambda: scene.expect(2))
    await scene.publish("whatsapp", *(message(ALICE, BOB, number) for number in range(2)))
    said = (await eventually(lambda: scene.expect(4)))[2:]
    wrong = [other[0].rank, said[1].rank, said[0].rank + 4095, order_of(10**6, 0), 0, -1, -(2**63), 2**63 - 1]
    events = [
        msgspec.structs.replace(edit(ALICE, said[0], "x", event=f"evt_{number}"), rank=rank)
        for number, rank in enumerate(wrong)
    ]
    await scene.publish("whatsapp", *events, edit(ALICE, said[0], "right"))
    logged = [one.entry for one in await eventually(lambda: scene.expect(4 + len(wrong) + 1))][4:]
    assert [entry.why for entry in logged] == ["unknown_message"] * len(wrong) + [""]
    assert (logged[-1].outcome, logged[-1].position) == ("routed", 1)


async def test_the_same_edit_published_twice_is_routed_once(connect: Connect, start_router: StartRouter) -> None:
    """As messages: by its id, at the door."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    await scene.publish("whatsapp", message(ALICE, BOB, 1))
    said = (await eventually(lambda: scene.expect(3)))[2]
    for _ in range(2):
        await scene.publish("whatsapp", edit(ALICE, said, "again"))
    await scene.publish("whatsapp", message(ALICE, BOB, 2))
    logged = await eventually(lambda: scene.expect(5))
    assert [one.entry.kind for one in logged[2:]] == ["message", "edit", "message"]
    assert [one.entry.position for one in logged[2:]] == [1, 1, 2]


async def test_snapshots_and_positions_know_nothing_of_them(connect: Connect, start_router: StartRouter) -> None:
    """The conversation is what its messages and receipts made it; the next owner folds the same."""
    conn = await connect("admin")
    scene = Scene(conn)
    router = await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    await scene.publish("whatsapp", *(message(ALICE, BOB, number) for number in range(3)))
    said = (await eventually(lambda: scene.expect(5)))[2]
    vote = Vote(
        id=EventId("evt_vote"),
        conversation=said.entry.conversation,
        actor=BOB,
        target=said.entry.event_id,
        rank=said.rank,
        options=(0,),
    )
    await scene.publish("messenger", reaction(BOB, said), vote)
    await eventually(lambda: scene.expect(7))
    conversation = between(ALICE, BOB)
    partition = partition_of(conversation, PARTITIONS)

    async def snapshot() -> None:
        await router._lanes[partition].states.flush()
        entry = await Bucket(conn, STATE).get(f"{partition}.{conversation}")
        assert entry is not None
        state = decode_conversation(entry.value)
        assert (state.last, state.markers) == (3, {})

    await eventually(snapshot)
    await scene.publish("whatsapp", message(ALICE, BOB, 4))
    assert (await eventually(lambda: scene.expect(8)))[-1].entry.position == 4


async def test_the_memory_of_messages_is_bounded_and_a_batch_still_finds_all(
    connect: Connect, start_router: StartRouter
) -> None:
    """More records than it keeps: what was asked for last is there, what was not has to be asked for."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB)
    total = len(await eventually(lambda: scene.expect(2)))
    for number in range(6):  # one record each
        await scene.publish("whatsapp", message(ALICE, BOB, number))
        total += 1
        await eventually(lambda total=total: scene.expect(total))  # type: ignore[misc]
    said = (await scene.entries())[2:]
    partition = partition_of(between(ALICE, BOB), PARTITIONS)
    originals = Originals(await connect("router"), partition=partition, most=2)
    ranks = [one.rank for one in said]
    for _ in range(2):
        await originals.load([*ranks, 5, order_of(said[-1].sequence + 1, 0)], last=said[-1].sequence)
        found = [originals.get(rank) for rank in ranks]
        assert [one and (one.event_id, one.position, one.actor) for one in found] == [
            (one.entry.event_id, one.entry.position, person_id(ALICE)) for one in said
        ]
        assert originals.get(5) is None
    assert len(originals._records) <= 2
    await originals.load([], last=said[-1].sequence)
    missing = [rank for rank in ranks if not _is_there(originals, rank)]
    assert len(missing) == len(ranks) - 2


def _is_there(originals: Originals, rank: int) -> bool:
    try:
        return isinstance(originals.get(rank), Original)
    except NotRead:
        return False
