"""What operators are told, for every state that there is."""

from typing import Any

import pytest

from bridges.kit.state import STATES
from trinario import standing

WHYS = ("bus_away", "rail_away", "refused", "token", "put_off", "unsigned")


@pytest.mark.parametrize("why", WHYS)
def test_every_reason_has_a_remedy(why: str) -> None:
    """With the rail's name filled in, and nothing left to be filled."""
    found = standing.of_bridge("whatsapp", {"state": "degraded", "why": why})
    assert found.meaning
    assert found.action
    assert "{" not in found.meaning + found.action


@pytest.mark.parametrize("state", [state for state in STATES if state != "connected"])
def test_a_reason_of_a_newer_bridge_is_not_taken_for_none(state: str) -> None:
    """What is not connected always wants something."""
    assert standing.of_bridge("whatsapp", {"state": state, "why": "something new"}).action


@pytest.mark.parametrize(
    ("part", "is_well"),
    [
        ({"state": "connected", "why": "", "lag_ms": 0}, True),
        ({"state": "connected", "why": "", "lag_ms": 10_001}, False),
        ({"state": "connected", "why": "", "lag_ms": None}, True),
        ({"state": "unreachable"}, False),
    ],
)
def test_bridges(part: dict[str, Any], is_well: bool) -> None:  # noqa: FBT001 - a column of the table
    """Well, or not."""
    assert (standing.of_bridge("whatsapp", part).action == "") == is_well


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ({"partitions": 16, "lag_ms": 0}, ""),
        ({"partitions": 0, "lag_ms": 0}, "takes them within seconds"),
        ({"partitions": 16, "lag_ms": 60_000}, "another router"),
        ({"partitions": 16, "lag_ms": 0, "twin": True}, "Stop one"),
        ({"state": "unreachable"}, "trinario router run"),
    ],
)
def test_routers(part: dict[str, Any], word: str) -> None:
    """Each with its own remedy."""
    action = standing.of_router(part).action
    assert word in action
    assert bool(action) == bool(word)
