"""When a message goes: the shortest wins, and a first reading counts once."""

import pytest

from schemas.ids import EventId, PersonId
from schemas.vanishing import LONGEST_S, Expiry, Timer, Vanishing, is_over, read, shortest, shortest_timer

SENT_MS = 1_700_000_000_000


@pytest.mark.parametrize(
    ("asked", "timers", "expected"),
    [
        (None, [], None),
        (None, [Timer()], None),
        (Expiry(), [], None),
        (Expiry(at_ms=SENT_MS + 5000), [], Expiry(at_ms=SENT_MS + 5000)),
        (Expiry(at_ms=SENT_MS + 5000), [Timer(after_s=3)], Expiry(at_ms=SENT_MS + 3000)),
        (Expiry(at_ms=SENT_MS + 5000), [Timer(after_s=9), Timer(after_s=7)], Expiry(at_ms=SENT_MS + 5000)),
        (None, [Timer(after_s=9), Timer(after_s=7)], Expiry(at_ms=SENT_MS + 7000)),
        (Expiry(after_read_s=30), [Timer(after_read_s=10)], Expiry(after_read_s=10)),
        (Expiry(after_read_s=30), [Timer(after_s=10)], Expiry(at_ms=SENT_MS + 10_000, after_read_s=30)),
        (Expiry(at_ms=2**62, after_read_s=2**62), [], Expiry(at_ms=SENT_MS + LONGEST_S * 1000, after_read_s=LONGEST_S)),
        (Expiry(at_ms=-1, after_read_s=-1), [Timer(after_s=-1, after_read_s=-1)], None),
    ],
)
def test_the_shortest_wish_holds(asked: Expiry | None, timers: list[Timer], expected: Expiry | None) -> None:
    """Of the message, of the conversation and of its author; each way for itself."""
    assert shortest(SENT_MS, asked, timers) == expected


def test_two_timers_are_one() -> None:
    """When two people turn out to be one."""
    assert shortest_timer(None, Timer()) is None
    assert shortest_timer(Timer(after_s=5), Timer(after_s=3, after_read_s=9)) == Timer(after_s=3, after_read_s=9)


def test_the_first_reading_counts_and_never_prolongs() -> None:
    """An absolute end that comes before stays."""
    one = Vanishing(message=EventId("evt_1"), position=1, author=PersonId("per_a"), after_read_s=10)
    begun = read(one, SENT_MS)
    assert (begun.at_ms, begun.is_read) == (SENT_MS + 10_000, True)
    assert read(begun, SENT_MS + 5000) == begun
    both = Vanishing(message=EventId("evt_1"), position=1, author=PersonId("per_a"), at_ms=SENT_MS + 1, after_read_s=10)
    assert read(both, SENT_MS).at_ms == SENT_MS + 1
    fixed = Vanishing(message=EventId("evt_1"), position=1, author=PersonId("per_a"), at_ms=SENT_MS)
    assert read(fixed, 0) == fixed


def test_a_message_is_over_when_its_time_is_or_nobody_waits_for_it() -> None:
    """The entry says what was decided of it, the conversation how far its countdown is."""
    name = EventId("evt_1")
    fixed = Vanishing(message=name, position=1, author=PersonId("per_a"), at_ms=SENT_MS)
    assert not is_over([], {}, name, SENT_MS)
    assert not is_over([fixed], {}, name, SENT_MS - 1)
    assert is_over([fixed], {}, name, SENT_MS)
    waiting = Vanishing(message=name, position=1, author=PersonId("per_a"), after_read_s=10)
    assert not is_over([waiting], {name: waiting}, name, 2**62)
    assert not is_over([waiting], {name: read(waiting, SENT_MS)}, name, SENT_MS + 9999)
    assert is_over([waiting], {name: read(waiting, SENT_MS)}, name, SENT_MS + 10_000)
    assert is_over([waiting], {}, name, 0)
