"""Looking at the routing: the dry run, and the story of one message."""

import pytest

from bus.subjects import OPERATOR
from router.explain import UnknownHandle, explain
from router.trace import trace
from schemas.events import Block, LegResult, Link, Prefer, Results
from schemas.handles import Handle
from schemas.ids import EventId, partition_of, person_id
from tests.integration.conftest import PARTITIONS, Connect
from tests.integration.router.conftest import StartRouter
from tests.integration.router.scene import ALICE, BOB, CARLA, Scene, between, edit, message, reaction, receipt
from tests.must import eventually


async def _known(scene: Scene, *handles: Handle) -> None:
    """Wait until the directory has them: it is written after the log, and whoever looks reads the directory."""

    async def told() -> None:
        for handle in handles:
            try:
                await explain(scene.conn, ALICE, handle)
            except UnknownHandle as unknown:
                raise AssertionError(str(unknown)) from unknown

    await eventually(told)


async def _people(scene: Scene) -> None:
    """Alice on whatsapp, bob on messenger and (as carla was known there) instagram, which he prefers not to use."""
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    await _known(scene, BOB, CARLA)
    await scene.publish(OPERATOR, Link(id=EventId("evt_link"), handles=(BOB, CARLA)))

    async def linked() -> None:
        await scene.expect(4)
        found = await explain(scene.conn, ALICE, BOB)
        assert {account["handle"] for account in found["accounts"]} >= {BOB, CARLA}

    # The log has it first, the directory that routing looks into a little later.
    await eventually(linked)


async def test_explaining_is_routing_without_doing_it(connect: Connect, start_router: StartRouter) -> None:
    """Every leg and every account with its reason; nothing reaches the log."""
    conn = await connect("operator")
    scene = Scene(await connect("admin"))
    await start_router()
    await _people(scene)
    await scene.publish(OPERATOR, Prefer(id=EventId("evt_p"), handle=BOB, never=("instagram",)))
    before = len(await eventually(lambda: scene.expect(5)))

    async def told() -> None:
        found = await explain(conn, ALICE, CARLA)
        assert found == {
            "conversation": between(ALICE, BOB),
            "partition": partition_of(between(ALICE, BOB), PARTITIONS),
            "legs": [{"rail": "messenger", "why": "bob is here"}],
            "accounts": [
                {"handle": ALICE, "person": person_id(ALICE), "reached": True, "why": "written here"},
                {"handle": BOB, "person": person_id(BOB), "reached": True, "why": "bob is here"},
                {
                    "handle": CARLA,
                    "person": person_id(BOB),
                    "reached": False,
                    "why": "bob prefers not to be reached on instagram",
                },
            ],
            "outcome": "routed",
            "why": "",
        }

    await eventually(told)
    assert len(await scene.entries()) == before
    with pytest.raises(UnknownHandle, match="instagram:@nobody"):
        await explain(conn, ALICE, Handle("instagram:@nobody"))


