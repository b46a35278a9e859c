"""After quiet, all rails show the same of every message, or the log has a reason on record.

The comparison of two copies is the product's own (`trinario check`); what a message should say is read off the log: its
last edit, taken back if anybody may have taken it back.
"""

from collections import defaultdict
from typing import Any

import msgspec

from bridges.kit import idmap
from bridges.kit.steps import LATER
from schemas.content import Text
from schemas.events import Edit, Message, Unsend
from tests.simulation.federation import RAILS, Federation
from trinario.agreement import _of_content


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A copy that is not as it should be. `reason`: what the leg's result says; empty: there is none."""

    message: str
    rail: str
    what: str
    reason: str


def differences(federation: Federation) -> list[Difference]:
    """Every difference, with or without a reason."""
    reasons = _reasons(federation)
    people = dict(federation.people())
    found = []
    for _, entry, event in federation.events("message"):
        if entry.outcome != "routed":
            continue
        copies = {rail: _copies(federation, rail, event.id) for rail in RAILS}
        for rail in RAILS:
            what = _wrong(federation, event, copies[rail]) or _apart(copies[entry.source], copies[rail], people)
            if what:
                reason = "; ".join(reasons[event.id, rail])
                found.append(Difference(message=event.id, rail=rail, what=what, reason=reason))
    return found


def _copies(federation: Federation, rail: str, message: str) -> list[dict[str, Any]]:
    """The message's own parts on a rail, without what was said about it later."""
    places = federation.bridges[rail].desk.do(lambda tx: idmap.parts_of(tx, message))
    return federation.rails[rail].shown([place.native_id for place in places if place.part < LATER])


def _wrong(federation: Federation, message: Message, copies: list[dict[str, Any]]) -> str:
    """What the log says that it is, and it is not."""
    if not copies:
        return "missing"
    concerned = [
        event
        for kind in ("edit", "unsend")
        for _, entry, event in federation.events(kind)
        if event.target == message.id and entry.outcome == "routed"
    ]
    is_unsent = all(copy["unsent"] for copy in copies)
    if is_unsent != any(isinstance(event, Unsend) for event in concerned):
        return "taken back" if is_unsent else "not taken back"
    contents = [message.content, *(event.content for event in concerned if isinstance(event, Edit))]
    said = contents[-1]
    assert isinstance(said, Text)
    if not is_unsent and "".join(copy["text"] for copy in copies) != said.body:
        return f"says {copies[0]['text']!r}, not {said.body!r}"
    return ""


def _apart(origin: list[dict[str, Any]], here: list[dict[str, Any]], people: dict[str, str]) -> str:
    what, detail = _of_content(origin, here, people)
    return f"{what}: {detail}" if what else ""


def _reasons(federation: Federation) -> dict[tuple[str, str], list[str]]:
    """Message and rail -> what is on record about its legs there, and those of the changes to it."""
    about = {event.id: event.id for _, _, event in federation.events("message")}
    for kind in ("edit", "unsend", "reaction"):
        about |= {event.id: event.target for _, _, event in federation.events(kind)}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for _, entry, event in federation.events("results"):
        for result in event.results:
            told = [*result.lost, *([result.why or result.status] if result.status != "posted" else [])]
            if result.event in about and told:
                found[about[result.event], entry.source] += told
    return found
