"""Markers: "up to and including position n". They only move forward, so they may arrive in any order.

A marker is a max-register: joining is commutative, associative and idempotent, and read implies delivered.

Beside it, how its owner has filed the conversation (marked as unread, muted, archived, pinned), which may go to and
fro: so each mark has an epoch, one more with every change, and the later epoch counts. A receipt is of no epoch and
changes no mark, however late it comes (docs/decisions/0015).
"""

from typing import Literal

import msgspec

MarkerKind = Literal["delivered", "read"]
Mark = Literal["unread", "muted", "archived", "pinned"]
"""What a person may say of a conversation for themselves alone."""


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """How far one person has got in one conversation; positions, 0 for nothing yet."""

    delivered: int = 0
    read: int = 0
    marks: dict[Mark, tuple[int, bool]] = {}
    """How often, as far as is known, the person has set or taken back each mark; and whether it stands."""

    def join(self, other: "Marker") -> "Marker":
        """The further of the two, each way; of two changes of one epoch, made on two rails at once, the mark stands."""
        read = max(self.read, other.read)
        marks = self.marks
        if other.marks:
            marks = {**other.marks, **marks}
            marks = {mark: max(known, other.marks.get(mark, known)) for mark, known in marks.items()}
        return Marker(delivered=max(self.delivered, other.delivered, read), read=read, marks=marks)

    def advanced(self, kind: MarkerKind, position: int) -> "Marker":
        """This marker after a receipt of that kind up to that position."""
        return self.join(Marker(read=position) if kind == "read" else Marker(delivered=position))
