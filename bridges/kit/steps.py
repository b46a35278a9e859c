"""What a leg is, and what its next step may be. Values only; made by `acts` and its neighbours, taken by `outlet`.

A leg is planned afresh before every attempt, from what is bound and shown by then: so an attempt that was not answered,
an echo that came first, or a crash in the middle of a long text all lead to the same next step.
"""

from collections.abc import Callable, Sequence
from sqlite3 import Connection as Transaction
from typing import TypeAlias

import msgspec

from bridges.kit import accounts, quotes, receipts
from bridges.kit.contract import Call, Post, Translator
from bridges.kit.legs import LegRow, Work
from bridges.kit.receipts import Place
from bridges.kit.shown import Shown
from schemas.content import Media, MediaKind
from schemas.ids import RailName
from schemas.log import Seat

LATER = 4096
"""Parts of a message from this number on are not its body: corrections and notices that came after it."""
_LATER_MOST = 1024


def later_part(rank: int, number: int) -> int:
    """The part that a correction or notice is, made by the leg with this rank: the same whenever it is asked."""
    return rank * _LATER_MOST + number


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What planning needs besides the leg. `link_for`: where people can fetch a file until a time (ms)."""

    translator: Translator
    now_ms: Callable[[], int]
    link_for: Callable[[Media, int], str]
    quotes: quotes.Known


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a post makes: part `part` of the message `event_id`, at its place."""

    post: Post
    event_id: str
    part: int
    position: int
    rank: int
    shown: Shown


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be made for a leg.

    `written`: it writes something; `is_last`: nothing follows it; `lost`: what the rail cannot show. `changes`: what a
    native message shows when it has been done. `has_other_way`: if the rail refuses it for good, the leg is planned
    again with the reason instead of having failed.
    """

    call: Call
    written: Written | None = None
    is_last: bool = False
    lost: tuple[str, ...] = ()
    changes: tuple[tuple[str, Shown], ...] = ()
    reacted: tuple[str, str, str] | None = None
    """Message, person, emoji: what `reactions_shown` says when it has been done."""
    has_other_way: bool = False
    grouped: bool = False
    """The answer names the native group of the leg's conversation."""


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing (more) is to be done. `native_ids`: what it is called here; `skipped`: why nothing was done at all."""

    native_ids: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    skipped: str = ""


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """These members need an account here first (`Accounts.find_node`)."""

    seats: tuple[Seat, ...]


class Wanting(msgspec.Struct, frozen=True, kw_only=True):
    """These files have to be given to the rail first (`uploads.Uploader`), by `node`."""

    node: str
    files: tuple[tuple[Media, MediaKind], ...]


class Impossible(msgspec.Struct, frozen=True, kw_only=True):
    """The leg makes no sense and never will."""

    why: str


Step: TypeAlias = Sending | Finished | Missing | Wanting | quotes.Quoting | Impossible


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """A new leg, and its first step if it is the first of its lane."""

    row: LegRow
    step: Step | None = None


def actor_seat(seats: Sequence[Seat], work: Work, actor: str) -> Seat | None:
    """The actor may stand in the entry under an id from before a link; their handle is still theirs."""
    return next((seat for seat in seats if seat.person == work.actor), None) or next(
        (seat for seat in seats if actor in seat.handles), None
    )


def acts_for(tx: Transaction, native_id: str, seat: Seat) -> bool:
    """Whether an account here is a member's own, or their ghost."""
    account = accounts.by_id(tx, native_id)
    if account is None:
        return False
    return account.handle in seat.handles or (account.person != "" and account.person == seat.person)


def node_in(tx: Transaction, rail: RailName, thread: str, seat: Seat | None) -> str | None:
    """The account that acts for a member in a thread; None when they have nobody there."""
    if seat is None:
        return None
    if receipts.is_group(thread):
        return accounts.node_for(tx, rail, seat)
    return next((one for one in receipts.members_of(thread) if acts_for(tx, one, seat)), None)


def places(row: LegRow, written: Written, native_ids: Sequence[str], at_ms: int) -> list[Place]:
    """Where the native message stands that an answered post has made."""
    node, peer = written.post.node, written.post.peer
    thread = receipts.thread_of(node, receipts.group_peer(peer) if written.post.in_group else peer)
    return [
        Place(
            native_id=native_id,
            event_id=written.event_id,
            part=written.part,
            conversation=row.conversation,
            position=written.position,
            rank=written.rank,
            thread=thread,
            author=node,
            at_ms=at_ms,
            source=row.source,
        )
        for native_id in native_ids[:1]
    ]
