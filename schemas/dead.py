"""Dead letters: what could not be understood or delivered, with why and all that is needed to try again.

Every daemon writes this one shape to the stream DEAD, and `bus.dead` reads it. Notes say what an operator has made of a
letter; they stand in the same stream and outlive it.
"""

from typing import Literal

import msgspec

Stage = Literal["intake", "router", "outlet"]
"""Where it died: a rail's update that a bridge could not read, an event that the router could not, a leg."""


class DeadLeg(msgspec.Struct, frozen=True, kw_only=True):
    """A leg as the bridge had it. `work` is the bridge's own and opaque to everybody else."""

    lane: str
    act: str
    source: str
    conversation: str
    position: int
    rank: int
    work: bytes


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dead letter. `rail`: whose bridge (or, for the router, which source) it came by."""

    stage: str
    rail: str
    why: str
    event_id: str = ""
    at_ms: int = 0
    """When it was given up."""
    payload: bytes = b""
    """The event, or the rail's own update; the first 256 KiB of it."""
    size_bytes: int = 0
    """How long the payload was before it was cut."""
    subject: str = ""
    sequence: int = 0
    """Router: where the event stands in its ingress stream."""
    webhook: bytes = b""
    """Intake: the whole webhook that the update came in, if it was small enough to be kept."""
    leg: DeadLeg | None = None
    attempts: int = 0
    may_have_been_sent: bool = False
    """An attempt was not answered: the rail may show the message all the same. It is asked before anything is sent."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the payload was cut off."""
        return len(self.payload) >= self.size_bytes


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a letter by an operator's hand. `letter`: its sequence in DEAD."""

    letter: int
    outcome: Literal["redriven", "dropped"]
    stage: str
    rail: str
    event_id: str = ""
    why: str = ""
    by: str = ""
    at_ms: int = 0


class Redriven(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bridge's answer to a letter that it is to try again.

    queued   it will be tried, in its conversation's order
    already  it is being tried, or was, because of this very letter
    refused  it will not be tried, `why` says why not
    later    too many at once: again in `wait_s`
    """

    outcome: Literal["queued", "already", "refused", "later"]
    why: str = ""
    wait_s: float = 0.0


PAYLOAD_MOST_BYTES = 256 * 1024


def cut(payload: bytes) -> bytes:
    """As much of a payload as a letter keeps."""
    return payload[:PAYLOAD_MOST_BYTES]
