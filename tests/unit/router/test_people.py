"""What people events do to persons, and who may ask for what."""

import msgspec
import pytest

from schemas.errors import Refusal
from schemas.events import AccountSeen, AnyEvent, Block, Link, Prefer, Unlink
from schemas.handles import Handle
from schemas.ids import OPERATOR, EventId, RailName, direct_conversation_id, person_id
from schemas.people import Person, Preferences, newcomer
from tests.unit.router.town import (
    A_AND_B,
    ALICE,
    ALICE_MS,
    ALICE_WA,
    BOB,
    BOB_IG,
    BOB_MS,
    CARLA,
    CARLA_IG,
    Town,
    acts,
    message,
    somebody,
)

E = EventId("evt_7")
NEW = Handle("whatsapp:+39333777")


def seen(handle: str, name: str = "carla", kind: str = "person") -> AccountSeen:
    """A rail tells of an account."""
    return msgspec.convert(
        {"kind": "account", "id": E, "actor": handle, "name": name, "account_kind": kind}, AccountSeen
    )


def test_an_account_is_seen_once() -> None:
    """A new account is a person of its own; seen again it tells nothing new."""
    town = Town()
    decision = town.route(seen(NEW), "whatsapp")
    assert (decision.outcome, decision.people) == ("people", (newcomer(NEW, "carla"),))
    assert town.route(seen(NEW), "whatsapp").outcome == "unchanged"


def test_a_new_name_is_taken_over() -> None:
    """The person is called so too, unless they are known by another account's name."""
    town = Town(somebody("bob", BOB_MS, BOB_IG))
    town.route(seen(BOB_IG, "robert"), "instagram")
    bob = town.whose(BOB_MS)
    assert (bob.name, [account.name for account in bob.accounts]) == ("robert", ["bob", "robert"])
    town.route(seen(BOB_MS, "bobby", "business"), "messenger")
    bob = town.whose(BOB_MS)
    assert (bob.name, [(a.name, a.kind) for a in bob.accounts]) == (
        "robert",
        [("bobby", "business"), ("robert", "person")],
    )


@pytest.mark.parametrize(
    ("event", "source", "why"),
    [
        (seen(BOB_IG), "messenger", Refusal.NOT_YOUR_RAIL),
        (seen(BOB_IG), OPERATOR, Refusal.NOT_YOUR_RAIL),
        (seen(BOB.id), "messenger", Refusal.NOT_YOUR_RAIL),
        (Block(id=E, actor=BOB_IG, blocked=ALICE.id, on=True), "messenger", Refusal.NOT_YOUR_RAIL),
        (Block(id=E, actor=BOB_IG, blocked=BOB.id, on=True), "instagram", Refusal.ONESELF),
        (Block(id=E, actor=BOB_IG, blocked="whatsapp:+1", on=True), "instagram", Refusal.UNKNOWN_ACCOUNT),
        (Link(id=E, handles=(BOB_IG, CARLA_IG)), "instagram", Refusal.ONLY_OPERATOR),
        (Link(id=E, handles=(BOB_IG, BOB_MS)), OPERATOR, Refusal.ALREADY_LINKED),
        (Link(id=E, handles=(BOB_IG, NEW)), OPERATOR, Refusal.UNKNOWN_ACCOUNT),
        (Unlink(id=E, handle=BOB_IG), "instagram", Refusal.ONLY_OPERATOR),
        (Unlink(id=E, handle=NEW), OPERATOR, Refusal.UNKNOWN_ACCOUNT),
        (Prefer(id=E, handle=BOB_IG, receipts=False), "instagram", Refusal.ONLY_OPERATOR),
        (Prefer(id=E, handle=NEW, receipts=False), OPERATOR, Refusal.UNKNOWN_ACCOUNT),
    ],
)
def test_refused_people_events_change_nobody(event: AnyEvent, source: str, why: Refusal) -> None:
    """Rails speak for their own accounts only, and links are the operator's."""
    decision = Town().route(event, source)
    assert (decision.outcome, decision.why, decision.people, acts(decision)) == ("refused", why, (), {})


def test_a_block_goes_to_the_blockers_other_rails() -> None:
    """And is lifted the same way; saying it twice tells nothing new."""
    town = Town()
    on = Block(id=E, actor=BOB_IG, blocked=ALICE.id, on=True)
    decision = town.route(on, "instagram")
    assert (decision.outcome, acts(decision), town.whose(BOB_MS).blocked) == (
        "people",
        {"messenger": "block"},
        (ALICE.id,),
    )
    assert town.route(on, "instagram").outcome == "unchanged"
    off = town.route(msgspec.structs.replace(on, on=False), "instagram")
    assert (off.outcome, town.whose(BOB_MS).blocked) == ("people", ())


