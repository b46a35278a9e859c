"""How long: ``30s``, ``90m``, ``24h``, ``7d``, as commands take it."""

import re

from trinario.failures import Misused

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def seconds(option: str, text: str) -> int:
    """How many seconds that is. Raises `Misused`, which names the option."""
    if not (match := re.fullmatch(r"(\d{1,9})([smhd])", text)):
        raise Misused(f"{option} {text!r}: expected a number and s, m, h or d, e.g. 24h.")
    return int(match[1]) * _UNITS_S[match[2]]
