"""Edits, unsends and votes out. The SQL runs in transactions; what is asked for is compared with what is shown.

A message may stand here in several parts, and be answered by corrections; any change means all of it. An edit splits
the text anew: parts that say something else are edited in place, surplus ones taken back, missing ones posted. What the
rail refuses for good is said in words: a correction that answers the original, a notice.

Nobody but the author changes a message: the account that wrote it here must be the actor's own, or their ghost.
"""

from collections.abc import Sequence
from sqlite3 import Connection as Transaction

import msgspec

from bridges.kit import extension, idmap, posting, quotes, receipts, shown, words
from bridges.kit import lost as phrases
from bridges.kit.contract import Post
from bridges.kit.downgrade import Refused, TextPiece
from bridges.kit.legs import LegRow, Work
from bridges.kit.receipts import Place
from bridges.kit.shown import GONE, Kind, Shown
from bridges.kit.steps import (
    LATER,
    Context,
    Finished,
    Impossible,
    Sending,
    Step,
    Written,
    actor_seat,
    acts_for,
    later_part,
    node_in,
)
from schemas.codec import decode_event, decode_seats
from schemas.content import Album, Content, Media, Text
from schemas.events import Edit, Expired, TargetEvent, Unsend, Vote
from schemas.log import Seat

NOT_HERE = "the message is not on this rail"
NOT_THEIRS = "only its author may change a message, and on this rail somebody else wrote it"
PAST = ("unsent", "not_found")
"""Refusals that say the message is gone: nothing is left to be done to it."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a message as it stands here."""

    place: Place
    shown: Shown


def standing(tx: Transaction, target: str) -> list[Standing]:
    """The parts of a message here, corrections and the like at the end."""
    return [Standing(place=place, shown=shown.get(tx, place.native_id)) for place in idmap.parts_of(tx, target)]


def _authors(tx: Transaction, work: Work, event: TargetEvent, first: Place) -> Seat | None:
    """The actor's seat, if they wrote it."""
    seat = actor_seat(decode_seats(work.seats), work, event.actor)
    return seat if seat is not None and acts_for(tx, first.author, seat) else None


# --- edits -----------------------------------------------------------------------------------------------------------


def edit(tx: Transaction, row: LegRow, work: Work, context: Context, *, refused: str) -> Step:
    """The next call of an edit. `refused`: why the rail would not have it in place."""
    event = decode_event(work.event)
    if not isinstance(event, Edit):
        return Impossible(why=f"a {type(event).__name__} is no edit")
    parts = standing(tx, event.target)
    live = [one for one in parts if one.shown.kind != "gone"]
    text = _words_of(event.content)
    if not parts and text is not None:
        quotes.note(tx, event.target, row.rank)
    if not live or text is None or refused in PAST:
        return Finished(skipped="the edit has no words" if live and text is None else NOT_HERE)
    if _authors(tx, work, event, parts[0].place) is None:
        return Impossible(why=NOT_THEIRS)
    if refused or not context.translator.capabilities.edit.is_native:
        said = words.correction(text) or text
        return said_later(tx, row, work, context, event=event, live=live, said=said, phrase=phrases.EDIT_CORRECTION)
    body = [one for one in live if one.place.part < LATER]
    is_one = len(body) == 1 and body[0].shown.kind == "text"
    fitted = posting.fit(tx, row, text, context, seats=decode_seats(work.seats), in_place=is_one)
    if isinstance(fitted, Refused):
        return Impossible(why=fitted.why)
    pieces = [piece for piece in fitted.pieces if isinstance(piece, TextPiece)]
    step = _in_place(row, context, event=event, parts=parts, pieces=pieces)
    return step or Finished(native_ids=tuple(one.place.native_id for one in live), lost=fitted.lost)


def _in_place(
    row: LegRow, context: Context, *, event: Edit, parts: Sequence[Standing], pieces: Sequence[TextPiece]
) -> Step | None:
    """The first part that does not say what it should; None when all do."""
    body = [one for one in parts if one.place.part < LATER and one.shown.kind != "gone"]
    worded = [one for one in body if one.shown.has_words] or body[:1]
    node = parts[0].place.author
    for one, piece in zip(worded, pieces, strict=False):
        if one.shown.digest != shown.words_digest(piece.body):
            call = extension.edit(node=node, native_id=one.place.native_id, text=piece.body, plain=piece.plain)
            kind: Kind = "captioned" if one.shown.kind in ("file", "captioned") else "text"
            now = Shown(kind=kind, digest=shown.words_digest(piece.body))
            return Sending(call=call, changes=((one.place.native_id, now),), has_other_way=True)
    for one in worded[len(pieces) :]:
        return take_back(one.place)
    if len(pieces) > len(worded):
        first = parts[0].place
        number = max(one.place.part for one in parts if one.place.part < LATER) + 1
        written = _written(
            row,
            event,
            place=first,
            piece=pieces[len(worded)],
            part=number,
            order=first.rank or row.rank,
            position=first.position or 0,
        )
        return Sending(call=context.translator.post(written.post), written=written)
    return None


def _words_of(content: Content) -> Text | None:
    return content if isinstance(content, Text) else content.caption if isinstance(content, Media | Album) else None


# --- unsends ---------------------------------------------------------------------------------------------------------


