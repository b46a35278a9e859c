"""The decision, case by case: what is routed, what is refused, and who is told."""

import msgspec
import pytest

from router.core.decision import entry, parked
from router.core.fanout import Plans
from router.core.people import Amended
from router.core.policy import belongs
from schemas.codec import decode_seats, encode
from schemas.errors import Refusal
from schemas.events import AnyEvent, Block, LegResult, Link, Message, Results, Unlink
from schemas.ids import OPERATOR, EventId, direct_conversation_id, partition_of, person_id
from schemas.markers import Marker
from schemas.people import Account
from tests.unit.router.town import (
    A_AND_B,
    A_AND_C,
    ALICE,
    ALICE_MS,
    ALICE_WA,
    BOB,
    BOB_IG,
    BOB_MS,
    CARLA,
    CARLA_IG,
    Nobody,
    Town,
    acts,
    legs,
    message,
    receipt,
)


def test_messages_take_positions_and_go_wherever_somebody_is() -> None:
    """1, 2, 3, the same for everybody, whichever rail they were written on."""
    town = Town()
    first = town.route(message(), "whatsapp")
    second = town.route(message(actor=BOB_MS, to=ALICE_MS, event="evt_2"), "messenger")
    assert (first.outcome, first.position, acts(first)) == ("routed", 1, {"messenger": "post", "instagram": "post"})
    assert (second.outcome, second.position, acts(second)) == ("routed", 2, {"whatsapp": "post", "instagram": "post"})
    assert [seat.person for seat in decode_seats(first.packed.seats)] == [ALICE.id, BOB.id]
    assert decode_seats(first.packed.seats)[1].handles == (BOB_MS, BOB_IG)


@pytest.mark.parametrize(
    ("event", "source", "why"),
    [
        (message(), "instagram", Refusal.NOT_YOUR_RAIL),
        (message(actor=ALICE.id), "whatsapp", Refusal.NOT_YOUR_RAIL),
        (message(actor=""), "whatsapp", Refusal.NOT_YOUR_RAIL),
        (message(to=person_id("messenger:nobody")), "whatsapp", Refusal.UNKNOWN_RECIPIENT),
        (message(to="instagram:@nobody"), "whatsapp", Refusal.UNKNOWN_RECIPIENT),
        (message(to=""), "whatsapp", Refusal.UNKNOWN_RECIPIENT),
        (msgspec.structs.replace(message(), to=()), "whatsapp", Refusal.UNKNOWN_RECIPIENT),
        (message(to=ALICE.id, conversation=direct_conversation_id(ALICE.id, ALICE.id)), "whatsapp", Refusal.ONESELF),
        (message(conversation=A_AND_C), "whatsapp", Refusal.WRONG_CONVERSATION),
        (message(conversation=""), "whatsapp", Refusal.WRONG_CONVERSATION),
    ],
)
def test_refused_messages_are_told_to_their_rail_and_nobody_else(event: Message, source: str, why: Refusal) -> None:
    """A refusal is a decision: no position, one leg to where it came from."""
    town = Town()
    decision = town.route(event, source)
    assert (decision.outcome, decision.why, decision.position) == ("refused", why, 0)
    assert {rail: (leg.act, leg.why) for rail, leg in legs(decision).items()} == {source: ("fail", why)}
    assert town.conversations == {}


def test_a_stranger_on_the_rail_itself_needs_no_introduction() -> None:
    """An address nobody has heard of, on the rail that names it, is the person that a registration would make."""
    town = Town()
    stranger = "whatsapp:+39333999"
    event = message(to=stranger, conversation=direct_conversation_id(ALICE.id, person_id(stranger)))
    assert town.route(event, "whatsapp").outcome == "routed"
    back = message(actor=stranger, to=ALICE_WA, conversation=event.conversation, event="evt_2")
    decision = town.route(back, "whatsapp")
    assert (decision.position, acts(decision)) == (2, {"messenger": "post"})