def test_no_rail_and_no_link_leads_round_a_block() -> None:
    """Blocked as carla, she is blocked as whoever she turns out to be, and again when she is herself (T21)."""
    town = Town(somebody("alice", ALICE_WA), BOB, CARLA, somebody("carla", ALICE_MS))
    town.route(Block(id=E, actor=BOB_IG, blocked=CARLA_IG, on=True), "instagram")
    town.route(Link(id=E, handles=(ALICE_MS, CARLA_IG)), OPERATOR)
    both = town.whose(CARLA_IG)
    assert both.id == person_id(ALICE_MS)
    event = message(ALICE_MS, BOB_MS, direct_conversation_id(both.id, BOB.id))
    assert town.route(event, "messenger").why == Refusal.RECIPIENT_UNAVAILABLE
    town.route(Unlink(id=E, handle=CARLA_IG), OPERATOR)
    assert town.route(event, "messenger").outcome == "routed"
    as_carla = message(CARLA_IG, BOB_IG, direct_conversation_id(CARLA.id, BOB.id))
    assert town.route(as_carla, "instagram").why == Refusal.RECIPIENT_UNAVAILABLE


def test_a_link_unites() -> None:
    """The first one's person remains, accounts keep their order, blocks and privacy are united, the other points on."""
    alice = msgspec.structs.replace(ALICE, blocked=(CARLA.id,), preferences=Preferences(never=(RailName("x"),)))
    bob = msgspec.structs.replace(BOB, blocked=(ALICE.id,), preferences=Preferences(receipts=False))
    town = Town(alice, bob, CARLA)
    decision = town.route(Link(id=E, handles=(ALICE_MS, BOB_IG)), OPERATOR)
    together, gone = decision.people
    assert together.handles() == (ALICE_WA, ALICE_MS, BOB_MS, BOB_IG)
    assert (together.id, together.name, together.blocked) == (ALICE.id, "alice", (CARLA.id,))
    assert together.preferences == Preferences(receipts=False, never=(RailName("x"),))
    assert gone == Person(id=BOB.id, name="", merged_into=ALICE.id)
    assert town.person(BOB.id) == together


def test_an_unlinked_account_is_who_it_was() -> None:
    """And when that id is taken, by the one who remains or by history, it is somebody new."""
    town = Town(somebody("alice", ALICE_WA), somebody("bob", BOB_MS), CARLA)
    town.route(Link(id=E, handles=(ALICE_WA, BOB_MS)), OPERATOR)
    town.route(Unlink(id=EventId("evt_8"), handle=BOB_MS), OPERATOR)
    assert town.whose(BOB_MS).id == person_id(BOB_MS)
    assert town.whose(ALICE_WA).handles() == (ALICE_WA,)
    town.route(Link(id=E, handles=(ALICE_WA, BOB_MS)), OPERATOR)
    town.route(Unlink(id=EventId("evt_9"), handle=ALICE_WA), OPERATOR)
    assert town.whose(ALICE_WA).id == person_id(ALICE_WA, "evt_9")
    assert town.whose(BOB_MS).id == person_id(ALICE_WA)


def test_a_person_of_one_account_has_nothing_to_unlink() -> None:
    """They are a person of their own already."""
    assert Town().route(Unlink(id=E, handle=CARLA_IG), OPERATOR).outcome == "unchanged"


def test_being_there_is_shown_only_on_ones_own_wish() -> None:
    """Nobody is by default; of linked persons the more private wish holds; hidden rails and times count."""
    assert not Preferences().shows_presence("x", now_ms=1)
    one, other = Preferences(presence=True, offline_on=(RailName("x"),)), Preferences(presence=True, offline_until_ms=9)
    seen_by_all = msgspec.structs.replace(ALICE, preferences=one), msgspec.structs.replace(BOB, preferences=other)
    town = Town(*seen_by_all)
    town.route(Link(id=E, handles=(ALICE_WA, BOB_MS)), OPERATOR)
    wishes = town.whose(BOB_MS).preferences
    assert [wishes.shows_presence("y", now_ms=at_ms) for at_ms in (8, 9)] == [False, True]
    assert not wishes.shows_presence("x", now_ms=9)
    town = Town(seen_by_all[0], BOB)
    town.route(Link(id=E, handles=(ALICE_WA, BOB_MS)), OPERATOR)
    assert not town.whose(ALICE_WA).preferences.presence


def test_preferences_change_only_what_is_named() -> None:
    """Absent members stay, and asking for what is so already tells nothing new."""
    town = Town()
    town.route(Prefer(id=E, handle=BOB_IG, receipts=False), OPERATOR)
    town.route(Prefer(id=E, handle=BOB_MS, never=("messenger",)), OPERATOR)
    assert town.whose(BOB_MS).preferences == Preferences(receipts=False, never=(RailName("messenger"),))
    assert town.route(Prefer(id=E, handle=BOB_MS), OPERATOR).outcome == "unchanged"
    assert "messenger" in acts(town.route(message(conversation=A_AND_B), "whatsapp"))  # alice's own copy
