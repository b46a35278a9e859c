"""Groups that a rail cannot hold: for each member there, a direct thread with the group's ghost.

The ghost is called like the group, and each message names the group and who wrote it. What a member writes in their
thread is said in the group, and goes to the others here in their threads: so the bridge has a leg of its own for what
comes from its own rail. Edits of texts and unsends reach every thread; reactions, votes and who has read stay where
they are. Called by `logreader` (which groups), `intake` (what is said to
a ghost) and `acts`. The SQL runs in transactions.
"""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection as Transaction

import msgspec

from bridges.kit import accounts, extension, groups, idmap, lost, membersync, posting, receipts, shown
from bridges.kit.changes import NOT_HERE, NOT_THEIRS, PAST, Standing, standing, take_back
from bridges.kit.downgrade import Refused, TextPiece
from bridges.kit.legs import LegRow, Work
from bridges.kit.shown import Shown
from bridges.kit.steps import Context, Finished, Impossible, Missing, Sending, Step, actor_seat, acts_for
from schemas.capabilities import Capabilities
from schemas.codec import decode_event, decode_seats
from schemas.content import Text
from schemas.events import Edit, Expired, Message, Unsend
from schemas.groups import Group, is_group
from schemas.handles import Handle
from schemas.ids import PersonId, RailName
from schemas.log import Act, Seat

OWN: dict[str, Act] = {"message": "post", "edit": "edit", "unsend": "unsend"}
"""What is carried to the other threads here when it was done on this rail: the log's kind, and the act."""

_MEMBER_LEAST_BYTES = 30
"""No member of a stored group takes fewer: whether a group may be too large is seen without reading it."""

_PARTS = 256
"""Native messages that one text may make; each thread has as many numbers of its own. 0 is left to the original."""

_states = msgspec.msgpack.Decoder(Group)


class _Thread(msgspec.Struct, frozen=True, kw_only=True):
    """Where one member is told. `first`: the number of the first part there; `is_own`: they wrote it themselves."""

    node: str
    peer: str
    first: int
    is_own: bool


def is_apart(tx: Transaction, conversation: str, capabilities: Capabilities) -> bool:
    """Whether this is a group that the rail cannot hold."""
    if not is_group(conversation):
        return False
    row = tx.execute("SELECT length(state) FROM groups WHERE conversation = ?", (conversation,)).fetchone()
    if row is None or row[0] is None:
        return False
    if capabilities.groups.is_native and row[0] < capabilities.group_most * _MEMBER_LEAST_BYTES:
        return False
    group = groups.state_of(tx, conversation)
    return group is not None and bool(membersync.refusal(group, capabilities))


def group_of(account: accounts.Account) -> str:
    """The conversation of the group whose ghost this is; empty: it is no group's."""
    return account.person if account.is_ghost and is_group(account.person) else ""


def post(tx: Transaction, row: LegRow, work: Work, context: Context) -> Step:
    """The next native message of a message, thread by thread. `work.group`: who was in the group when it was said."""
    group, event, seats = _states.decode(work.group), decode_event(work.event), decode_seats(work.seats)
    if not isinstance(event, Message):
        return Impossible(why=f"a {type(event).__name__} cannot be posted")
    event = msgspec.structs.replace(event, expires=work.expires)
    sender = actor_seat(seats, work, event.actor)
    if sender is None:
        return Impossible(why="nobody of the group has said it")
    found = _threads(tx, row, group, sender, context)
    if isinstance(found, Missing):
        return found
    if not found:
        return Finished(skipped="nobody else of the group is on this rail")
    losses: tuple[str, ...] = (lost.GROUP_APART,)
    for thread in found:
        heading = group.name if thread.is_own else f"{group.name} · {sender.name}"
        step = posting.to(
            tx,
            row,
            event,
            context,
            seats=seats,
            sender=sender,
            node=thread.node,
            peer=thread.peer,
            first=thread.first,
            heading=heading,
        )
        if not isinstance(step, Finished):
            return msgspec.structs.replace(step, is_last=False) if isinstance(step, Sending) else step
        losses += step.lost
    native_ids = tuple(place.native_id for place in idmap.parts_of(tx, row.event_id) if place.part >= _PARTS)
    return Finished(native_ids=native_ids, lost=tuple(dict.fromkeys(losses)))