def test_a_suspended_account_does_not_act() -> None:
    """Only a verified account sends and reads."""
    suspended = msgspec.structs.replace(ALICE, accounts=(Account(handle=ALICE_WA, name="a", state="suspended"),))
    town = Town(suspended, BOB)
    assert town.route(message(), "whatsapp").why == Refusal.UNKNOWN_ACCOUNT


@pytest.mark.parametrize(("blocker", "blocked"), [(ALICE, BOB), (BOB, ALICE)])
def test_a_block_keeps_them_apart_on_every_rail(blocker: object, blocked: object) -> None:
    """The block is of persons: no rail leads round it, and the answer does not say who blocks whom."""
    one, other = msgspec.convert(blocker, type(ALICE)), msgspec.convert(blocked, type(ALICE))
    town = Town(msgspec.structs.replace(one, blocked=(other.id,)), other)
    for actor, to, source in (
        (ALICE_WA, BOB.id, "whatsapp"),
        (ALICE_MS, BOB_MS, "messenger"),
        (BOB_IG, ALICE.id, "instagram"),
    ):
        decision = town.route(message(actor=actor, to=to), source)
        assert (decision.why, acts(decision)) == (Refusal.RECIPIENT_UNAVAILABLE, {source: "fail"})


def test_receipts_move_markers_and_only_forward() -> None:
    """Read implies delivered; what tells nothing new has no legs; positions are clamped to what was said."""
    town = Town()
    for number in range(3):
        town.route(message(event=f"evt_{number}"), "whatsapp")
    read = town.route(receipt(position=99), "instagram")
    assert (read.outcome, read.position, acts(read)) == ("routed", 3, {"whatsapp": "read", "messenger": "read"})
    assert town.conversations[A_AND_B].markers == {BOB.id: Marker(delivered=3, read=3)}
    late = town.route(receipt(position=2, status="delivered", actor=BOB_MS), "messenger")
    assert (late.outcome, late.position, acts(late), late.state) == ("unchanged", 2, {}, None)
    assert town.route(receipt(position=-(2**60)), "instagram").outcome == "unchanged"


@pytest.mark.parametrize(
    ("actor", "source", "why"),
    [
        (CARLA_IG, "instagram", Refusal.NOT_A_MEMBER),
        (BOB_MS, "instagram", Refusal.NOT_YOUR_RAIL),
        ("instagram:@nobody", "instagram", Refusal.NOT_A_MEMBER),
    ],
)
def test_only_members_give_receipts(actor: str, source: str, why: Refusal) -> None:
    """And nobody is told of a refused receipt: no message failed."""
    town = Town()
    town.route(message(), "whatsapp")
    decision = town.route(receipt(actor=actor), source)
    assert (decision.outcome, decision.why, acts(decision)) == ("refused", why, {})


def test_a_receipt_before_anything_was_said_is_refused() -> None:
    """There is no conversation to be in yet."""
    assert Town().route(receipt(), "instagram").why == Refusal.UNKNOWN_CONVERSATION


def test_readers_who_are_apart_are_shown_nothing_of_each_other() -> None:
    """After a block the reader's own rails still agree on what is read."""
    town = Town()
    town.route(message(), "whatsapp")
    town.route(Block(id=EventId("evt_b"), actor=ALICE_WA, blocked=BOB.id, on=True), "whatsapp")
    assert acts(town.route(receipt(), "instagram")) == {"messenger": "read"}


def test_a_changed_person_changes_the_plan() -> None:
    """A remembered plan is for the persons as they were."""
    town = Town()
    town.route(message(), "whatsapp")
    town.route(Link(id=EventId("evt_l"), handles=(BOB_MS, CARLA_IG)), OPERATOR)
    seats = decode_seats(town.route(message(event="evt_2"), "whatsapp").packed.seats)
    assert seats[1].handles == (BOB_MS, BOB_IG, CARLA_IG)