def unsend(tx: Transaction, row: LegRow, work: Work, context: Context, *, refused: str) -> Step:
    """The next call of an unsend: every part goes, corrections too."""
    event = decode_event(work.event)
    if not isinstance(event, Unsend | Expired):
        return Impossible(why=f"a {type(event).__name__} is no unsend")
    parts = standing(tx, event.target)
    live = [one for one in parts if one.shown.kind != "gone"]
    if not parts:
        quotes.note(tx, event.target, 0)
    if not live:
        return Finished(skipped=NOT_HERE if not parts else "")
    if isinstance(event, Expired):
        return _expired(tx, row, work, context, event=event, live=live, refused=refused)
    seat = _authors(tx, work, event, parts[0].place)
    if seat is None:
        return Impossible(why=NOT_THEIRS)
    if refused or work.leg.keep or not context.translator.capabilities.unsend.is_native:
        said = words.taken_back(seat.name)
        phrase = phrases.UNSEND_KEPT if work.leg.keep else phrases.UNSEND_NOTICE
        return said_later(tx, row, work, context, event=event, live=live, said=said, phrase=phrase)
    return take_back(live[0].place)


def _expired(
    tx: Transaction,
    row: LegRow,
    work: Work,
    context: Context,
    *,
    event: Expired,
    live: Sequence[Standing],
    refused: str,
) -> Step:
    """Nobody takes it back: its time is over, and the account that wrote it here does it, whoever's that is today."""
    if not refused and context.translator.capabilities.unsend.is_native:
        return take_back(live[0].place, expired=True)
    return said_later(
        tx, row, work, context, event=event, live=live, said=words.time_is_over(), phrase=phrases.EXPIRED_NOTICE
    )


def take_back(place: Place, *, expired: bool = False) -> Sending:
    """By whoever has written it: what somebody else has chosen or felt about a message goes with it."""
    call = extension.unsend(node=place.author, native_id=place.native_id, expired=expired)
    return Sending(call=call, changes=((place.native_id, GONE),), has_other_way=True)


# --- votes -----------------------------------------------------------------------------------------------------------


def vote(tx: Transaction, row: LegRow, work: Work, context: Context, *, refused: str) -> Step:
    """A vote where there are polls; in words where the poll stands in words."""
    event = decode_event(work.event)
    if not isinstance(event, Vote):
        return Impossible(why=f"a {type(event).__name__} is no vote")
    live = [one for one in standing(tx, event.target) if one.shown.kind != "gone"]
    if not live:
        return Finished(skipped=NOT_HERE)
    seat = actor_seat(decode_seats(work.seats), work, event.actor)
    first = live[0].place
    node = node_in(tx, context.translator.rail, first.thread, seat)
    if seat is None or node is None:
        return Impossible(why="whoever voted has no account in the thread")
    poll = next((one.shown.poll for one in live if one.shown.poll is not None), None)
    if poll is None and not refused:
        call = extension.vote(node=node, native_id=first.native_id, options=event.options)
        return Sending(call=call, is_last=True, has_other_way=True)
    if poll is None:
        return Finished(skipped=f"the rail does not take the vote: {refused}")
    said = words.voted(seat.name, poll, event.options)
    return said_later(tx, row, work, context, event=event, live=live, said=said, phrase=phrases.VOTE_WORDS, node=node)


# --- in words --------------------------------------------------------------------------------------------------------


def said_later(
    tx: Transaction,
    row: LegRow,
    work: Work,
    context: Context,
    *,
    event: TargetEvent | Expired,
    live: Sequence[Standing],
    said: Text,
    phrase: str,
    node: str = "",
    reacted: tuple[str, str, str] | None = None,
) -> Step:
    """A message of its own that answers the first part, and belongs to it: what is done to one is done to both.

    `node`: who says it, if not the message's author; `reacted`: what is shown of their reactions then.
    """
    fitted = posting.fit(tx, row, said, context, seats=decode_seats(work.seats))
    if isinstance(fitted, Refused):
        return Impossible(why=fitted.why)
    bound = {one.place.part for one in live}
    lost = (phrase, *fitted.lost)
    for number, piece in enumerate(fitted.pieces):
        part = later_part(row.rank, number)
        if part in bound or not isinstance(piece, TextPiece):
            continue
        written = _written(
            row, event, place=live[0].place, piece=piece, part=part, order=row.rank, position=0, node=node
        )
        if number == 0 and context.translator.capabilities.reply.is_native:
            written = msgspec.structs.replace(
                written, post=msgspec.structs.replace(written.post, reply_to=live[0].place.native_id)
            )
        is_last = number == len(fitted.pieces) - 1
        return Sending(
            call=context.translator.post(written.post),
            written=written,
            is_last=is_last,
            lost=lost,
            reacted=reacted if is_last else None,
        )
    return Finished(lost=lost)


def _written(
    row: LegRow,
    event: TargetEvent | Expired,
    *,
    place: Place,
    piece: TextPiece,
    part: int,
    order: int,
    position: int,
    node: str = "",
) -> Written:
    """A further part of a message. Position 0: it has no place among the messages, so receipts leave it alone."""
    node = node or place.author
    key = f"{row.event_id}#{part}"
    post = Post(
        node=node,
        peer=receipts.native_peer(receipts.peer_in(place.thread, node)),
        in_group=receipts.is_group(place.thread),
        piece=piece,
        key=key,
        opaque=key,
        order=order,
        sent_at_ms=event.at_ms,
    )
    return Written(post=post, event_id=event.target, part=part, position=position, rank=order, shown=shown.of(piece))
