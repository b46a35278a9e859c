"""Markers: "up to and including position n". They only move forward, so they may arrive in any order.

A marker is a max-register: joining is commutative, associative and idempotent, and read implies delivered.
"""

from typing import Literal

import msgspec

MarkerKind = Literal["delivered", "read"]


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """How far one person has got in one conversation; positions, 0 for nothing yet."""

    delivered: int = 0
    read: int = 0

    def join(self, other: "Marker") -> "Marker":
        """The further of the two, each way. Ties need no rule: equal is equal."""
        read = max(self.read, other.read)
        return Marker(delivered=max(self.delivered, other.delivered, read), read=read)

    def advanced(self, kind: MarkerKind, position: int) -> "Marker":
        """This marker after a receipt of that kind up to that position."""
        return self.join(Marker(read=position) if kind == "read" else Marker(delivered=position))
