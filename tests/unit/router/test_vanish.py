"""Disappearing messages: what is decided of their end, whoever reads, edits or reacts in whatever order."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.core import vanish
from router.core.conversation import apply
from router.core.decision import Decision, entry
from schemas.codec import encode
from schemas.errors import Refusal
from schemas.events import Expired, Message, Receipt, TimerSet
from schemas.ids import OPERATOR, ConversationId, EventId
from schemas.log import Conversation, Entry
from schemas.people import Preferences
from schemas.vanishing import Expiry, Timer, Vanishing
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
    about,
    acts,
    message,
    receipt,
)

NOW_MS = 1_700_000_000_000


def said(town: Town, expires: Expiry | None, *, event: str = "evt_1", at_ms: int = NOW_MS) -> Decision:
    """Alice writes it to bob."""
    written = msgspec.structs.replace(message(event=event), expires=expires, at_ms=at_ms)
    return town.route(written, "whatsapp", now_ms=NOW_MS)


def heard(town: Town, actor: str, rail: str, *, at_ms: int, status: str = "read", position: int = 1) -> Decision:
    """Somebody has got that far."""
    told = msgspec.structs.replace(receipt(actor, position, status), at_ms=at_ms)
    return town.route(told, rail, now_ms=at_ms)


def expired(target: str = "evt_1", position: int = 1, conversation: str = A_AND_B) -> Expired:
    """What the schedule publishes."""
    return Expired(
        id=EventId("evt_x"),
        conversation=ConversationId(conversation),
        actor=ALICE.id,
        at_ms=NOW_MS,
        target=EventId(target),
        position=position,
    )


def timer(actor: str = BOB_IG, **timer: int) -> TimerSet:
    """Bob sets it, unless told otherwise."""
    return TimerSet(id=EventId("evt_t"), conversation=ConversationId(A_AND_B), actor=actor, **timer)


def test_an_absolute_end_is_decided_with_the_message() -> None:
    """And needs no state; a message without one says nothing of it."""
    town = Town()
    own = Vanishing(message=EventId("evt_1"), position=1, author=ALICE.id, at_ms=NOW_MS + 5000)
    assert said(town, Expiry(at_ms=NOW_MS + 5000)).vanishing == (own,)
    assert town.conversations[A_AND_B].vanishing == {}
    assert said(town, None, event="evt_2").vanishing == ()


def test_the_shortest_of_message_conversation_and_person_wins() -> None:
    """What the author wishes in general, what either has set here, and what this message says."""
    town = Town(msgspec.structs.replace(ALICE, preferences=Preferences(timer=Timer(after_s=60))), BOB, CARLA)
    assert said(town, None).vanishing[0].at_ms == NOW_MS + 60_000
    assert town.route(timer(after_s=30), "instagram").outcome == "routed"
    assert said(town, None, event="evt_2").vanishing[0].at_ms == NOW_MS + 30_000
    assert said(town, Expiry(at_ms=NOW_MS + 9000), event="evt_3").vanishing[0].at_ms == NOW_MS + 9000
    assert said(town, Expiry(at_ms=NOW_MS + 90_000), event="evt_4").vanishing[0].at_ms == NOW_MS + 30_000
    town.route(timer(), "instagram")
    assert said(town, None, event="evt_5").vanishing[0].at_ms == NOW_MS + 60_000
    assert town.route(message(actor=BOB_MS, to=ALICE_MS, event="evt_6"), "messenger").vanishing == ()


def test_a_timer_is_told_on_all_rails_once_and_only_by_members() -> None:
    """The same again is no news. The rail it was set on is told too: somebody else may have set it at the same time."""
    town = Town()
    assert town.route(timer(after_s=30), "instagram").why == Refusal.UNKNOWN_CONVERSATION
    said(town, None)
    decision = town.route(timer(after_s=30), "instagram")
    assert acts(decision) == {"whatsapp": "timer", "messenger": "timer", "instagram": "timer"}
    assert town.route(timer(after_s=30), "instagram").outcome == "unchanged"
    assert town.route(timer(CARLA_IG, after_s=3), "instagram").why == Refusal.NOT_A_MEMBER
    assert town.route(timer(ALICE_WA, after_s=3), "instagram").why == Refusal.NOT_YOUR_RAIL


def test_the_countdown_begins_with_the_first_reading_by_somebody_else() -> None:
    """Not by the author's own rails, not by delivery; once, whichever rail it was."""
    town = Town()
    (own,) = said(town, Expiry(after_read_s=30)).vanishing
    assert own.at_ms == 0
    assert heard(town, ALICE_MS, "messenger", at_ms=NOW_MS + 1000).vanishing == ()
    assert heard(town, BOB_MS, "messenger", at_ms=NOW_MS + 2000, status="delivered").vanishing == ()
    (begun,) = heard(town, BOB_IG, "instagram", at_ms=NOW_MS + 3000).vanishing
    assert (begun.message, begun.at_ms) == ("evt_1", NOW_MS + 33_000)
    said(town, None, event="evt_2")
    assert heard(town, BOB_MS, "messenger", at_ms=NOW_MS + 9000, position=2).vanishing == ()
    assert town.conversations[A_AND_B].vanishing == {"evt_1": begun}


