"""How a bridge stands: a state, and the reason that tells an operator what to do. Pure; asked for by ``/status``.

    starting         it has not subscribed at its rail yet
    connected        all is well
    degraded         something is the matter, `why` says what; nothing is lost, and it goes on once that is mended
    bad_credentials  the rail refuses our token: nothing will happen before an operator acts

`why` is one of the words below, which `trinario status` and `trinario doctor` explain with a remedy.
"""

from typing import Literal

import msgspec

State = Literal["starting", "connected", "degraded", "bad_credentials"]
STATES: tuple[State, ...] = ("starting", "connected", "degraded", "bad_credentials")

PUT_OFF_LONG_MS = 5_000
"""A rail that puts everything off for longer than this is not just busy."""

UNSIGNED_FOR_MS = 600_000


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A state and why: empty, `bus_away`, `rail_away`, `refused`, `token`, `unsigned` or `put_off`."""

    state: State
    why: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether work gets done at all; who can make us doubt by knocking at the door cannot make us unready."""
        return self.state == "connected" or self.why in ("unsigned", "put_off")


def standing(
    *,
    has_subscribed: bool,
    bus_is_there: bool,
    trouble: str,
    put_off_since_ms: int,
    unsigned_at_ms: int,
    taken_at_ms: int,
    now_ms: int,
) -> Standing:
    """Judge. `trouble`: why the outlet pauses (`away`, `bad_credentials`, `refused`, or empty).

    Times are 0 for never: since when the rail has been putting off everything, and when the last webhook came that was
    wrongly signed, and that was taken.
    """
    if trouble == "bad_credentials":
        return Standing(state="bad_credentials", why="token")
    is_put_off = put_off_since_ms > 0 and now_ms - put_off_since_ms > PUT_OFF_LONG_MS
    is_unsigned = unsigned_at_ms > taken_at_ms and now_ms - unsigned_at_ms < UNSIGNED_FOR_MS
    # The first that is so: what is nearest to the cause comes first.
    reasons = {
        "bus_away": not bus_is_there,
        "rail_away": trouble == "away" or (not has_subscribed and not trouble),
        "refused": bool(trouble),
        "put_off": is_put_off,
        "unsigned": is_unsigned,
    }
    why = next((name for name, is_so in reasons.items() if is_so), "")
    if not has_subscribed:
        return Standing(state="starting", why=why)
    return Standing(state="degraded" if why else "connected", why=why)
