"""Identifiers: who makes them, from what, and which partition they fall into.

Every id is a hash of what it names (or random, for groups), so the same webhook delivered twice makes the
same id on any machine. Nothing here is secret and nothing can be read back out of an id.
"""

from base64 import b32encode
from collections.abc import Iterable
from hashlib import blake2b
from typing import NewType

RailName = NewType("RailName", str)
"""A rail's name as it stands in handles and subjects: lower-case letters, digits and hyphens."""

PersonId = NewType("PersonId", str)
"""``per_`` and 26 characters. Made from the first handle the bus heard of."""

ConversationId = NewType("ConversationId", str)
"""``con_`` (direct: hash of the two person ids) or ``grp_`` (group) and 26 characters."""

EventId = NewType("EventId", str)
"""``evt_`` and 26 characters. A message's event id is its canonical message id."""

OPERATOR = RailName("operator")
"""The ingress source that is no rail: what an operator asks for (links, unlinks) comes in by it."""

PEOPLE_PARTITION = 0
"""People events all go through one partition: one order for registrations, links, unlinks and blocks."""

_FNV_OFFSET, _FNV_PRIME, _WORD = 0x811C9DC5, 0x01000193, 0xFFFFFFFF


def digest(*parts: str) -> str:
    """26 lower-case base32 characters (128 bits) of BLAKE2b over the parts, which cannot run into each other."""
    hashed = blake2b(digest_size=16)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(len(raw).to_bytes(4, "big"))
        hashed.update(raw)
    return b32encode(hashed.digest()).decode().rstrip("=").lower()


def person_id(*parts: str) -> PersonId:
    """The person who is first known by this handle (further parts: what sets a second person apart)."""
    return PersonId("per_" + digest(*parts))


def direct_conversation_id(one: PersonId, other: PersonId) -> ConversationId:
    """The one direct conversation of two persons, whoever asks."""
    return ConversationId("con_" + digest(*sorted((one, other))))


def event_id(rail: str, kind: str, thread: str, *native: str) -> EventId:
    """The event that a rail's native thing stands for: the same thing seen twice is the same event."""
    return EventId("evt_" + digest(rail, kind, thread, *native))


def combined_event_id(kind: str, parts: Iterable[str]) -> EventId:
    """An event made of several others (leg results sent together)."""
    return EventId("evt_" + digest(kind, *parts))


def partition_of(conversation: str, partitions: int) -> int:
    """Which partition orders this conversation: FNV-1a 32 of its id, modulo P.

    The same hash as nats-server's own ``partition()`` subject mapping.
    """
    value = _FNV_OFFSET
    for byte in conversation.encode():
        value = ((value ^ byte) * _FNV_PRIME) & _WORD
    return value % partitions
