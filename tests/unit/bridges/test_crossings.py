"""Changes that cross: only what another rail has changed, too, is brought here again."""

import sqlite3
from collections.abc import Iterator

import pytest

from bridges.kit import crossings


@pytest.fixture
def tx() -> Iterator[sqlite3.Connection]:
    """A bridge's file with nothing in it."""
    db = sqlite3.connect(":memory:")
    db.executescript(crossings.TABLE)
    yield db
    db.close()


def test_what_is_changed_on_one_rail_only_needs_nothing(tx: sqlite3.Connection) -> None:
    """The rail shows it already."""
    assert not crossings.note(tx, "evt_1", crossings.EDIT, is_ours=True)
    assert not crossings.note(tx, "evt_1", crossings.EDIT, is_ours=True)


def test_after_another_rails_change_ours_are_made_again(tx: sqlite3.Connection) -> None:
    """It may have been written over them."""
    assert not crossings.note(tx, "evt_1", crossings.EDIT, is_ours=False)
    assert crossings.note(tx, "evt_1", crossings.EDIT, is_ours=True)
    assert crossings.note(tx, "evt_1", crossings.EDIT, is_ours=True)


def test_other_messages_and_other_people_are_not_concerned(tx: sqlite3.Connection) -> None:
    """An edit does not cross a reaction, nor one person's reaction another's."""
    crossings.note(tx, "evt_1", crossings.EDIT, is_ours=False)
    crossings.note(tx, "evt_1", crossings.reaction_of("per_alice"), is_ours=False)
    assert not crossings.note(tx, "evt_2", crossings.EDIT, is_ours=True)
    assert not crossings.note(tx, "evt_1", crossings.reaction_of("per_bob"), is_ours=True)
    assert crossings.note(tx, "evt_1", crossings.reaction_of("per_alice"), is_ours=True)
