"""Splitting long texts."""

from typing import Literal

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit import parts

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
