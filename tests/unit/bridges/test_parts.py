"""Splitting long texts."""

from typing import Literal

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit import parts
from schemas.content import Mark, Preview, Text
from schemas.marks import well_formed

FAMILY = "👨‍👩‍👧‍👦"
Unit = Literal["characters", "bytes"]


def size(text: str, unit: Unit) -> int:
    """A text's size in a rail's unit."""
    return len(text) if unit == "characters" else len(text.encode())


def test_a_family_is_never_torn_apart() -> None:
    """Five thousand characters, cut into parts of 1,000 bytes between graphemes."""
    text = (FAMILY + "a" * 11) * 250
    found = parts.split(text, limit=1000, unit="bytes")
    assert "".join(found) == text
    assert all(len(part.encode()) <= 1000 for part in found)
    assert sum(len(regex.findall(r"\X", part)) for part in found) == len(regex.findall(r"\X", text))


def test_it_breaks_where_a_reader_would() -> None:
    """After a blank, where there is one late enough."""
    assert parts.split("one two three four", limit=10, unit="characters") == ["one two ", "three four"]


def test_what_fits_is_left_alone() -> None:
    """Exactly at the limit is not over it."""
    assert parts.split("x" * 1000, limit=1000, unit="bytes") == ["x" * 1000]
    assert parts.split("", limit=5, unit="bytes") == [""]


@pytest.mark.parametrize("unit", ["characters", "bytes"])
@given(
    text=st.lists(st.sampled_from(["a", " ", "é", "e\u0301", FAMILY, "🇮🇹", "\n", "漢"]), max_size=200).map("".join),
    limit=st.integers(4, 60),
)
def test_parts_fit_and_join(unit: Unit, text: str, limit: int) -> None:
    """Whatever is in it: every part fits, and joined they are the text."""
    found = parts.split(text, limit=limit, unit=unit)
    assert "".join(found) == text
    assert all(size(part, unit) <= limit for part in found)
    assert all(found) or text == ""


def test_a_mark_over_a_break_goes_on_in_the_next_part() -> None:
    """Closed at the end of one part, opened again at the start of the next."""
    text = Text(
        body="one two three four", marks=(Mark(kind="bold", start=4, end=13), Mark(kind="link", start=14, end=18))
    )
    first, second = parts.split_text(text, limit=10, unit="characters")
    assert (first.body, first.marks) == ("one two ", (Mark(kind="bold", start=4, end=8),))
    assert (second.body, second.marks) == (
        "three four",
        (Mark(kind="bold", start=0, end=5), Mark(kind="link", start=6, end=10)),
    )


def test_the_preview_stays_with_the_first_part() -> None:
    """One preview a message."""
    text = Text(body="x" * 25, preview=Preview(url="https://x.example"))
    assert [part.preview is not None for part in parts.split_text(text, limit=10, unit="characters")] == [
        True,
        False,
        False,
    ]


@given(
    body=st.text(alphabet="ab \n👍", min_size=1, max_size=80),
    places=st.lists(st.tuples(st.integers(0, 79), st.integers(1, 40)), max_size=5),
    limit=st.integers(4, 30),
)
def test_every_marked_character_stays_marked(body: str, places: list[tuple[int, int]], limit: int) -> None:
    """Part by part, the same characters have the same marks."""
    raw = [Mark(kind="bold", start=start, end=start + length) for start, length in places]
    text = Text(body=body, marks=well_formed(len(body), raw))
    expected = [any(mark.start <= at < mark.end for mark in text.marks) for at in range(len(body))]
    found = [
        any(mark.start <= at < mark.end for mark in part.marks)
        for part in parts.split_text(text, limit=limit, unit="bytes")
        for at in range(len(part.body))
    ]
    assert found == expected
