"""What the ledger answers: the same as the log itself, by any name, to whoever may ask."""

import msgspec
import pytest

from bus.connection import NoAnswer
from bus.service import CannotAnswer, NobodyAnswers
from bus.subjects import OPERATOR
from router.ledger.service import Asking
from router.trace import trace
from schemas.events import AnyEvent, LegResult, Link, Prefer, Results
from schemas.ids import EventId, person_id
from tests.integration.conftest import Connect
from tests.integration.ledger.conftest import StartLedger
from tests.integration.router.conftest import StartRouter
from tests.integration.router.scene import ALICE, BOB, CARLA, Scene, message, receipt
from tests.must import eventually


async def _story(scene: Scene) -> AnyEvent:
    """Alice writes to bob, who is on messenger and (never reached) on instagram; it is posted, then read."""
    await scene.register(ALICE, BOB, CARLA)
    await eventually(lambda: scene.expect(3))
    await scene.publish(OPERATOR, Link(id=EventId("evt_link"), handles=(BOB, CARLA)))
    await eventually(lambda: scene.expect(4))
    await scene.publish(OPERATOR, Prefer(id=EventId("evt_p"), handle=BOB, never=("instagram",)))
    await eventually(lambda: scene.expect(5))

    async def known() -> None:
        sent = message(ALICE, BOB, 1)
        await scene.publish("whatsapp", sent)
        assert len(await scene.entries()) >= 6

    await eventually(known)
    sent = message(ALICE, BOB, 1)
    result = LegResult(
        event=sent.id, status="posted", origin="whatsapp", native_ids=("m_1",), attempts=2, at_ms=5000, lost=("bold",)
    )
    await scene.publish("messenger", Results(id=EventId("evt_r"), results=(result,)))
    await scene.publish("messenger", receipt(BOB, ALICE, 1))
    await eventually(lambda: scene.expect(8))
    return sent


async def test_the_ledger_tells_what_the_log_tells(
    connect: Connect, start_router: StartRouter, start_ledger: StartLedger
) -> None:
    """Every name of a message leads to one story, and it is the one that the log itself tells."""
    conn = await connect("operator")
    scene = Scene(await connect("admin"))
    await start_router()
    await start_ledger()
    sent = await _story(scene)
    asking = Asking(conn)
    expected = msgspec.json.decode(msgspec.json.encode(await trace(conn, sent.id)))
    for name in (sent.id, sent.native_id, "m_1"):
        assert await asking("trace", id=name) == {"found": expected, "behind": 0}
    legs = {leg["rail"]: leg for leg in expected["legs"]}
    messenger = legs["messenger"]
    assert (messenger["status"], messenger["attempts"], messenger["lost"]) == ("read", 2, ["bold"])
    assert (await asking("trace", id="nobody-knows-this"))["found"] is None


async def test_why_somebody_did_or_did_not_get_it(
    connect: Connect, start_router: StartRouter, start_ledger: StartLedger
) -> None:
    """One plain answer for the writer, who got it, who was left out and who was never there."""
    scene = Scene(await connect("admin"))
    await start_router()
    await start_ledger()
    sent = await _story(scene)
    asking = Asking(await connect("console"))
    stranger = "whatsapp:+39331999999"
    found = {
        handle: (await asking("why", id=sent.id, handle=handle))["found"] for handle in (ALICE, BOB, CARLA, stranger)
    }
    assert {handle: one["got"] for handle, one in found.items()} == {
        ALICE: True,
        BOB: True,
        CARLA: False,
        stranger: False,
    }
    assert found[BOB]["answer"] == "Yes: it was read, without: bold."
    assert found[CARLA]["answer"] == (
        "No: bob prefers not to be reached on instagram. The same person has it on messenger (read)."
    )
    assert found[CARLA]["person"] == person_id(BOB)
    assert "was not in the conversation" in found[stranger]["answer"]
    steps = [step["what"] for step in found[BOB]["decisions"]]
    assert "messenger: posted at attempt 2, without bold" in steps
    assert steps[-1] == "a receipt says: read"


async def test_what_was_lost_and_what_was_said(
    connect: Connect, start_router: StartRouter, start_ledger: StartLedger
) -> None:
    """The bold words and the account left out; and the message by its words."""
    scene = Scene(await connect("admin"))
    await start_router()
    await start_ledger()
    sent = await _story(scene)
    asking = Asking(await connect("operator"))
    losses = (await asking("loss"))["found"]
    assert [(one["rail"], one["what"], one["recipients"]) for one in losses] == [
        ("messenger", "lost", [BOB]),
        ("instagram", "left out", [CARLA]),
    ]
    assert {one["message_id"] for one in losses} == {sent.id}
    assert [one["what"] for one in (await asking("loss", of=BOB))["found"]] == ["lost"]
    assert [one["what"] for one in (await asking("loss", of=CARLA))["found"]] == ["left out"]
    assert (await asking("loss", of=ALICE))["found"] == []
    assert [one["message_id"] for one in (await asking("search", words="1"))["found"]] == [sent.id]
    assert (await asking("search", words='nothing"* OR'))["found"] == []
    with pytest.raises(CannotAnswer, match="id: expected text"):
        await asking("trace", id=7)


async def test_only_who_may_ask_is_answered_and_the_service_is_found(
    connect: Connect, start_ledger: StartLedger
) -> None:
    """A bridge may not ask; NATS's own tools find the service; without a ledger the asker is told at once."""
    operator, bridge = await connect("operator"), await connect("bridge-whatsapp")
    with pytest.raises(NobodyAnswers):
        await Asking(operator)("status")
    await start_ledger()
    assert (await Asking(operator)("status"))["pending"] == 0
    info = msgspec.json.decode((await operator.request("$SRV.INFO.ledger")).body)
    assert {one["subject"] for one in info["endpoints"]} >= {"ask.ledger.trace", "ask.ledger.why"}
    with pytest.raises(NoAnswer):
        await bridge.request("ask.ledger.status", wait_s=0.5)
    ledger = await connect("ledger")
    with pytest.raises(NoAnswer):  # it answers; it asks nobody, not even its own kind
        await ledger.request("ask.ledger.status", wait_s=0.5)