async def test_a_refusal_is_explained(connect: Connect, start_router: StartRouter) -> None:
    """With no legs, every account unreached, and words for the sender."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE, BOB)
    await eventually(lambda: scene.expect(2))
    await _known(scene, BOB)
    await scene.publish("messenger", Block(id=EventId("evt_b"), actor=BOB, blocked=person_id(ALICE), on=True))

    async def refused() -> None:
        found = await explain(scene.conn, ALICE, BOB)
        assert (found["outcome"], found["legs"]) == ("refused", [])
        assert [account["reached"] for account in found["accounts"]] == [False, False]
        assert "not available" in found["why"]

    await eventually(refused)


async def test_the_story_of_a_message(connect: Connect, start_router: StartRouter) -> None:
    """By any of its names: queued, posted, read on all rails of who read it, and failed where it failed."""
    conn = await connect("operator")
    scene = Scene(await connect("admin"))
    await start_router()
    await _people(scene)
    sent = message(ALICE, BOB, 1)
    await scene.publish("whatsapp", sent)
    await eventually(lambda: scene.expect(5))

    async def statuses(any_id: str) -> dict[str, str]:
        found = await trace(conn, any_id)
        assert found is not None
        return {leg["rail"]: leg["status"] for leg in found["legs"]}

    assert await statuses(sent.native_id) == {"whatsapp": "posted", "messenger": "queued", "instagram": "queued"}
    posted = LegResult(
        event=sent.id, status="posted", origin="whatsapp", native_ids=("m_1", "m_2"), at_ms=7, lost=("bold",)
    )
    failed = LegResult(event=sent.id, status="failed", origin="whatsapp", attempts=3, why="account gone")
    await scene.publish("messenger", Results(id=EventId("evt_r1"), results=(posted,)))
    await scene.publish("instagram", Results(id=EventId("evt_r2"), results=(failed,)))
    await eventually(lambda: scene.expect(7))
    assert await statuses("m_2") == {"whatsapp": "posted", "messenger": "posted", "instagram": "failed"}
    await scene.publish("messenger", receipt(BOB, ALICE, 1))
    await eventually(lambda: scene.expect(8))
    found = await trace(conn, sent.id)
    assert found is not None
    legs = {leg.pop("rail"): leg for leg in found["legs"]}
    assert (legs["whatsapp"]["why"], legs["whatsapp"]["native_ids"]) == ("written here", (sent.native_id,))
    assert (legs["messenger"]["status"], legs["messenger"]["lost"]) == ("read", ("bold",))
    assert (legs["instagram"]["status"], legs["instagram"]["why"], legs["instagram"]["attempts"]) == (
        "failed",
        "account gone",
        3,
    )
    assert (found["position"], found["from"], found["conversation"]) == (1, ALICE, between(ALICE, BOB))
    assert found["markers"] == [{"person": person_id(BOB), "delivered": 1, "read": 1}]
    assert found["routed_at_ms"] > 0
    assert await trace(conn, "nobody-knows-this") is None


async def test_the_story_of_a_refused_message(connect: Connect, start_router: StartRouter) -> None:
    """It failed where it was written, and the words say why."""
    scene = Scene(await connect("admin"))
    await start_router()
    await scene.register(ALICE)
    await eventually(lambda: scene.expect(1))
    sent = message(ALICE, BOB, 1)
    await scene.publish("whatsapp", sent)
    await eventually(lambda: scene.expect(2))
    found = await trace(scene.conn, sent.id)
    assert found is not None
    assert [(leg["rail"], leg["status"]) for leg in found["legs"]] == [("whatsapp", "failed")]
    assert found["legs"][0]["why"].startswith("Nobody on the federation has this address")


async def test_the_story_tells_what_was_done_to_the_message_later(connect: Connect, start_router: StartRouter) -> None:
    """Edits, reactions and unsends, in their order, with what became of them on each rail; a refused one says why."""
    scene = Scene(await connect("admin"))
    await start_router()
    await _people(scene)
    sent = message(ALICE, BOB, 1)
    await scene.publish("whatsapp", sent)
    said = (await eventually(lambda: scene.expect(5)))[-1]
    await scene.publish("whatsapp", edit(ALICE, said, "secret words"))
    await eventually(lambda: scene.expect(6))
    await scene.publish("messenger", reaction(BOB, said), edit(BOB, said, "not mine", event="evt_rogue"))
    await eventually(lambda: scene.expect(8))
    done = LegResult(event=EventId("evt_edit"), status="posted", origin="whatsapp", lost=("shown as a correction",))
    await scene.publish("instagram", Results(id=EventId("evt_r1"), results=(done,)))
    await eventually(lambda: scene.expect(9))
    found = await trace(scene.conn, sent.id)
    assert found is not None
    assert [(change["kind"], change["actor"], change["outcome"]) for change in found["changes"]] == [
        ("edit", ALICE, "routed"),
        ("reaction", BOB, "routed"),
        ("edit", BOB, "refused"),
    ]
    edited, reacted, refused = found["changes"]
    assert {leg["rail"]: leg["status"] for leg in edited["legs"]} == {
        "whatsapp": "posted",
        "messenger": "queued",
        "instagram": "posted",
    }
    assert [leg["lost"] for leg in edited["legs"]] == [(), (), ("shown as a correction",)]
    assert (reacted["emoji"], refused["why"], len(refused["legs"])) == ("\N{THUMBS UP SIGN}", "not_the_author", 1)
    assert "secret words" not in repr(found)
    assert await trace(scene.conn, "evt_edit") == found