def test_a_rail_whose_clock_is_ahead_prolongs_nothing() -> None:
    """Times to come are taken for now."""
    town = Town()
    town.route(timer(after_s=1), "instagram")
    said(town, None)
    town.route(timer(after_s=1), "instagram")
    assert said(town, None, event="evt_2", at_ms=NOW_MS + 10**9).vanishing[0].at_ms == NOW_MS + 1000
    assert said(town, None, event="evt_3", at_ms=0).vanishing[0].at_ms == NOW_MS + 1000


def test_its_end_goes_to_every_rail_that_anybody_is_on() -> None:
    """The one it was written on, too; kept by nobody, whatever they prefer; known by the operator alone."""
    town = Town(ALICE, msgspec.structs.replace(BOB, preferences=Preferences(keeps=True, never=("messenger",))), CARLA)  # type: ignore[arg-type]
    said(town, Expiry(after_read_s=30))
    assert town.route(expired(), "whatsapp").why == Refusal.ONLY_OPERATOR
    assert town.route(expired(conversation="con_none"), OPERATOR).why == Refusal.UNKNOWN_MESSAGE
    decision = town.route(expired(), OPERATOR)
    assert acts(decision) == {"whatsapp": "unsend", "messenger": "unsend", "instagram": "unsend"}
    assert (decision.outcome, decision.position, decision.actor) == ("routed", 1, ALICE.id)
    assert town.conversations[A_AND_B].vanishing == {}


@pytest.mark.parametrize("kind", ["edit", "reaction", "vote"])
@pytest.mark.parametrize("expiry", [Expiry(at_ms=NOW_MS + 5000), Expiry(after_read_s=5)])
def test_what_is_over_is_not_touched_any_more(kind: str, expiry: Expiry) -> None:
    """Before its end it is, and that changes nothing of its end."""
    town = Town()
    said(town, expiry)
    heard(town, BOB_IG, "instagram", at_ms=NOW_MS)
    before = dict(town.conversations)
    assert town.route(about(kind), "whatsapp", now_ms=NOW_MS + 4999).outcome == "routed"
    assert town.conversations == before
    assert town.route(about(kind, event="evt_7"), "whatsapp", now_ms=NOW_MS + 5000).why == Refusal.EXPIRED
    town.route(expired(), OPERATOR)
    assert town.route(about(kind, event="evt_6"), "whatsapp", now_ms=NOW_MS + 5000).why == Refusal.EXPIRED
    assert town.route(about("unsend", event="evt_5"), "whatsapp", now_ms=NOW_MS + 5000).outcome == "routed"


