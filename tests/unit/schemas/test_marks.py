"""Marks make a tree, whatever comes in."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.content import Mark
from schemas.marks import shifted, well_formed

marks = st.lists(
    st.builds(
        Mark, kind=st.sampled_from(["bold", "italic", "link"]), start=st.integers(-3, 20), end=st.integers(-3, 20)
    )
)


@given(marks=marks)
def test_what_is_kept_is_a_tree_inside_the_body(marks: list[Mark]) -> None:
    """Any two marks that are kept stand apart or one inside the other."""
    kept = well_formed(12, marks)
    for one in kept:
        assert 0 <= one.start < one.end <= 12
        for other in kept:
            apart = one.end <= other.start or other.end <= one.start
            nested = (one.start <= other.start and other.end <= one.end) or (
                other.start <= one.start and one.end <= other.end
            )
            assert apart or nested


@given(marks=marks)
def test_keeping_is_done_once(marks: list[Mark]) -> None:
    """What is well-formed stays as it is."""
    kept = well_formed(12, marks)
    assert well_formed(12, kept) == kept


def test_crossing_marks_lose_the_later_one() -> None:
    """No word is lost by it: the body is elsewhere."""
    bold, italic = Mark(kind="bold", start=0, end=5), Mark(kind="italic", start=3, end=8)
    assert well_formed(8, [italic, bold]) == (bold,)


def test_a_part_keeps_the_marks_that_reach_into_it() -> None:
    """A text is split at 4, and the second part begins with two characters of its own."""
    bold = Mark(kind="bold", start=2, end=6)
    assert shifted([bold], 0, start=0, end=4) == (Mark(kind="bold", start=2, end=4),)
    assert shifted([bold], 2, start=4, end=9) == (Mark(kind="bold", start=2, end=4),)
    assert shifted([bold], 0, start=6, end=9) == ()
