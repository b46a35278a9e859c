"""Legs -> calls: what has to be done on the rail next. The SQL runs in transactions.

Which act is whose: messages `posting`, edits, unsends and votes `changes`, reactions `reactions`, all of them in groups
that the rail cannot hold `apart`; receipts, blocks and failures are here.
"""

from collections.abc import Iterator, Sequence
from sqlite3 import Connection as Transaction
from typing import assert_never

import msgspec

from bridges.kit import accounts, apart, changes, extension, groups, idmap, posting, reactions, receipts, timers
from bridges.kit.contract import Translator
from bridges.kit.legs import NO_GROUP, LegRow, Work
from bridges.kit.steps import (
    Context,
    Finished,
    Impossible,
    Missing,
    Sending,
    Step,
    actor_seat,
    node_in,
)
from schemas.codec import decode_event, decode_seats
from schemas.errors import explain
from schemas.events import Block, Marked, Receipt, Results
from schemas.groups import is_group
from schemas.ids import RailName

_works = msgspec.msgpack.Decoder(Work)
_FINISHED = Finished()
_CHANGES = {"edit": changes.edit, "unsend": changes.unsend, "react": reactions.plan, "vote": changes.vote}


def target_of(payload: bytes) -> str:
    """The message that a leg's event is about; empty when it is about none."""
    event = decode_event(_works.decode(payload).event)
    return getattr(event, "target", "")


def plan(  # noqa: PLR0911 - a table of acts
    tx: Transaction, row: LegRow, context: Context, *, done: int, refused: str
) -> Step:
    """The next step of a leg of which `done` calls have succeeded since we started; `refused`: see `Sending`.

    What is bound or shown is done; the other acts may be repeated without harm, so after a restart they begin anew.
    Raises `NotUnderstood` and `msgspec.DecodeError` for what cannot be read.
    """
    work = _works.decode(row.payload)
    match row.act:
        case "post":
            is_apart = bytes(work.group) != bytes(NO_GROUP)
            return (apart.post if is_apart else posting.plan)(tx, row, work, context)
        case "read" | "delivered":
            return _nth(list(_receipts(tx, row, work, context.translator.rail)), done)
        case "mark":
            return _nth(list(_marks(tx, row, work, context.translator.rail)), done)
        case "block":
            return _block(tx, work, context.translator)
        case "fail":
            return _nth(list(_failures(tx, row, work, context.translator)), done)
        case "edit" | "unsend" | "react" | "vote":
            step = apart.change(tx, row, work, context, refused=refused) if is_group(row.conversation) else None
            return step or _CHANGES[row.act](tx, row, work, context, refused=refused)
        case "group":
            return groups.leg(tx, row.conversation, work, context)
        case "timer":
            return _nth(list(timers.steps(tx, row, work, context.translator.rail)), done)
        case _:
            assert_never(row.act)


def _nth(steps: Sequence[Step], done: int) -> Step:
    """The step behind those that are done."""
    if done >= len(steps):
        return _FINISHED
    step = steps[done]
    return msgspec.structs.replace(step, is_last=done == len(steps) - 1) if isinstance(step, Sending) else step


# --- receipts --------------------------------------------------------------------------------------------------------


def _receipts(tx: Transaction, row: LegRow, work: Work, rail: RailName) -> Iterator[Step]:
    """One call a thread that holds the conversation."""
    event = decode_event(work.event)
    actor = actor_seat(decode_seats(work.seats), work, event.actor) if isinstance(event, Receipt) else None
    if actor is None:
        yield Impossible(why="nobody of the conversation has read or got it")
        return
    for thread in idmap.threads_in(tx, row.conversation):
        node = node_in(tx, rail, thread, actor)
        if node is None:
            continue
        if row.act == "delivered" and idmap.has_got(tx, row.conversation, node, row.position):
            continue  # the rail has told us so itself
        up_to = idmap.latest_for(tx, conversation=row.conversation, thread=thread, reader=node, position=row.position)
        if up_to is None:
            continue
        peer = receipts.native_peer(receipts.peer_in(thread, node))
        call = (
            extension.read(node=node, peer=peer, up_to=up_to, private=work.leg.private)
            if row.act == "read"
            else extension.delivered(node=node, peer=peer, up_to=up_to)
        )
        yield Sending(call=call)


def _marks(tx: Transaction, row: LegRow, work: Work, rail: RailName) -> Iterator[Step]:
    """One call a thread that holds the conversation, by the account whose mark it is."""
    event = decode_event(work.event)
    actor = actor_seat(decode_seats(work.seats), work, event.actor) if isinstance(event, Marked) else None
    if actor is None or not isinstance(event, Marked):
        yield Impossible(why="nobody of the conversation has marked it")
        return
    for thread in idmap.threads_in(tx, row.conversation):
        node = node_in(tx, rail, thread, actor)
        if node is not None:
            peer = receipts.native_peer(receipts.peer_in(thread, node))
            yield Sending(call=extension.mark(node=node, peer=peer, mark=event.mark, on=event.on, epoch=event.epoch))


# --- blocks and failures ---------------------------------------------------------------------------------------------


def _block(tx: Transaction, work: Work, translator: Translator) -> Step:
    event = decode_event(work.event)
    seats = decode_seats(work.seats)
    blocker = next((seat for seat in seats if seat.person == work.actor), None)
    blocked = next((seat for seat in seats if seat.person != work.actor), None)
    if not isinstance(event, Block) or blocker is None or blocked is None:
        return Impossible(why="the members are not two")
    node, other = (accounts.node_for(tx, translator.rail, seat) for seat in (blocker, blocked))
    if node is None or other is None:
        return Missing(seats=tuple(seat for seat, found in ((blocker, node), (blocked, other)) if found is None))
    return Sending(call=extension.block(blocker=node, blocked=other, on=event.on), is_last=True)


def _failures(tx: Transaction, row: LegRow, work: Work, translator: Translator) -> Iterator[Step]:
    """A refusal tells of the event itself, leg results of those events in them that failed and came from here."""
    event = decode_event(work.event)
    if isinstance(event, Results):
        for result in event.results:
            if result.status == "failed" and result.origin == translator.rail:
                yield from _failure(tx, result.event, "undeliverable", result.why or work.leg.why)
    else:
        yield from _failure(tx, row.event_id, work.refusal or "refused", explain(work.refusal or work.leg.why))


def _failure(tx: Transaction, event_id: str, code: str, words: str) -> Iterator[Step]:
    for place in idmap.parts_of(tx, event_id):
        yield Sending(call=extension.failure(native_id=place.native_id, code=code, message=words))