def test_a_crowd_of_unread_messages_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest stop waiting: their time begins."""
    monkeypatch.setattr(vanish, "WAITING_MOST", 2)
    town = Town()
    for number in (1, 2):
        assert len(said(town, Expiry(after_read_s=30), event=f"evt_{number}").vanishing) == 1
    own, oldest = said(town, Expiry(after_read_s=30), event="evt_3").vanishing
    assert (own.message, own.at_ms, oldest.message, oldest.at_ms) == ("evt_3", 0, "evt_1", NOW_MS + 30_000)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from([None, 3, 9]), st.sampled_from([None, 2, 8])),
        st.tuples(st.just("read"), st.sampled_from([ALICE_MS, BOB_IG, BOB_MS, ALICE_WA]), st.integers(0, 6)),
        st.tuples(st.sampled_from(["edit", "reaction", "unsend"]), st.just(ALICE_WA), st.integers(1, 6)),
        st.tuples(st.just("timer"), st.integers(0, 9), st.integers(0, 9)),
        st.tuples(st.just("over"), st.integers(1, 6), st.just(0)),
    ),
    max_size=25,
)


@given(steps)
def test_no_act_ever_moves_an_end_to_later(history: list[Any]) -> None:
    """Whatever the order of reading, editing, reacting, setting timers; and the log folds to the very same state."""
    town, ends, numbers = Town(), dict[str, int](), list[int]()
    folded: Conversation | None = None
    for step, (kind, one, more) in enumerate(history):
        now_ms = NOW_MS + step * 1000
        event, source = _event(kind, one, more, step=step, now_ms=now_ms, numbers=numbers)
        decision = town.route(event, source, now_ms=now_ms)
        written = entry(decision, event, source=source, raw=encode(event))
        folded = apply(folded, msgspec.msgpack.decode(encode(written), type=Entry))
        if isinstance(event, Message):
            numbers.append(len(town.log))
            _check_shortest(town, event, decision, now_ms)
        elif not isinstance(event, Receipt):
            assert decision.vanishing == ()
        for found in decision.vanishing:
            if found.at_ms:
                assert found.at_ms <= ends.get(found.message, found.at_ms)
                ends[found.message] = found.at_ms
    assert folded == town.conversations.get(A_AND_B)


def _event(kind: str, one: Any, more: Any, *, step: int, now_ms: int, numbers: list[int]) -> tuple[Any, str]:
    if kind == "say":
        expires = Expiry(at_ms=now_ms + one * 1000 if one else 0, after_read_s=more or 0) if one or more else None
        written = msgspec.structs.replace(message(event=f"evt_{len(numbers) + 1}"), expires=expires, at_ms=now_ms)
        return written, "whatsapp"
    if kind == "read":
        return msgspec.structs.replace(receipt(one, more), at_ms=now_ms), one.partition(":")[0]
    if kind == "timer":
        return timer(after_s=one, after_read_s=more), "instagram"
    if kind == "over":
        return expired(f"evt_{one}", one), OPERATOR
    number = numbers[more - 1] if more <= len(numbers) else 10**6
    return about(kind, one, target=f"evt_{more}", number=number, event=f"evt_s{step}"), "whatsapp"


def _check_shortest(town: Town, event: Message, decision: Decision, now_ms: int) -> None:
    standing = town.conversations[A_AND_B].timer or Timer()
    asked = event.expires or Expiry()
    in_s = [n for n in ((asked.at_ms - now_ms) // 1000 if asked.at_ms else 0, standing.after_s) if n]
    reading = [n for n in (asked.after_read_s, standing.after_read_s) if n]
    if not in_s and not reading:
        assert decision.vanishing == ()
        return
    own = decision.vanishing[0]
    assert own.at_ms == (now_ms + min(in_s) * 1000 if in_s else 0)
    assert own.after_read_s == min(reading, default=0)