def change(tx: Transaction, row: LegRow, work: Work, context: Context, *, refused: str) -> Step | None:
    """The next call of what is done to a message that stands in such threads; None when it does not."""
    event = decode_event(work.event)
    target = getattr(event, "target", "")
    live = [one for one in standing(tx, target) if one.shown.kind != "gone"]
    if all(receipts.is_group(one.place.thread) for one in live):
        return None
    copies = [one for one in live if one.place.part or row.source != context.translator.rail]
    if not copies:
        return Finished(skipped=NOT_HERE)
    seat = actor_seat(decode_seats(work.seats), work, event.actor)
    is_theirs = seat is not None and _is_theirs(tx, row.conversation, seat, [one.place.author for one in live])
    if (seat is None or not is_theirs) and not isinstance(event, Expired):
        return Impossible(why=NOT_THEIRS)
    if isinstance(event, Unsend | Expired) and not work.leg.keep and refused in ("", *PAST):
        return take_back(copies[0].place, expired=isinstance(event, Expired))
    if isinstance(event, Edit) and isinstance(event.content, Text) and not refused and seat is not None:
        return _edit(tx, row, event, context, copies=copies, seat=seat, seats=decode_seats(work.seats))
    return Finished(skipped="not shown in the group's threads", lost=(lost.GROUP_CHANGE_LEFT_OUT,))


def _edit(
    tx: Transaction,
    row: LegRow,
    event: Edit,
    context: Context,
    *,
    copies: Sequence[Standing],
    seat: Seat,
    seats: Sequence[Seat],
) -> Step:
    """In place, where the text was one native message and still is."""
    group = groups.state_of(tx, row.conversation)
    name = group.name if group is not None else ""
    for one in copies:
        is_own = acts_for(tx, one.place.author, seat)
        heading = "" if one.place.part == 0 else name if is_own else f"{name} · {seat.name}"
        fitted = posting.fit(tx, row, event.content, context, seats=seats, in_place=True, heading=heading)
        if isinstance(fitted, Refused):
            return Impossible(why=fitted.why)
        piece = fitted.pieces[0] if len(fitted.pieces) == 1 else None
        is_one = sum(other.place.thread == one.place.thread for other in copies) == 1
        if not isinstance(piece, TextPiece) or not is_one or one.shown.kind != "text":
            return Finished(skipped="not shown in the group's threads", lost=(lost.GROUP_CHANGE_LEFT_OUT,))
        if one.shown.digest != shown.words_digest(piece.body):
            call = extension.edit(
                node=one.place.author, native_id=one.place.native_id, text=piece.body, plain=piece.plain
            )
            now = Shown(kind="text", digest=shown.words_digest(piece.body))
            return Sending(call=call, changes=((one.place.native_id, now),), has_other_way=True)
    return Finished(native_ids=tuple(one.place.native_id for one in copies))


def _is_theirs(tx: Transaction, conversation: str, seat: Seat, authors: Sequence[str]) -> bool:
    """Written by the group's ghost (for whom, the router knows) or by an account that is the actor's."""
    ghosts = {one.native_id for one in accounts.ghosts_of(tx, conversation)}
    return all(author in ghosts or acts_for(tx, author, seat) for author in authors)


def _threads(tx: Transaction, row: LegRow, group: Group, sender: Seat, context: Context) -> list[_Thread] | Missing:
    """One for each member who has an account here, but the one that the message was written in."""
    rail = context.translator.rail
    ghost_seat = Seat(
        person=PersonId(row.conversation), name=group.name, handles=(Handle(f"group:{row.conversation}"),)
    )
    members = list(_members_here(tx, rail, row, group))
    nodes = [(number, seat, accounts.node_for(tx, rail, seat)) for number, seat in members]
    ghost = accounts.node_for(tx, rail, ghost_seat)
    missing = [seat for _, seat, node in nodes if node is None]
    if ghost is None or missing:
        return Missing(seats=(*missing, *(() if ghost is not None else (ghost_seat,))))
    threads = []
    for number, seat, node in nodes:
        is_own = seat.person == sender.person
        if node is None or (is_own and row.source == rail):
            continue
        pair = (node, ghost) if is_own else (ghost, node)
        threads.append(_Thread(node=pair[0], peer=pair[1], first=(number + 1) * _PARTS, is_own=is_own))
    return threads


def _members_here(tx: Transaction, rail: RailName, row: LegRow, group: Group) -> Iterator[tuple[int, Seat]]:
    seats = groups.seats_of(tx, row.conversation, group.members)
    for number, person in enumerate(group.members):
        if (seat := seats.get(person)) is not None and accounts.own_handle(rail, seat) is not None:
            yield number, seat
