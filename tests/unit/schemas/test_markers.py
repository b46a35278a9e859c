"""Markers converge whatever the order, and never go back."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.markers import Marker

steps = st.lists(st.tuples(st.sampled_from(["delivered", "read"]), st.integers(0, 50)), max_size=12)


@given(steps, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_ends_the_same(receipts: list[tuple[str, int]], dice) -> None:  # noqa: ANN001
    """Receipts shuffled and doubled lead to the same marker."""
    shuffled = receipts + receipts[:3]
    dice.shuffle(shuffled)
    assert run(receipts) == run(shuffled)


@given(steps, steps)
def test_join_is_what_all_receipts_together_give(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    """Two replicas that saw different receipts agree after a join, from either side."""
    assert run(one).join(run(other)) == run(other).join(run(one)) == run(one + other)


@given(steps)
def test_read_implies_delivered(receipts: list[tuple[str, int]]) -> None:
    """Nobody reads what has not arrived."""
    marker = run(receipts)
    assert marker.delivered >= marker.read


def run(receipts: list[tuple[str, int]]) -> Marker:
    """A marker after these receipts; each step may only go up."""
    marker = Marker()
    for kind, position in receipts:
        after = marker.advanced(kind, position)  # type: ignore[arg-type]
        assert (after.delivered, after.read) >= (marker.delivered, marker.read)
        marker = after
    return marker
