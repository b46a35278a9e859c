"""Traces without anything that travels: ids derived from event ids, `traceparent`, who is sampled, what a span says.

A message's event id is a 128-bit hash, and so is a W3C trace id: every daemon computes the trace, its spans and their
parents for itself (docs/decisions/0014). Pure; `bus.spans` sends spans away, daemons make them.
"""

import re
from base64 import b32decode
from hashlib import blake2b
from typing import Literal

import msgspec

KINDS = frozenset({"message", "edit", "unsend", "reaction", "vote"})
"""Events that have traces. Receipts and results would be most of what is sent away, and say what the log says."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01
_HALF = 1 << 64
_ID_CHARACTERS = 26

Stop = Literal["accept", "route", "post"]


class TraceParent(msgspec.Struct, frozen=True, kw_only=True):
    """What a ``traceparent`` header says (W3C Trace Context). Ids in lower-case hex, never all zero."""

    trace_id: str
    span_id: str
    sampled: bool


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One stop of an event's way. `failed`: a reason by name, never a rail's own words."""

    stop: Stop
    event_id: str
    rail: str
    """Whose bridge it is; for `route`, the source."""
    parent_id: str = ""
    start_ms: int
    end_ms: int
    attributes: dict[str, str | int | tuple[str, ...]] = {}
    link: TraceParent | None = None
    """A caller's own trace: linked, since ours follows from the event's id."""
    failed: str = ""


def trace_id_of(event_id: str) -> str:
    """The trace of an event, 32 hex digits: the bits of its id; of another text than an id, a hash."""
    digits = event_id.partition("_")[2]
    if len(digits) == _ID_CHARACTERS:
        try:
            raw = b32decode(digits.upper() + "======")
        except ValueError:
            raw = b""
        if any(raw):
            return raw.hex()
    return _hashed(event_id, size_bytes=16)


def span_id_of(event_id: str, stop: Stop, rail: str = "") -> str:
    """The span of an event's stop, 16 hex digits. An event is routed once, so `route` has no rail."""
    return _hashed(f"{stop} {rail} {event_id}", size_bytes=8)


def _hashed(text: str, *, size_bytes: int) -> str:
    found = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size_bytes).hexdigest()
    return found if any(digit != "0" for digit in found) else found[:-1] + "1"


def is_sampled(trace_id: str, ratio: float) -> bool:
    """Whether a trace is among this share of all (0 to 1); everybody who asks gets the same answer.

    By the lower 64 bits, as OpenTelemetry's own ratio sampler does it.
    """
    return int(trace_id[16:], 16) < round(ratio * _HALF)


def traceparent(event_id: str, stop: Stop, rail: str) -> str:
    """The header for a call that is made at an event's stop: whoever is called is part of its trace (version 00)."""
    return f"00-{trace_id_of(event_id)}-{span_id_of(event_id, stop, rail)}-{_SAMPLED:02x}"


def parse_traceparent(header: str) -> TraceParent | None:
    """Read a header; None for what is not one, which counts as no header.

    Later versions may have more members behind the flags, version 00 may not, and ff is none.
    """
    found = _TRACEPARENT.fullmatch(header.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(trace_id=trace_id, span_id=span_id, sampled=bool(int(flags, 16) & _SAMPLED))
