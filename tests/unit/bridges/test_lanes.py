"""Lanes: order within a conversation, and what may wait for company."""

from bridges.kit.lanes import SLOW_S, Lanes, Leg
from bridges.kit.legs import LegRow
from schemas.ids import ConversationId
from schemas.log import Act


def leg(number: int, lane: str, act: Act = "post") -> Leg:
    """The leg with that row number."""
    row = LegRow(
        id=number,
        lane=lane,
        event_id=f"evt_{number}",
        act=act,
        source="whatsapp",
        conversation=ConversationId(lane),
        position=number,
        rank=number,
        payload=b"",
        taken_at_ms=number,
    )
    return Leg(row, in_doubt=False)


def numbers(legs: list[Leg]) -> list[int]:
    """The rows of these legs."""
    return [one.row.id for one in legs]


def test_only_the_first_of_a_lane_is_on_its_way() -> None:
    """Conversations side by side, each in order; one that waits holds up nobody else."""
    lanes = Lanes()
    for one in (first := leg(1, "a"), leg(2, "a"), other := leg(3, "b")):
        lanes.add(one)
    assert numbers(lanes.take(10.0, most=9)) == [1, 3]
    assert lanes.take(10.0, most=9) == []
    lanes.release(first, ends=False, from_s=12.0)
    lanes.release(other, ends=True, from_s=0.0)
    assert lanes.due_s() == 12.0
    assert lanes.take(11.9, most=9) == []
    assert numbers(lanes.take(12.0, most=9)) == [1]
    lanes.release(first, ends=True, from_s=0.0)
    assert numbers(lanes.take(12.0, most=9)) == [2]
    assert ("a" in lanes, "b" in lanes, lanes.loaded, lanes.last_id) == (True, False, 1, 3)


def test_deliveries_go_at_once_when_all_is_quiet_and_together_under_load() -> None:
    """They go along with others; and never stand before a message of their own lane."""
    lanes = Lanes()
    lanes.add(leg(1, "a", "delivered"))
    assert numbers(lanes.take(10.0, most=9)) == [1]
    lanes.add(leg(2, "b", "delivered"))
    assert lanes.take(10.1, most=9) == []
    assert lanes.due_s() == 10.0 + SLOW_S
    lanes.add(leg(3, "c", "delivered"))
    lanes.add(leg(4, "d"))
    assert numbers(lanes.take(10.2, most=9)) == [4, 2, 3]
    lanes.add(leg(5, "e", "delivered"))
    lanes.add(leg(6, "e"))
    assert numbers(lanes.take(10.3, most=9)) == [5]
