"""Messages out: a message fitted to the rail, one native message a piece. The SQL runs in transactions.

What is bound is done, so a post may be planned any number of times; each part carries a key of its own.
"""

from collections.abc import Sequence
from sqlite3 import Connection as Transaction

import msgspec

from bridges.kit import accounts, downgrade, groups, idmap, quotes, receipts, shown, uploads
from bridges.kit.contract import Post
from bridges.kit.downgrade import AlbumPiece, Fitted, MediaPiece, Piece, Refused
from bridges.kit.legs import LegRow, Work
from bridges.kit.quotes import Quoting
from bridges.kit.steps import Context, Finished, Impossible, Missing, Sending, Step, Wanting, Written, actor_seat
from schemas.capabilities import Capabilities
from schemas.codec import decode_event, decode_seats
from schemas.content import Album, Content, Media, MediaKind, Poll
from schemas.events import Message
from schemas.groups import is_group
from schemas.ids import RailName
from schemas.log import Seat


def plan(tx: Transaction, row: LegRow, work: Work, context: Context) -> Step:
    """The next piece of a message, or what it needs first."""
    event = decode_event(work.event)
    if not isinstance(event, Message):
        return Impossible(why=f"a {type(event).__name__} cannot be posted")
    event = msgspec.structs.replace(event, expires=work.expires)
    seats = decode_seats(work.seats)
    if is_group(row.conversation):
        return _in_group(tx, row, work, event, context, seats=seats)
    sender = next((seat for seat in seats if seat.person == work.actor), None)
    recipient = next((seat for seat in seats if seat.person != work.actor), None)
    if sender is None or recipient is None:
        return Impossible(why="the members are not two")
    rail = context.translator.rail
    node, peer = (accounts.node_for(tx, rail, seat) for seat in (sender, recipient))
    if node is None or peer is None:
        needed = [seat for seat, found in ((sender, node), (recipient, peer)) if found is None]
        return Missing(seats=tuple(needed))
    return to(tx, row, event, context, seats=seats, sender=sender, node=node, peer=peer)


def _in_group(
    tx: Transaction, row: LegRow, work: Work, event: Message, context: Context, *, seats: Sequence[Seat]
) -> Step:
    """A message to the native group, which is made first where it is not there yet."""
    native_id = groups.native_of(tx, row.conversation)
    if not native_id:
        step = groups.plan(tx, row.conversation, groups.state_of(tx, row.conversation), context)
        return msgspec.structs.replace(step, is_last=False) if isinstance(step, Sending) else step
    sender = actor_seat(seats, work, event.actor)
    if sender is None:
        return Impossible(why="nobody of the group has said it")
    node = accounts.node_for(tx, context.translator.rail, sender)
    if node is None:
        return Missing(seats=(sender,))
    peer = receipts.group_peer(native_id)
    return to(tx, row, event, context, seats=seats, sender=sender, node=node, peer=peer)


def to(
    tx: Transaction,
    row: LegRow,
    event: Message,
    context: Context,
    *,
    seats: Sequence[Seat],
    sender: Seat,
    node: str,
    peer: str,
    first: int = 0,
    heading: str = "",
) -> Step:
    """The next piece of a message in one thread. `first`: the number of its first part; `heading`: a line above it."""
    answered = _answered(tx, event, receipts.thread_of(node, peer))
    if answered and not context.translator.capabilities.reply.is_native:
        answered = ""
    quote = (
        "" if answered or event.reply_to is None else quotes.look(tx, context.quotes, event.reply_to, event.reply_rank)
    )
    if isinstance(quote, Quoting):
        return quote
    fitted = fit(
        tx,
        row,
        event.content,
        context,
        seats=seats,
        author=sender.name,
        forwarded=event.forwarded,
        answering=quote,
        heading=heading,
    )
    if isinstance(fitted, Refused):
        return Impossible(why=fitted.why)
    return _next(tx, row, event, context, fitted=fitted, node=node, peer=peer, answered=answered, first=first)


