"""Edits, unsends, reactions and votes: who may, and where they go."""

import msgspec
import pytest

from schemas.codec import decode_seats
from schemas.errors import Refusal
from schemas.events import Block, Link, TargetEvent, Unlink
from schemas.ids import OPERATOR, EventId, direct_conversation_id, person_id
from schemas.people import Account, Preferences
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
    Town,
    about,
    acts,
    legs,
    message,
    receipt,
)

KINDS = ("edit", "unsend", "reaction", "vote")
ACTS = {"edit": "edit", "unsend": "unsend", "reaction": "react", "vote": "vote"}


def town_where_alice_spoke(*people: object) -> Town:
    """Alice has written to bob (the first thing said), bob to alice (the second)."""
    town = Town(*(msgspec.convert(one, type(ALICE)) for one in people))
    town.route(message(), "whatsapp")
    town.route(message(actor=BOB_MS, to=ALICE_MS, event="evt_2"), "messenger")
    return town


@pytest.mark.parametrize("kind", KINDS)
def test_they_go_wherever_somebody_is_and_keep_the_messages_position(kind: str) -> None:
    """From another rail than the message's, too; no position is taken, no marker moves."""
    town = town_where_alice_spoke()
    before = dict(town.conversations)
    decision = town.route(about(kind, ALICE_MS), "messenger")
    act = ACTS[kind]
    assert (decision.outcome, decision.position, decision.actor) == ("routed", 1, ALICE.id)
    assert acts(decision) == {"whatsapp": act, "instagram": act}
    assert [seat.person for seat in decode_seats(decision.packed.seats)] == [ALICE.id, BOB.id]
    assert (decision.state, town.conversations, decision.packed.unreached) == (None, before, {})
    assert town.route(message(event="evt_3"), "whatsapp").position == 3


@pytest.mark.parametrize(
    ("kind", "outcome"), [("edit", "refused"), ("unsend", "refused"), ("reaction", "routed"), ("vote", "routed")]
)
def test_only_the_author_edits_and_takes_back(kind: str, outcome: str) -> None:
    """Anybody in the conversation reacts and votes; nobody else's screen hears of a refusal."""
    town = town_where_alice_spoke()
    decision = town.route(about(kind, BOB_IG), "instagram")
    assert decision.outcome == outcome
    if outcome == "refused":
        assert (decision.why, acts(decision)) == (Refusal.NOT_THE_AUTHOR, {})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "source", "why"),
    [
        ({}, "instagram", Refusal.NOT_YOUR_RAIL),
        ({"actor": ALICE.id}, "whatsapp", Refusal.NOT_YOUR_RAIL),
        ({"actor": CARLA_IG}, "instagram", Refusal.NOT_A_MEMBER),
        ({"actor": "whatsapp:+39333999"}, "whatsapp", Refusal.NOT_A_MEMBER),
        ({"conversation": A_AND_C}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"conversation": ""}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"target": "evt_2"}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"rank": 2 << 12}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"rank": 1 << 12 | 1}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"rank": -1}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"target": "evt_9", "rank": 3 << 12}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"target": "evt_4", "rank": 4 << 12}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
        ({"target": "evt_5", "rank": 5 << 12}, "whatsapp", Refusal.UNKNOWN_MESSAGE),
    ],
)
def test_refusals(kind: str, changes: dict[str, object], source: str, why: Refusal) -> None:
    """The message is named by id and rank, stands in this conversation, was routed, and is a message."""
    town = town_where_alice_spoke()
    town.route(receipt(), "instagram")  # evt_9, the third
    town.route(message(actor=ALICE_WA, to=ALICE.id, event="evt_4"), "whatsapp")  # refused: oneself
    town.route(message(actor=ALICE_WA, to=CARLA.id, conversation=A_AND_C, event="evt_5"), "whatsapp")
    event = msgspec.structs.replace(about(kind), **changes)
    decision = town.route(event, source)
    assert (decision.outcome, decision.why, acts(decision), decision.state) == ("refused", why, {}, None)


def test_an_event_about_an_event_is_refused() -> None:
    """Reactions to edits, and edits of edits, are reactions to messages and edits of messages."""
    town = town_where_alice_spoke()
    assert town.route(about("edit", event="evt_3"), "whatsapp").outcome == "routed"
    again = about("edit", target="evt_3", number=3, event="evt_4")
    assert town.route(again, "whatsapp").why == Refusal.UNKNOWN_MESSAGE


