"""Legs -> calls: what has to be done on the rail next, and what its answer changes. The SQL half runs in transactions.

A leg is planned afresh before every attempt, from what is bound by then: so an attempt that was not answered, an echo
that came first, or a crash in the middle of a long text all lead to the same next step.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from sqlite3 import Connection as Transaction
from typing import assert_never

import msgspec

from bridges.kit import accounts, extension, idmap, parts, receipts
from bridges.kit.contract import Call, Post, Posted, Translator
from bridges.kit.logreader import Work
from bridges.kit.receipts import Place
from schemas.codec import decode_event, decode_seats
from schemas.content import Text
from schemas.dead import DeadLeg, Letter, cut
from schemas.errors import explain
from schemas.events import Block, Message, Receipt, Results
from schemas.ids import ConversationId, RailName
from schemas.log import Act, Seat

_works = msgspec.msgpack.Decoder(Work)


class _Times(msgspec.Struct):
    """Only what the metrics want of a `Work`."""

    routed_at_ms: int = 0


_times = msgspec.msgpack.Decoder(_Times)


def event_bytes(row: "LegRow") -> bytes:
    """The event of a leg as it was published; empty when the row cannot be read."""
    try:
        return bytes(_works.decode(row.payload).event)
    except msgspec.DecodeError:
        return b""


def routed_at_ms(row: "LegRow") -> int:
    """When the router's record with this leg was stored; 0 when the row does not say."""
    try:
        return _times.decode(row.payload).routed_at_ms
    except msgspec.DecodeError:
        return 0


def letter(row: "LegRow", *, rail: RailName, why: str, at_ms: int, attempts: int, may_have_been_sent: bool) -> Letter:
    """The dead letter of a leg that has been given up, with all that is needed to try it again."""
    event = event_bytes(row)
    return Letter(
        stage="outlet",
        rail=rail,
        why=why,
        event_id=row.event_id,
        at_ms=at_ms,
        payload=cut(event),
        size_bytes=len(event),
        leg=DeadLeg(
            lane=row.lane,
            act=row.act,
            source=row.source,
            conversation=row.conversation,
            position=row.position,
            rank=row.rank,
            work=row.payload,
        ),
        attempts=attempts,
        may_have_been_sent=may_have_been_sent,
    )


class LegRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `legs`."""

    id: int
    lane: str
    event_id: str
    act: Act
    source: str
    conversation: ConversationId
    position: int
    rank: int
    payload: bytes
    taken_at_ms: int


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be made for a leg.

    `post`: it writes part `part` of a message, the last one or not; `lost`: what the rail cannot show of it.
    """

    call: Call
    post: Post | None = None
    part: int = 0
    is_last: bool = False
    lost: tuple[str, ...] = ()


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing (more) is to be done. `native_ids`: what a posted message is called here."""

    native_ids: tuple[str, ...] = ()


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """These members need an account here first (`Accounts.find_node`)."""

    seats: tuple[Seat, ...]


class Impossible(msgspec.Struct, frozen=True, kw_only=True):
    """The leg makes no sense and never will."""

    why: str


Step = Sending | Finished | Missing | Impossible
_FINISHED = Finished()


def plan(tx: Transaction, row: LegRow, translator: Translator, *, done: int) -> Step:
    """The next step of a leg of which `done` calls have succeeded since we started.

    Posts do not need the number: what is bound is done. The other acts may be repeated without harm, so after a restart
    they begin anew. Raises `NotUnderstood` and `msgspec.DecodeError` for what cannot be read.
    """
    work = _works.decode(row.payload)
    match row.act:
        case "post":
            return _post(tx, row, work, translator)
        case "read" | "delivered":
            return next(islice(_receipts(tx, row, work), done, None), _FINISHED)
        case "block":
            return _block(tx, work, translator)
        case "fail":
            return next(islice(_failures(tx, row, work, translator), done, None), _FINISHED)
        case "edit" | "unsend" | "react" | "vote" | "group":
            return Impossible(why=f"{row.act} is not carried yet")
        case _:
            assert_never(row.act)


# --- post ------------------------------------------------------------------------------------------------------------


def _post(tx: Transaction, row: LegRow, work: Work, translator: Translator) -> Step:
    event = decode_event(work.event)
    if not isinstance(event, Message):
        return Impossible(why=f"a {type(event).__name__} cannot be posted")
    if not isinstance(event.content, Text):
        return Impossible(why=f"{type(event.content).__name__.lower()} is not carried yet")
    bound = idmap.parts_of(tx, row.event_id)
    capabilities = translator.capabilities
    texts = parts.split(event.content.body, limit=capabilities.text_max, unit=capabilities.text_unit)
    part = next((number for number in range(len(texts)) if number >= len(bound) or bound[number].part != number), None)
    if part is None:
        return Finished(native_ids=tuple(place.native_id for place in bound))
    seats = decode_seats(work.seats)
    sender = next((seat for seat in seats if seat.person == work.actor), None)
    recipient = next((seat for seat in seats if seat.person != work.actor), None)
    if sender is None or recipient is None:
        return Impossible(why="the members are not two")
    node, peer = (accounts.node_for(tx, translator.rail, seat) for seat in (sender, recipient))
    if node is None or peer is None:
        needed = [seat for seat, found in ((sender, node), (recipient, peer)) if found is None]
        return Missing(seats=tuple(needed))
    answered = _answered(tx, event, receipts.thread_of(node, peer)) if part == 0 else ""
    key = row.event_id if part == 0 else f"{row.event_id}#{part}"
    post = Post(
        node=node,
        peer=peer,
        text=texts[part],
        key=key,
        opaque=key,
        order=row.rank,
        sent_at_ms=event.at_ms,
        reply_to=answered,
    )
    lost = ("reply",) if event.reply_to and not answered and part == 0 else ()
    return Sending(call=translator.post(post), post=post, part=part, is_last=part == len(texts) - 1, lost=lost)


def _answered(tx: Transaction, event: Message, thread: str) -> str:
    """What the message replied to is called here: its first part, if it stands in the same thread."""
    if event.reply_to is None:
        return ""
    found = idmap.parts_of(tx, event.reply_to)
    return found[0].native_id if found and found[0].thread == thread else ""


def bound(row: LegRow, sending: Sending, posted: Posted, now_ms: int) -> list[Place]:
    """Where the native message stands that an answered post has made."""
    post = sending.post
    if post is None:
        return []
    return [
        Place(
            native_id=native_id,
            event_id=row.event_id,
            part=sending.part,
            conversation=row.conversation,
            position=row.position,
            rank=row.rank,
            thread=receipts.thread_of(post.node, post.peer),
            author=post.node,
            at_ms=posted.at_ms or now_ms,
            source=row.source,
        )
        for native_id in posted.native_ids[:1]
    ]


# --- receipts --------------------------------------------------------------------------------------------------------


def _receipts(tx: Transaction, row: LegRow, work: Work) -> Iterator[Step]:
    """One call a thread that holds the conversation."""
    event = decode_event(work.event)
    actor = _actor_seat(decode_seats(work.seats), work, event) if isinstance(event, Receipt) else None
    if actor is None:
        yield Impossible(why="nobody of the conversation has read or got it")
        return
    for thread in idmap.threads_in(tx, row.conversation):
        node = next((one for one in receipts.members_of(thread) if _acts_for(tx, one, actor)), None)
        if node is None:
            continue
        up_to = idmap.latest_for(tx, conversation=row.conversation, thread=thread, reader=node, position=row.position)
        if up_to is None:
            continue
        one, other = receipts.members_of(thread)
        peer = other if node == one else one
        call = (
            extension.read(node=node, peer=peer, up_to=up_to, private=work.leg.private)
            if row.act == "read"
            else extension.delivered(node=node, peer=peer, up_to=up_to)
        )
        yield Sending(call=call)


def _actor_seat(seats: Sequence[Seat], work: Work, event: Receipt) -> Seat | None:
    """The actor may stand in the entry under an id from before a link; their handle is still theirs."""
    return next((seat for seat in seats if seat.person == work.actor), None) or next(
        (seat for seat in seats if event.actor in seat.handles), None
    )


def _acts_for(tx: Transaction, native_id: str, seat: Seat) -> bool:
    account = accounts.by_id(tx, native_id)
    if account is None:
        return False
    return account.handle in seat.handles or (account.is_ghost and account.person == seat.person)


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
    return Sending(call=extension.block(blocker=node, blocked=other, on=event.on))


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
