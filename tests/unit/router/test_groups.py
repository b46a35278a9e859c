"""Groups in the core: who may do what, where it goes, and that the log's fold agrees."""

import msgspec
import pytest

from router.core.conversation import apply
from router.core.decision import Decision, entry
from router.core.fanout import NOWHERE, Known
from router.core.route import remembered
from schemas.codec import decode_seats, encode
from schemas.content import Text
from schemas.errors import Refusal
from schemas.events import AnyEvent, Block, GroupChanged, GroupFounded, Link, Membership, Message
from schemas.groups import Group, group_id
from schemas.ids import OPERATOR, EventId
from tests.unit.router.town import (
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
    receipt,
)

GROUP = group_id("whatsapp", "120363~1")
FOUNDED = GroupFounded(
    id=EventId("evt_f"), conversation=GROUP, actor=ALICE_WA, at_ms=1, name="Harbour", members=(BOB.id, CARLA_IG)
)


def membership(change: str, *who: str, actor: str = ALICE_WA, seen: int = 1, event: str = "evt_m") -> Membership:
    """Alice does it from WhatsApp, unless told otherwise."""
    return Membership(  # the change is any of the literal's
        id=EventId(event),
        conversation=GROUP,
        actor=actor,
        change=change,  # type: ignore[arg-type]
        who=who,
        seen=seen,
    )


def said(actor: str, event: str = "evt_s", at_ms: int = 2) -> Message:
    """Somebody writes to the group."""
    return Message(
        id=EventId(event), conversation=GROUP, actor=actor, at_ms=at_ms, to=(), content=Text(body="Who comes?")
    )


def group_of(town: Town) -> Group:
    """As the router knows it."""
    group = town.conversations[GROUP].group
    assert group is not None
    return group


@pytest.fixture
def town() -> Town:
    """Alice has made a group of three on WhatsApp."""
    town = Town()
    town.route(FOUNDED, "whatsapp")
    return town


def test_a_group_is_made_on_every_rail_where_a_member_is() -> None:
    """One leg a rail, with everybody's seat, the founder's first."""
    decision = Town().route(FOUNDED, "whatsapp")
    assert (decision.outcome, acts(decision)) == ("routed", {"messenger": "group", "instagram": "group"})
    assert [seat.person for seat in decode_seats(decision.packed.seats)] == [ALICE.id, BOB.id, CARLA.id]


def test_a_message_goes_to_every_rail_of_the_group_with_the_speaker_alone(town: Town) -> None:
    """However many are in it; its position is the group's next."""
    decision = town.route(said(BOB_IG), "instagram")
    assert (decision.outcome, decision.position) == ("routed", 1)
    assert acts(decision) == {"whatsapp": "post", "messenger": "post"}
    assert [seat.person for seat in decode_seats(decision.packed.seats)] == [BOB.id]
    assert town.route(said(ALICE_MS, event="evt_t"), "messenger").position == 2


def test_reads_are_shown_to_the_group(town: Town) -> None:
    """Delivered is not: it would be said a thousand times."""
    town.route(said(ALICE_WA), "whatsapp")
    read = town.route(receipt(actor=BOB_IG, conversation=GROUP), "instagram")
    assert acts(read) == {"whatsapp": "read", "messenger": "read"}
    delivered = town.route(receipt(actor=CARLA_IG, conversation=GROUP, status="delivered"), "instagram")
    assert (delivered.outcome, acts(delivered)) == ("routed", {})


def test_who_leaves_gets_nothing_after_and_says_nothing(town: Town) -> None:
    """Instagram loses the last of its members but bob, who is still there."""
    town.route(membership("leave", actor=CARLA_IG), "instagram")
    assert group_of(town).members == (ALICE.id, BOB.id)
    assert town.route(said(CARLA_IG), "instagram").why == Refusal.NOT_A_MEMBER
    town.route(membership("remove", BOB.id, event="evt_n"), "whatsapp")
    assert acts(town.route(said(ALICE_WA, event="evt_u"), "whatsapp")) == {"messenger": "post"}


@pytest.mark.thread("mautrix/meta#65", "mautrix/whatsapp#389")
def test_mautrix_meta_65_mautrix_whatsapp_389_a_removal_wins_over_a_late_add(town: Town) -> None:
    """mautrix/meta#65: an older invitation does not bring back who has left; one that knows of it does."""
    town.route(membership("remove", CARLA_IG), "whatsapp")
    late = town.route(membership("add", CARLA_IG, actor=BOB_MS, seen=1, event="evt_n"), "messenger")
    assert (late.why, acts(late)) == (Refusal.TAKEN_OUT_SINCE, {"messenger": "group"})
    knowing = town.route(membership("add", CARLA_IG, actor=BOB_MS, seen=2, event="evt_o"), "messenger")
    assert knowing.outcome == "routed"
    assert CARLA.id in group_of(town).members