@pytest.mark.parametrize(("blocker", "blocked"), [(ALICE_WA, BOB.id), (BOB_IG, ALICE.id)])
def test_what_a_block_keeps_apart(blocker: str, blocked: str) -> None:
    """Nothing new is shown, by a reaction or by new words; but what was said may still be taken back, everywhere."""
    town = town_where_alice_spoke()
    rail = blocker.partition(":")[0]
    block = msgspec.convert({"kind": "block", "id": "evt_b", "actor": blocker, "blocked": blocked, "on": True}, Block)
    town.route(block, rail)
    for event in (
        about("reaction", number=2, target="evt_2"),
        about("reaction"),
        about("edit"),
        about("vote", number=2, target="evt_2"),
    ):
        decision = town.route(event, "whatsapp")
        assert (decision.why, acts(decision)) == (Refusal.RECIPIENT_UNAVAILABLE, {})
    assert acts(town.route(about("unsend"), "whatsapp")) == {"messenger": "unsend", "instagram": "unsend"}


def test_the_author_is_who_they_are_today() -> None:
    """Somebody merged into another counts as that one, before and after; and no longer once they are apart again."""
    town = Town()
    town.route(message(actor=CARLA_IG, to=ALICE.id, conversation=A_AND_C), "instagram")
    town.route(Link(id=EventId("evt_l"), handles=(BOB_MS, CARLA_IG)), OPERATOR)
    as_bob = about("edit", BOB_MS, conversation=A_AND_C)
    decision = town.route(as_bob, "messenger")
    assert (decision.outcome, decision.actor) == ("routed", BOB.id)
    assert town.route(about("edit", conversation=A_AND_C), "whatsapp").why == Refusal.NOT_THE_AUTHOR
    town.route(Unlink(id=EventId("evt_u"), handle=CARLA_IG), OPERATOR)
    assert town.route(as_bob, "messenger").outcome == "refused"
    assert town.route(about("edit", CARLA_IG, conversation=A_AND_C), "instagram").outcome == "routed"


def test_a_stranger_edits_what_they_wrote() -> None:
    """Nobody has introduced them; their id is enough."""
    town = Town()
    stranger = "whatsapp:+39333999"
    town.route(message(), "whatsapp")
    conversation = town.route(
        message(to=stranger, conversation=_between_alice_and(stranger), event="evt_2"), "whatsapp"
    ).conversation
    town.route(message(actor=stranger, to=ALICE_WA, conversation=conversation, event="evt_3"), "whatsapp")
    edit = about("edit", stranger, target="evt_3", number=3, conversation=conversation)
    assert acts(town.route(edit, "whatsapp")) == {"messenger": "edit"}
    reaction = about("reaction", stranger, target="evt_2", number=2, conversation=conversation)
    assert acts(town.route(reaction, "whatsapp")) == {"messenger": "react"}


def _between_alice_and(handle: str) -> str:
    return direct_conversation_id(ALICE.id, person_id(handle))


def test_preferences_and_suspensions_hold_for_them_as_well() -> None:
    """A rail on which nobody wants to be reached has no leg; a suspended account does nothing."""
    shy = msgspec.structs.replace(BOB, preferences=Preferences(never=("instagram",)))  # type: ignore[arg-type]
    town = town_where_alice_spoke(ALICE, shy)
    assert acts(town.route(about("reaction"), "whatsapp")) == {"messenger": "react"}
    accounts = (Account(handle=ALICE_WA, name="a", state="suspended"), ALICE.accounts[1])
    town.people.amend([msgspec.structs.replace(ALICE, accounts=accounts)])
    assert town.route(about("reaction"), "whatsapp").why == Refusal.NOT_A_MEMBER


def test_remembered_plans_are_kept_apart_by_act_and_follow_the_people() -> None:
    """The same two on the same rail: an edit is no reaction; and a link opens another rail."""
    town = town_where_alice_spoke(ALICE, BOB, CARLA)
    for kind in (*KINDS, *KINDS):
        assert set(acts(town.route(about(kind), "whatsapp")).values()) == {ACTS[kind]}
    bob = msgspec.structs.replace(BOB, accounts=BOB.accounts[:1])
    town.people.amend([bob])
    assert set(legs(town.route(about("edit"), "whatsapp"))) == {"messenger"}


def test_a_message_between_two_who_are_one_by_now() -> None:
    """There is nobody else; their own rails agree all the same."""
    town = town_where_alice_spoke()
    town.route(Link(id=EventId("evt_l"), handles=(ALICE_WA, BOB_MS)), OPERATOR)
    event: TargetEvent = about("edit")
    assert acts(town.route(event, "whatsapp")) == {"messenger": "edit", "instagram": "edit"}
    assert event.conversation == A_AND_B
