"""Being there: whatever signs are lost, nobody is shown as there for ever, and not said to be all the time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bridges.kit.attendance import MOST, Gathering, Telling
from schemas.ids import PersonId
from schemas.live import PRESENCE_AGAIN_S, PRESENCE_LASTS_S, SEEN_STEP_MS, Presence, seen_about

ALICE = PersonId("per_alice")
RAILS = ("whatsapp", "messenger", "instagram")

STEPS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(["on", "off", "hidden"]), st.sampled_from(RAILS), st.booleans()),
    max_size=60,
)  # seconds since the last step, what her app says (or that she is hidden there), on which rail, whether it is lost


@given(STEPS)
def test_there_while_one_rail_says_so_and_no_longer(steps: list[tuple[int, str, str, bool]]) -> None:
    """Shown after a sign that came, never longer than one counts, and taken away once no rail says so."""
    rails, here = {rail: Telling() for rail in RAILS}, Gathering()
    now_s, is_shown = 0.0, False
    last_s: dict[str, float] = {}
    for pause_s, said, rail, is_lost in steps:
        now_s += pause_s
        for who, shown in here.over(now_s):
            assert (who, shown.on, is_shown) == (ALICE, False, True)
            is_shown = False
        last_s = {one: at_s for one, at_s in last_s.items() if now_s - at_s < PRESENCE_LASTS_S}
        if rails[rail].said(ALICE, on=said == "on", now_s=now_s) and not is_lost:
            seen_ms = 0 if said == "hidden" else seen_about(10**12 + int(now_s * 1000))
            told = here.heard(rail, Presence(actor=ALICE, on=said == "on", seen_ms=seen_ms), now_s=now_s)
            if said == "on":
                last_s[rail] = now_s
            else:
                last_s.pop(rail, None)
            if told is not None:
                is_shown = told.on
                assert bool(told.seen_ms) is (said != "hidden")
        assert is_shown is bool(last_s)
    here.over(now_s + PRESENCE_LASTS_S)
    assert here.over(now_s + PRESENCE_LASTS_S) == []


@given(st.lists(st.integers(0, 30), min_size=2, max_size=60))
def test_it_is_not_said_more_often_than_needed(pauses: list[int]) -> None:
    """While she is there, once every while, on her rail and where she is shown."""
    here, there, now_s = Telling(), Gathering(), 0.0
    said_s: list[float] = []
    shown_s: list[float] = []
    for pause_s in pauses:
        now_s += pause_s
        if here.said(ALICE, on=True, now_s=now_s):
            said_s.append(now_s)
            sign = Presence(actor=ALICE, on=True, seen_ms=1)
            shown_s.extend(now_s for rail in RAILS if there.heard(rail, sign, now_s=now_s) is not None)
    for times in (said_s, shown_s):
        assert all(later - earlier >= PRESENCE_AGAIN_S for earlier, later in pairwise(times))
    assert len(shown_s) == len(said_s) > 0


def test_memory_is_bounded() -> None:
    """However many are there."""
    telling, there = Telling(), Gathering()
    names = [PersonId(f"per_{number}") for number in range(MOST + 10)]
    for name in names:
        assert telling.said(name, on=True, now_s=0.0)
        there.heard("whatsapp", Presence(actor=name, on=True, seen_ms=1), now_s=0.0)
    assert not telling.said(names[0], on=False, now_s=1.0), "forgotten"
    assert telling.said(names[-1], on=False, now_s=1.0)
    assert len(there.over(PRESENCE_LASTS_S)) == MOST


@given(st.integers(SEEN_STEP_MS, 2**50))
def test_nobody_is_told_more_exactly_than_in_steps(at_ms: int) -> None:
    """Rounded down, so never in the future."""
    assert 0 <= at_ms - seen_about(at_ms) < SEEN_STEP_MS
    assert seen_about(at_ms) % SEEN_STEP_MS == 0
