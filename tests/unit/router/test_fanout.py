"""Where events go: tables of who is where, and the legs that follow."""

import msgspec
import pytest

from router.core.fanout import Known, Packed, Plans, plan, reached
from schemas.capabilities import Capabilities, Level
from schemas.handles import Handle
from schemas.ids import RailName
from schemas.log import seat_of
from schemas.people import Account, Person, Preferences
from tests.unit.router.town import ALICE, ALICE_MS, ALICE_WA, BOB, BOB_IG, BOB_MS, CARLA, EVERYTHING, somebody

QUIET_BOB = msgspec.structs.replace(BOB, preferences=Preferences(receipts=False))


@pytest.mark.parametrize(
    ("source", "act", "actor", "other", "expected"),
    [
        ("whatsapp", "post", ALICE, BOB, {"messenger": "bob is here, alice's own copy", "instagram": "bob is here"}),
        ("messenger", "post", ALICE, BOB, {"instagram": "bob is here", "whatsapp": "alice's own copy"}),
        ("instagram", "post", BOB, ALICE, {"whatsapp": "alice is here", "messenger": "alice is here, bob's own copy"}),
        ("instagram", "post", CARLA, BOB, {"messenger": "bob is here"}),
        ("instagram", "read", BOB, ALICE, {"whatsapp": "alice is here", "messenger": "alice is here, bob has read it"}),
        ("instagram", "read", QUIET_BOB, ALICE, {"messenger": "bob has read it"}),
        ("instagram", "delivered", BOB, ALICE, {"whatsapp": "alice is here", "messenger": "alice is here"}),
        ("messenger", "delivered", BOB, CARLA, {"instagram": "carla is here"}),
        ("instagram", "block", BOB, CARLA, {"messenger": "bob blocks here too"}),
    ],
)
def test_legs(source: str, act: str, actor: Person, other: Person, expected: dict[str, str]) -> None:
    """One leg a rail on which somebody concerned is, never the origin, and why in words."""
    made = plan(source, act, actor, (actor, other), EVERYTHING)  # type: ignore[arg-type]  # a table of acts
    assert {rail: leg.why for rail, leg in made.legs.items()} == expected
    assert {leg.act for leg in made.legs.values()} == {act}


def test_who_gives_no_receipts_is_read_privately() -> None:
    """Their own rails agree on what is read, and nobody is shown it."""
    made = plan("instagram", "read", QUIET_BOB, (QUIET_BOB, ALICE), EVERYTHING)
    assert [(rail, leg.private) for rail, leg in made.legs.items()] == [("messenger", True)]


def test_who_keeps_what_others_take_back_is_told_only_and_the_writers_own_rails_are_not_kept_from_it() -> None:
    """On Bob's rails the message stays; on Alice's other one it goes. Of anything else nothing is kept."""
    keeper = msgspec.structs.replace(BOB, preferences=Preferences(keeps=True))
    alice = somebody("alice", ALICE_WA, Handle("telegraph:alice"))
    made = plan("whatsapp", "unsend", alice, (alice, keeper), EVERYTHING)
    assert {rail: leg.keep for rail, leg in made.legs.items()} == {
        "messenger": True,
        "instagram": True,
        "telegraph": False,
    }
    assert not any(leg.keep for leg in plan("instagram", "unsend", keeper, (alice, keeper), EVERYTHING).legs.values())
    assert not any(leg.keep for leg in plan("whatsapp", "edit", alice, (alice, keeper), EVERYTHING).legs.values())


def test_a_rail_that_cannot_show_delivery_is_not_told_of_it() -> None:
    """Capabilities decide about receipts; what is unknown of a rail forbids nothing."""
    blind = Capabilities(rail=RailName("messenger"), version=1, text_max=1, text_unit="bytes")
    made = plan("instagram", "delivered", BOB, (BOB, ALICE), {**EVERYTHING, RailName("messenger"): blind})
    assert set(made.legs) == {"whatsapp"}
    assert set(plan("instagram", "delivered", BOB, (BOB, ALICE), {}).legs) == {"whatsapp", "messenger"}


def test_a_rail_that_refuses_text_gets_no_post_and_the_accounts_there_are_named() -> None:
    """What is not reached is said, with the reason."""
    mute = Capabilities(rail=RailName("instagram"), version=1, text_max=1, text_unit="bytes", text=Level.REFUSED)
    made = plan("whatsapp", "post", ALICE, (ALICE, BOB), {RailName("instagram"): mute})
    assert set(made.legs) == {"messenger"}
    assert made.unreached == {BOB_IG: "instagram carries no text"}


def test_preferences_and_states_keep_accounts_from_being_reached() -> None:
    """Every account that gets nothing is named with its reason, and the seat does not offer it."""
    accounts = (
        Account(handle=BOB_MS, name="bob"),
        Account(handle=BOB_IG, name="bob", state="suspended"),
        Account(handle=ALICE_WA, name="bob", state="proposed"),
    )
    shy = Person(id=BOB.id, name="bob", accounts=accounts, preferences=Preferences(never=(RailName("messenger"),)))
    made = plan("whatsapp", "post", ALICE, (ALICE, shy), EVERYTHING)
    assert {rail: leg.why for rail, leg in made.legs.items()} == {"messenger": "alice's own copy"}
    assert made.unreached == {
        BOB_MS: "bob prefers not to be reached on messenger",
        BOB_IG: "the account is suspended",
    }
    assert seat_of(shy).handles == ()
    assert not reached("whatsapp", shy)


def test_the_first_of_two_accounts_on_a_rail_acts() -> None:
    """One leg a rail, so the second account there is named as not reached."""
    two = somebody("bob", BOB_MS, ALICE_MS)
    made = plan("whatsapp", "post", CARLA, (CARLA, two), EVERYTHING)
    assert made.unreached == {ALICE_MS: "another account of bob acts on messenger"}


def test_plans_forget_the_oldest_half_when_full() -> None:
    """The memory is bounded; what is forgotten is simply made again."""
    plans = Plans(capabilities={}, most=4)
    for number in range(5):
        plans.remember((str(number),), Known(persons=(ALICE,), stamp="", packed=Packed()))
    assert [plans.get((str(number),)) is not None for number in range(5)] == [False, False, True, True, True]