@pytest.mark.parametrize(
    ("event", "source", "why"),
    [
        (membership("remove", ALICE.id, actor=BOB_MS), "messenger", Refusal.NOT_ALLOWED),
        (membership("admin", BOB.id, actor=CARLA_IG), "instagram", Refusal.NOT_ALLOWED),
        (membership("add", "messenger:nobody", actor=BOB_IG), "instagram", Refusal.UNKNOWN_RECIPIENT),
        (membership("leave", actor=BOB_IG), "messenger", Refusal.NOT_YOUR_RAIL),
        (GroupChanged(id=EventId("evt_c"), conversation=GROUP, actor=BOB_IG, name="Sea"), "instagram", "not_allowed"),
    ],
)
def test_who_may_not_is_refused_and_the_origin_rail_undoes_it(
    town: Town, event: AnyEvent, source: str, why: str
) -> None:
    """The rail has done it already: a leg brings its group back to what the log says."""
    before = group_of(town)
    decision = town.route(event, source)
    assert (decision.outcome, decision.why, acts(decision)) == ("refused", why, {source: "group"})
    assert group_of(town) is before


def test_an_admin_is_no_match_for_the_owner(town: Town) -> None:
    """But may take out anybody else."""
    town.route(membership("admin", BOB.id), "whatsapp")
    over = town.route(membership("ban", ALICE.id, actor=BOB_IG, event="evt_n"), "instagram")
    assert over.why == Refusal.NOT_ALLOWED
    town.route(membership("ban", CARLA_IG, actor=BOB_IG, event="evt_o"), "instagram")
    again = town.route(membership("add", CARLA_IG, seen=9, event="evt_p"), "whatsapp")
    assert again.why == Refusal.BANNED


def test_nobody_is_put_into_a_group_by_whom_they_block(town: Town) -> None:
    """A block holds everywhere."""
    town.route(membership("remove", CARLA_IG), "whatsapp")
    town.route(Block(id=EventId("evt_b"), actor=CARLA_IG, blocked=ALICE.id, on=True), "instagram")
    decision = town.route(membership("add", CARLA_IG, seen=5, event="evt_n"), "whatsapp")
    assert decision.why == Refusal.RECIPIENT_UNAVAILABLE


def test_the_operator_ends_a_group_and_it_stays_ended(town: Town) -> None:
    """What JetStream's schedule says comes from the operator."""
    ended = town.route(GroupChanged(id=EventId("evt_c"), conversation=GROUP, closed=True), OPERATOR)
    assert acts(ended) == {"whatsapp": "group", "messenger": "group", "instagram": "group"}
    assert town.route(said(ALICE_WA), "whatsapp").why == Refusal.GROUP_ENDED


def test_a_deadline_that_was_moved_ends_nothing(town: Town) -> None:
    """The group stays until the later one; and a deadline is asked for whenever it changes."""
    first = town.route(GroupChanged(id=EventId("evt_c"), conversation=GROUP, actor=ALICE_WA, until_ms=9), "whatsapp")
    moved = town.route(GroupChanged(id=EventId("evt_d"), conversation=GROUP, actor=ALICE_WA, until_ms=12), "whatsapp")
    assert (first.until_ms, moved.until_ms) == (9, 12)
    early = GroupChanged(id=EventId("evt_e"), conversation=GROUP, until_ms=9, closed=True)
    assert town.route(early, OPERATOR).outcome == "unchanged"
    assert not group_of(town).closed
    late = GroupChanged(id=EventId("evt_g"), conversation=GROUP, until_ms=12, closed=True)
    assert town.route(late, OPERATOR).outcome == "routed"
    assert group_of(town).closed


def test_a_group_whose_time_is_over_has_ended_though_nobody_said_so() -> None:
    """The router may have been down at that moment."""
    town = Town()
    temporary = GroupFounded(
        id=EventId("evt_f"), conversation=GROUP, actor=ALICE_WA, name="Today", members=(BOB.id,), until_ms=100
    )
    town.route(temporary, "whatsapp")
    assert town.route(said(BOB_IG, at_ms=99), "instagram").outcome == "routed"
    assert town.route(said(BOB_IG, at_ms=100, event="evt_t"), "instagram").why == Refusal.GROUP_ENDED


def test_who_was_in_it_before_a_link_is_in_it_after(town: Town) -> None:
    """Carla turns out to be bob: she may speak, and leaves as who she was."""
    town.route(Link(id=EventId("evt_l"), handles=(BOB_MS, CARLA_IG)), OPERATOR)
    assert town.route(said(CARLA_IG), "instagram").outcome == "routed"
    town.route(membership("leave", actor=CARLA_IG, event="evt_n"), "instagram")
    assert BOB.id not in group_of(town).members


