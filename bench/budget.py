"""The budget: what each part may cost as a multiple of the bare relay of the same run. Called by `python -m bench`.

`bench/budget.toml` has the ratios; absolute times of shared machines are not compared with anything.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BUDGET = Path(__file__).parent / "budget.toml"


def over(figures: Mapping[str, Any], budget: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line for everything that costs more than it may, in multiples of the relay's CPU (its own and the server's).

    A part of the budget that was not measured is a line as well: a budget that nothing is held to is none.
    """
    router = figures["router"]
    relay_us = router["relay_cpu_us_per_event"] + router["relay_server_cpu_us_per_event"]
    measured: dict[str, Mapping[str, float]] = {
        "event": {
            "router": router["cpu_us_per_event"] + router["server_cpu_us_per_event"],
            "ledger": figures["ledger"]["cpu_us_per_event"],
        },
        "message": {"all": figures["path"]["server_cpu_us_per_message"], **figures["path"]["cpu_us_by_daemon"]},
    }
    lines: list[str] = []
    for unit, parts in budget.items():
        for name, most in parts.items():
            cost_us = measured[unit].get(name)
            if cost_us is None:
                lines.append(f"{name}: not measured, but the budget names it")
            elif cost_us / relay_us > most:
                lines.append(f"{name}: {cost_us / relay_us:.1f} times the relay's CPU a {unit}; the budget is {most}")
    return lines


def read() -> dict[str, dict[str, float]]:
    """The budget: unit (`event`, `message`) -> part -> the most it may cost."""
    return tomllib.loads(BUDGET.read_text())
