"""A person's reactions to a message as a set, on a real SQLite; and what a rail shows of it."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit import daemon, reactions
from bridges.messenger import CAPABILITIES
from schemas.events import Reaction
from schemas.ids import EventId, PersonId

ALICE, BOB = PersonId("per_alice"), PersonId("per_bob")


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    """An empty bridge's file, in memory."""
    with sqlite3.connect(":memory:") as connection:
        connection.executescript(daemon.SCHEMA)
        yield connection


def reaction(emoji: str, how: str = "only", number: int = 1) -> Reaction:
    """A reaction to the one message there is."""
    return Reaction(id=EventId(f"evt_{number}"), target=EventId("evt_m"), rank=1, emoji=emoji, how=how)  # type: ignore[arg-type]


def test_one_person_one_reaction_unless_more_are_added(tx: sqlite3.Connection) -> None:
    """`only` replaces, `add` and `remove` change the set, nothing with `only` empties it."""
    steps = [("👍", "only"), ("🎉", "only"), ("👍", "add"), ("🎉", "remove"), ("", "only")]
    expected = [["👍"], ["🎉"], ["🎉", "👍"], ["👍"], []]
    for rank, ((emoji, how), after) in enumerate(zip(steps, expected, strict=True)):
        reactions.note(tx, reaction(emoji, how), ALICE, rank, is_ours=False)
        assert reactions.held(tx, "evt_m", ALICE) == after


def test_several_people_each_have_their_own(tx: sqlite3.Connection) -> None:
    """The same emoji from two people is two reactions."""
    for person in (ALICE, BOB):
        reactions.note(tx, reaction("👍"), person, 1, is_ours=False)
    reactions.note(tx, reaction(""), ALICE, 2, is_ours=False)
    assert (reactions.held(tx, "evt_m", ALICE), reactions.held(tx, "evt_m", BOB)) == ([], ["👍"])


@given(st.lists(st.sampled_from(["👍", "🎉", "❤️"]), unique=True))
def test_a_rail_with_one_reaction_shows_the_latest(held: list[str]) -> None:
    """And says so when there are more."""
    emoji, lost = reactions.projected(held, CAPABILITIES)
    assert emoji == (held[-1] if held else "")
    assert bool(lost) == (len(held) > 1)
