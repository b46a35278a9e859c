"""Typing: whatever signs are lost, it is shown once a person, not for ever, and not said all the time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridges.kit.typists import MOST, Saying, Showing, Writer
from schemas.ids import ConversationId, PersonId
from schemas.live import TYPING_AGAIN_S, TYPING_LASTS_S

ALICE = Writer(ConversationId("cnv_1"), PersonId("per_alice"), PersonId("per_bob"))

STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2), st.booleans()), max_size=60
)  # seconds since the last step, on or off, on which of her rails, whether the sign is lost


@given(STEPS)
def test_shown_while_somebody_writes_and_no_longer(steps: list[tuple[int, bool, int, bool]]) -> None:
    """She writes on three other rails: shown after a sign that came, and never longer than one counts."""
    rails, here = [Saying() for _ in range(3)], Showing()
    now_s, is_shown, last_on_s = 0.0, False, -100.0
    calls_s: list[float] = []
    for pause_s, on, rail, is_lost in steps:
        now_s += pause_s
        for who in here.over(now_s):
            assert (who, is_shown) == (ALICE, True)
            assert now_s - last_on_s >= TYPING_LASTS_S
            is_shown = False
        if rails[rail].said(ALICE, on=on, now_s=now_s) and not is_lost:
            last_on_s = now_s if on else last_on_s
            if here.heard(ALICE, on=on, now_s=now_s):
                is_shown = on
                if on:
                    calls_s.append(now_s)
            assert is_shown is on
        assert not is_shown or now_s - last_on_s < TYPING_LASTS_S
    here.over(now_s + TYPING_LASTS_S)
    assert here.over(now_s + TYPING_LASTS_S) == []


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=60))
def test_somebody_who_goes_on_is_said_again_and_not_more_often(pauses: list[float]) -> None:
    """A key a moment: one sign every few seconds, never so far apart that what is shown would end."""
    saying, now_s = Saying(), 0.0
    said_s: list[float] = []
    for pause_s in pauses:
        now_s += pause_s
        if saying.said(ALICE, on=True, now_s=now_s):
            said_s.append(now_s)
        assert saying.is_writing(ALICE, now_s=now_s)
    gaps = [later - earlier for earlier, later in pairwise(said_s)]
    assert all(TYPING_AGAIN_S <= gap < TYPING_LASTS_S for gap in gaps)
    assert not saying.is_writing(ALICE, now_s=now_s + TYPING_LASTS_S)


def test_an_end_is_said_once_and_only_after_a_beginning() -> None:
    """And not when it has ended by itself."""
    saying = Saying()
    assert not saying.said(ALICE, on=False, now_s=0)
    assert saying.said(ALICE, on=True, now_s=0)
    assert saying.said(ALICE, on=False, now_s=1)
    assert not saying.said(ALICE, on=False, now_s=1)
    assert saying.said(ALICE, on=True, now_s=2)
    assert not saying.said(ALICE, on=False, now_s=2 + TYPING_LASTS_S)


def test_memory_is_bounded() -> None:
    """However many write at once."""
    saying, showing = Saying(), Showing()
    for number in range(MOST + 5):
        who = Writer(ConversationId(f"cnv_{number}"), PersonId("per_alice"), PersonId(""))
        assert saying.said(who, on=True, now_s=1.0)
        assert showing.heard(who, on=True, now_s=1.0) is (number < MOST)
    assert len(showing.over(1.0 + TYPING_LASTS_S)) == MOST