def fit(
    tx: Transaction,
    row: LegRow,
    content: Content,
    context: Context,
    *,
    seats: Sequence[Seat],
    author: str = "",
    forwarded: int = 0,
    answering: str = "",
    in_place: bool = False,
    heading: str = "",
) -> Fitted | Refused:
    """Content as this rail takes it, with what the rail is known to refuse of its files left out of account.

    `in_place`: for a message that is edited where it stands, and so may be as long as people there may write.
    """
    able = _able(tx, content, context.translator.capabilities)
    return downgrade.fit(
        content,
        _as_of_people(able) if in_place else able,
        style=context.translator.style,
        link_for=lambda media: context.link_for(media, row.taken_at_ms),
        name_of=lambda party: _name(context.translator.rail, seats, party),
        author=author,
        forwarded=forwarded,
        answering=answering,
        heading=heading,
    )


def _next(
    tx: Transaction,
    row: LegRow,
    event: Message,
    context: Context,
    *,
    fitted: Fitted,
    node: str,
    peer: str,
    answered: str,
    first: int,
) -> Step:
    bound = {place.part: place for place in idmap.parts_of(tx, row.event_id)}
    pieces = fitted.pieces
    part = next((number for number in range(first, first + len(pieces)) if number not in bound), None)
    if part is None:
        native_ids = tuple(bound[number].native_id for number in range(first, first + len(pieces)))
        skipped = "" if pieces else "this rail shows nothing of it"
        return Finished(native_ids=native_ids, lost=fitted.lost, skipped=skipped)
    piece = pieces[part - first]
    found = uploads.of(tx, files_of(piece), context.now_ms())
    if isinstance(found, list):
        return Wanting(node=node, files=tuple(found))
    key = row.event_id if part == 0 else f"{row.event_id}#{part}"
    post = Post(
        node=node,
        peer=receipts.native_peer(peer),
        in_group=receipts.is_group(peer),
        piece=piece,
        key=key,
        opaque=key,
        order=row.rank,
        sent_at_ms=event.at_ms,
        reply_to=answered if part == first else "",
        forwarded=event.forwarded,
        uploads=found,
        expires=event.expires,
    )
    poll = event.content if isinstance(event.content, Poll) else None
    written = Written(
        post=post,
        event_id=row.event_id,
        part=part,
        position=row.position,
        rank=row.rank,
        shown=shown.of(piece, poll=poll),
    )
    return Sending(
        call=context.translator.post(post), written=written, is_last=part == first + len(pieces) - 1, lost=fitted.lost
    )


def _answered(tx: Transaction, event: Message, thread: str) -> str:
    """What the message replied to is called in this thread: its first part there; empty: it does not stand in it."""
    if event.reply_to is None:
        return ""
    found = idmap.parts_of(tx, event.reply_to)
    return next((place.native_id for place in found if place.thread == thread), "")


def files_of(piece: Piece) -> list[tuple[Media, MediaKind]]:
    """The files that a piece shows."""
    match piece:
        case MediaPiece(media=media, kind=kind):
            return [(media, kind)]
        case AlbumPiece(items=items):
            return [(item.media, item.kind) for item in items]
        case _:
            return []


def _able(tx: Transaction, content: Content, capabilities: Capabilities) -> Capabilities:
    """The capabilities without the kinds as which the rail has refused one of these files."""
    files = content.items if isinstance(content, Album) else (content,) if isinstance(content, Media) else ()
    refused = {kind for media in files for kind in uploads.refused(tx, media.sha256)}
    if not refused:
        return capabilities
    left = {kind: limit for kind, limit in capabilities.media.items() if kind not in refused}
    return msgspec.structs.replace(capabilities, media=left)


def _as_of_people(capabilities: Capabilities) -> Capabilities:
    if not capabilities.app_text_max:
        return capabilities
    return msgspec.structs.replace(capabilities, text_max=capabilities.app_text_max, text_unit="characters")


def _name(rail: RailName, seats: Sequence[Seat], party: str) -> str:
    """What a mentioned member is called: by their address on this rail, a ghost by their name; empty: nobody here."""
    seat = next((seat for seat in seats if party == seat.person or party in seat.handles), None)
    if seat is None:
        return ""
    addresses = (address for where, _, address in (handle.partition(":") for handle in seat.handles) if where == rail)
    return next(addresses, seat.name).removeprefix("@")
