"""Markers: "up to and including position n". They only move forward, so they may arrive in any order.

A marker is a max-register: joining is commutative, associative and idempotent, and read implies delivered.

Beside it, what its owner has marked as unread, which may go to and fro: so it has an epoch, one more with every change,
and the later epoch counts. A receipt is of no epoch and changes no mark, however late it comes (docs/decisions/0015).
"""

from typing import Literal

import msgspec

MarkerKind = Literal["delivered", "read"]


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """How far one person has got in one conversation; positions, 0 for nothing yet."""

    delivered: int = 0
    read: int = 0
    epoch: int = 0
    """How often, as far as is known, the person has marked the conversation as unread, or taken that back."""
    unread: bool = False
    """Whether they have marked it, as of that epoch."""

    def join(self, other: "Marker") -> "Marker":
        """The further of the two, each way; of two marks of one epoch, made on two rails at once, "unread"."""
        read = max(self.read, other.read)
        epoch, unread = max((self.epoch, self.unread), (other.epoch, other.unread))
        return Marker(delivered=max(self.delivered, other.delivered, read), read=read, epoch=epoch, unread=unread)

    def advanced(self, kind: MarkerKind, position: int) -> "Marker":
        """This marker after a receipt of that kind up to that position."""
        return self.join(Marker(read=position) if kind == "read" else Marker(delivered=position))