def test_an_older_conversation_goes_on_after_a_link() -> None:
    """The event may name persons who have since been linked, begun or not; the new id is good as well."""
    for begun in (True, False):
        town = Town()
        if begun:
            town.route(message(to=CARLA.id, conversation=A_AND_C), "whatsapp")
        town.route(Link(id=EventId("evt_l"), handles=(BOB_MS, CARLA_IG)), OPERATOR)
        older = town.route(message(actor=CARLA_IG, to=ALICE.id, conversation=A_AND_C, event="evt_2"), "instagram")
        assert (older.outcome, older.position, older.actor) == ("routed", 2 if begun else 1, BOB.id)
        assert acts(town.route(receipt(actor=BOB_MS, conversation=A_AND_C), "messenger"))["whatsapp"] == "read"
        newer = town.route(message(actor=CARLA_IG, to=ALICE.id, event="evt_3"), "instagram")
        assert (newer.outcome, newer.position) == ("routed", 1)


def test_two_who_turn_out_to_be_one_have_nothing_to_say_to_each_other() -> None:
    """Their old conversation refuses messages and does not trip over receipts."""
    town = Town()
    town.route(message(), "whatsapp")
    town.route(Link(id=EventId("evt_l"), handles=(ALICE_WA, BOB_MS)), OPERATOR)
    assert town.route(message(event="evt_2"), "whatsapp").why == Refusal.ONESELF
    assert town.route(receipt(), "instagram").outcome == "routed"


def test_failed_results_are_told_to_where_the_events_came_from() -> None:
    """Results decide nothing; several origins may be told at once."""

    def result(status: str, origin: str) -> LegResult:
        return msgspec.convert({"event": "evt_1", "status": status, "origin": origin, "why": "gone"}, LegResult)

    outcomes = (
        result("failed", "whatsapp"),
        result("failed", "messenger"),
        result("posted", "x"),
        result("failed", ""),
    )
    decision = Town().route(Results(id=EventId("evt_r"), results=outcomes), "instagram")
    assert (decision.outcome, acts(decision)) == ("noted", {"whatsapp": "fail", "messenger": "fail"})
    assert legs(decision)["whatsapp"].why == "gone"


@pytest.mark.parametrize(
    ("event", "partition", "belonging"),
    [
        (message(), partition_of(A_AND_B, 16), True),
        (message(), partition_of(A_AND_B, 16) + 1, False),
        (receipt(), partition_of(A_AND_B, 16) + 1, False),
        (Unlink(id=EventId("evt_u"), handle=BOB_MS), 0, True),
        (Unlink(id=EventId("evt_u"), handle=BOB_MS), 1, False),
        (Results(id=EventId("evt_r"), results=()), 7, True),
    ],
)
def test_an_event_belongs_to_the_partition_that_orders_it(event: AnyEvent, partition: int, belonging: object) -> None:
    """Elsewhere it would make a second order."""
    assert belongs(event, partition, 16) is belonging


def test_an_entry_keeps_the_event_byte_for_byte() -> None:
    """And says what the decision says."""
    town, event = Town(), message()
    raw = encode(event)
    written = entry(town.route(event, "whatsapp"), event, source="whatsapp", raw=raw)
    assert bytes(written.event) == raw
    assert (written.kind, written.outcome, written.position, written.actor) == ("message", "routed", 1, ALICE.id)
    poison = parked(EventId("evt_p"), source="whatsapp")
    assert (poison.outcome, poison.kind, bytes(poison.event)) == ("parked", "unknown", b"\xc0")


def test_an_empty_world_knows_nobody() -> None:
    """Lookups over nothing answer None, and amended ones what was amended."""
    world = Amended(Nobody())
    assert (world.person(ALICE.id), world.whose(ALICE_WA)) == (None, None)
    world.amend([ALICE])
    assert (world.person(ALICE.id), world.whose(ALICE_MS)) == (ALICE, ALICE)
    assert Plans(capabilities={}).get(("nothing",)) is None
