"""What the state of a part means for an operator: a sentence, and what to do. Pure tables.

Used by `trinario status`, `trinario doctor`, `trinario top` and docs/operating.md, so that all of them say the same.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

UNREACHABLE = "unreachable"
LONG_LAG_MS = 10_000


class Advice(msgspec.Struct, frozen=True):
    """What is the matter, and what to do about it; both empty when nothing is."""

    meaning: str = ""
    action: str = ""


_WELL = Advice()
_BRIDGE: Mapping[str, Advice] = {
    "": _WELL,
    "bus_away": Advice(
        "has no connection to NATS",
        "Is nats-server running, with space on its disk? The bridge goes on by itself once it is back.",
    ),
    "rail_away": Advice(
        "its rail does not answer at rails.{rail}.url",
        "Start the rail, or correct the address. Messages wait in order and are sent once it is back.",
    ),
    "refused": Advice(
        "its rail refuses the subscription",
        "See what the rail said in the bridge's log (subscription.refused); does rails.{rail}.url "
        "name the right service?",
    ),
    "token": Advice(
        "its rail refuses rails.{rail}.partner_token",
        "The token was revoked, has expired, or differs on the two sides. Set the one that is valid "
        "and start the bridge "
        "again; what waits is then sent.",
    ),
    "put_off": Advice(
        "its rail puts everything off (too many requests, or errors)",
        "Wait: the bridge tries again as the rail asks it to, in order. If it lasts, lower the load "
        "or raise the limit at "
        "the rail.",
    ),
    "unsigned": Advice(
        "webhooks come with a signature that is not made with rails.{rail}.partner_secret",
        "Set the same partner_secret on both sides and start the bridge again; the rail sends again what was refused.",
    ),
}


def of_bridge(rail: str, part: Mapping[str, Any], *, long_lag_ms: int = LONG_LAG_MS) -> Advice:
    """A bridge, by its ``/status``."""
    if part.get("state") == UNREACHABLE:
        return Advice(
            f"the bridge of {rail} does not answer",
            f"Start it (`trinario bridge run {rail}`; `trinario up` starts it again by itself), and "
            "if it ends again see "
            "what it says. Nothing is lost meanwhile: its legs wait on the bus, the rail keeps its webhooks.",
        )
    found = _BRIDGE.get(part.get("why") or "", _BRIDGE["refused" if part.get("state") != "connected" else ""])
    if not found.action and (part.get("lag_ms") or 0) > long_lag_ms:
        found = Advice(
            "lags: its oldest leg has waited for {lag_s:.0f} s",
            "Is the rail slow or refusing (`trinario top`, trinario_bridge_retries_total)? Is the machine overloaded?",
        )
    fill = {"rail": rail, "lag_s": (part.get("lag_ms") or 0) / 1000}
    return Advice(found.meaning.format(**fill), found.action.format(**fill))


def of_router(part: Mapping[str, Any], *, long_lag_ms: int = LONG_LAG_MS) -> Advice:
    """The router, by its ``/status``."""
    if part.get("state") == UNREACHABLE:
        return Advice(
            "the router does not answer",
            "Start it (`trinario router run`). Nothing is lost: events wait in their ingress streams.",
        )
    if part.get("twin"):
        return Advice(
            "two routers run with one identity (router.id), and one of them gets no partitions",
            "Stop one of them, or give it a data folder of its own: then they share the work.",
        )
    if not part.get("partitions"):
        return Advice(
            "owns no partition, so nothing is routed by it",
            "It takes them within seconds. If another router has them all, fine; else see its log.",
        )
    if (part.get("lag_ms") or 0) > long_lag_ms:
        return Advice(f"is {part['lag_ms'] / 1000:.0f} s behind", "Start another router, or see what takes the CPU.")
    return _WELL


def of_ledger(part: Mapping[str, Any], *, long_lag_ms: int = LONG_LAG_MS) -> Advice:
    """The ledger, by its ``/status``."""
    if part.get("state") == UNREACHABLE:
        return Advice(
            "the ledger does not answer",
            "Start it (`trinario ledger run`). Messages do not need it; `trinario trace` reads the log meanwhile.",
        )
    if (part.get("lag_ms") or 0) > long_lag_ms:
        return Advice(f"has {part['pending']} log records still to read", "Wait, or see what takes the CPU.")
    return _WELL


def of_rail(rail: str, part: Mapping[str, Any]) -> Advice:
    """A rail, by its ``/readyz``."""
    if part.get("state") == UNREACHABLE:
        return Advice(
            f"the rail {rail} does not answer",
            f"Start it (`trinario rail run {rail}`) or correct rails.{rail}.url.",
        )
    if part.get("state") == "not ready":
        return Advice(f"the rail {rail} cannot read its store", "See its log; is its disk full or its file damaged?")
    return _WELL


def of_console(part: Mapping[str, Any]) -> Advice:
    """The web page."""
    if part.get("state") == UNREACHABLE:
        return Advice("the web page does not answer", "Start it: `trinario console run`. Messages do not need it.")
    return _WELL


def of_nats(part: Mapping[str, Any]) -> Advice:
    """NATS, as `status` found it."""
    if part.get("state") == UNREACHABLE:
        return Advice(
            f"NATS does not answer at {part.get('url')}",
            "Start it (`trinario nats run`, or your own); is its disk full? Rails keep what is written meanwhile.",
        )
    return _WELL