def test_what_is_said_twice_changes_nothing(town: Town) -> None:
    """An add of who is in it, a removal of who is not."""
    for change, who in (("add", BOB.id), ("unban", BOB.id), ("member", CARLA.id)):
        assert town.route(membership(change, who), "whatsapp").outcome == "unchanged"
    assert group_of(town).version == 1


def test_the_fold_of_the_log_is_the_state() -> None:
    """Whoever takes the partition over knows the same group."""
    town, folded = Town(), None
    events: list[tuple[AnyEvent, str]] = [
        (FOUNDED, "whatsapp"),
        (said(BOB_IG), "instagram"),
        (membership("admin", BOB.id), "whatsapp"),
        (membership("ban", CARLA_IG, actor=BOB_IG, event="evt_n"), "instagram"),
        (GroupChanged(id=EventId("evt_c"), conversation=GROUP, actor=ALICE_WA, name="Sea", until_ms=9), "whatsapp"),
        (membership("leave", event="evt_o"), "whatsapp"),
    ]
    for event, source in events:
        decision: Decision = town.route(event, source)
        assert decision.outcome == "routed"
        folded = apply(folded, entry(decision, event, source=source, raw=encode(event)))
    assert folded == town.conversations[GROUP]


def test_reactions_and_edits_in_a_group_go_to_every_rail_of_it(town: Town) -> None:
    """Any member reacts, the author alone edits; who is not in it any more does neither."""
    town.route(said(BOB_IG), "instagram")  # the second thing in the log
    reacted = town.route(about("reaction", CARLA_IG, target="evt_s", number=2, conversation=GROUP), "instagram")
    assert (reacted.outcome, reacted.position, acts(reacted)) == (
        "routed",
        1,
        {"whatsapp": "react", "messenger": "react"},
    )
    assert [seat.person for seat in decode_seats(reacted.packed.seats)] == [CARLA.id]
    edit = about("edit", BOB_MS, target="evt_s", number=2, conversation=GROUP)
    assert acts(town.route(edit, "messenger")) == {"whatsapp": "edit", "instagram": "edit"}
    foreign = about("edit", target="evt_s", number=2, conversation=GROUP)
    assert town.route(foreign, "whatsapp").why == Refusal.NOT_THE_AUTHOR
    town.route(membership("leave", actor=BOB_MS), "messenger")
    assert town.route(edit, "messenger").why == Refusal.NOT_A_MEMBER


def test_a_reaction_does_not_reach_an_author_who_blocks(town: Town) -> None:
    """Others in the group who are apart from somebody are no reason: they hear each other's messages as well."""
    town.route(said(BOB_IG), "instagram")
    town.route(Block(id=EventId("evt_b"), actor=BOB_IG, blocked=ALICE.id, on=True), "instagram")
    on_bobs = about("reaction", target="evt_s", number=2, conversation=GROUP)
    assert town.route(on_bobs, "whatsapp").why == Refusal.RECIPIENT_UNAVAILABLE
    by_carla = about("reaction", CARLA_IG, target="evt_s", number=2, conversation=GROUP)
    assert town.route(by_carla, "instagram").outcome == "routed"


def test_in_a_group_that_has_ended_messages_are_only_taken_back(town: Town) -> None:
    """As nothing more can be said there."""
    town.route(said(BOB_IG), "instagram")
    closed = GroupChanged(id=EventId("evt_c"), conversation=GROUP, actor=ALICE_WA, closed=True)
    town.route(closed, "whatsapp")
    for kind in ("edit", "vote"):
        event = about(kind, BOB_IG, target="evt_s", number=2, conversation=GROUP)
        assert town.route(event, "instagram").why == Refusal.GROUP_ENDED
    unsend = about("unsend", BOB_IG, target="evt_s", number=2, conversation=GROUP)
    assert acts(town.route(unsend, "instagram")) == {"whatsapp": "unsend", "messenger": "unsend"}


def test_the_short_way_ends_with_any_change_of_the_group(town: Town) -> None:
    """What is remembered of a speaker is of the group as it was; and not at all where the group ends at a time."""
    first = said(CARLA_IG, "evt_1")
    town.route(first, "instagram")
    again = said(CARLA_IG, "evt_2")
    stamp = town.people.stamp
    assert remembered(again, "instagram", stamp, town.plans, group_of(town)) is not None
    town.route(membership("remove", CARLA.id), "whatsapp")
    assert remembered(again, "instagram", stamp, town.plans, group_of(town)) is None
    assert town.route(again, "instagram").outcome == "refused"
    ending = msgspec.structs.replace(group_of(town), until_ms=9)
    town.plans.remember((GROUP, CARLA_IG), Known(persons=(CARLA,), stamp=stamp, packed=NOWHERE, group=ending))
    assert remembered(again, "", stamp, town.plans, ending) is None
