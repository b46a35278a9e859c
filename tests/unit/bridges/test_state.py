"""How a bridge stands, case by case."""

from typing import Any

import pytest

from bridges.kit.state import PUT_OFF_LONG_MS, UNSIGNED_FOR_MS, standing

WELL: dict[str, Any] = {
    "has_subscribed": True,
    "bus_is_there": True,
    "trouble": "",
    "put_off_since_ms": 0,
    "unsigned_at_ms": 0,
    "taken_at_ms": 0,
    "now_ms": 1_000_000,
}


@pytest.mark.parametrize(
    ("changed", "state", "why"),
    [
        ({}, "connected", ""),
        ({"has_subscribed": False}, "starting", "rail_away"),
        ({"has_subscribed": False, "bus_is_there": False}, "starting", "bus_away"),
        ({"has_subscribed": False, "trouble": "refused"}, "starting", "refused"),
        ({"bus_is_there": False, "trouble": "away"}, "degraded", "bus_away"),
        ({"trouble": "away"}, "degraded", "rail_away"),
        ({"trouble": "refused"}, "degraded", "refused"),
        ({"trouble": "bad_credentials", "has_subscribed": False, "bus_is_there": False}, "bad_credentials", "token"),
        ({"put_off_since_ms": 1_000_000 - PUT_OFF_LONG_MS}, "connected", ""),
        ({"put_off_since_ms": 1_000_000 - PUT_OFF_LONG_MS - 1}, "degraded", "put_off"),
        ({"unsigned_at_ms": 999_999}, "degraded", "unsigned"),
        ({"unsigned_at_ms": 999_998, "taken_at_ms": 999_999}, "connected", ""),
        ({"unsigned_at_ms": 1_000_000 - UNSIGNED_FOR_MS}, "connected", ""),
    ],
)
def test_standing(changed: dict[str, Any], state: str, why: str) -> None:
    """The reason nearest to the cause wins; a stranger at the door does not make the bridge unready."""
    found = standing(**(WELL | changed))
    assert (found.state, found.why) == (state, why)
    assert found.is_ready == (state == "connected" or why in {"put_off", "unsigned"})
