"""When a message is to go, as bundled rails say it beside the platforms' own members. Pure; for the translators."""

from typing import Protocol

from schemas.vanishing import Expiry


class _Ending(Protocol):
    """What the rail says of a message beside the platform's own members."""

    @property
    def expires_at_ms(self) -> int:
        """0: never."""

    @property
    def after_read_s(self) -> int:
        """0: it does not matter whether it is read."""


def expiry(told: _Ending | None) -> Expiry | None:
    """When a message is to go, if the rail says so."""
    if told is None or not (told.expires_at_ms or told.after_read_s):
        return None
    return Expiry(at_ms=told.expires_at_ms, after_read_s=told.after_read_s)


def ends(expires: Expiry | None) -> dict[str, int]:
    """The same, for the rail; empty for a message that stays."""
    told = {"expires_at_ms": expires.at_ms, "after_read_s": expires.after_read_s} if expires is not None else {}
    return {name: value for name, value in told.items() if value}
