"""Native receipts -> canonical positions. Pure.

Three models, one result. WhatsApp names each message, Messenger says "everything at or before this time", Instagram
"everything up to this message". All become "the reader has got up to position n", one number a conversation; a thread
may hold messages of several conversations (those from before two accounts were linked), so one receipt may become
several. What to look up is decided here, looking up is `idmap`'s.
"""

from collections.abc import Iterable

import msgspec

from bridges.kit.contract import NativeReceipt
from schemas.ids import ConversationId
from schemas.markers import MarkerKind


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where one native message stands. `position` and `rank` are None until the log has said, 0 when it was refused."""

    native_id: str
    event_id: str
    part: int
    conversation: ConversationId
    position: int | None
    rank: int | None
    thread: str
    author: str
    at_ms: int
    source: str


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """A reader has got up to a position in a conversation: what becomes a Receipt event."""

    conversation: ConversationId
    reader: str
    status: MarkerKind
    position: int


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """All that several receipts of one reader in one thread say, together."""

    reader: str
    peer: str
    status: MarkerKind
    native_ids: tuple[str, ...]
    up_to: tuple[str, ...]
    watermark_ms: int | None


_GROUP = "group:"


def group_peer(native_id: str) -> str:
    """A group as somebody's peer: marked, so that nobody takes it for an account. It is also its thread's name."""
    return _GROUP + native_id


def is_group(peer_or_thread: str) -> bool:
    """Whether a peer, or a thread, is a group."""
    return peer_or_thread.startswith(_GROUP)


def native_peer(peer: str) -> str:
    """The id by which the rail knows a peer."""
    return peer.removeprefix(_GROUP)


def thread_of(one: str, other: str) -> str:
    """The name of the direct thread of two accounts, whoever of them is named first; or of the group that one is."""
    if one.startswith(_GROUP):
        return one
    if other.startswith(_GROUP):
        return other
    return "|".join(sorted((one, other)))


def members_of(thread: str) -> tuple[str, str]:
    """The two accounts of a direct thread."""
    one, _, other = thread.partition("|")
    return one, other


def peer_in(thread: str, node: str) -> str:
    """Whom an account is with in a thread: the other account, or the group."""
    if is_group(thread):
        return thread
    one, other = members_of(thread)
    return other if node == one else one


def collapse(receipts: Iterable[NativeReceipt]) -> list[Asked]:
    """Many receipts -> one a (reader, peer, status), in the order of their first; of watermarks the furthest."""
    found: dict[tuple[str, str, MarkerKind], Asked] = {}
    for receipt in receipts:
        key = (receipt.reader, receipt.peer, receipt.status)
        before = found.get(key) or Asked(
            reader=receipt.reader, peer=receipt.peer, status=receipt.status, native_ids=(), up_to=(), watermark_ms=None
        )
        found[key] = msgspec.structs.replace(
            before,
            native_ids=(*before.native_ids, *receipt.native_ids),
            up_to=(*before.up_to, receipt.up_to) if receipt.up_to else before.up_to,
            watermark_ms=_later(before.watermark_ms, receipt.watermark_ms),
        )
    return list(found.values())


def _later(one: int | None, other: int | None) -> int | None:
    return one if other is None else other if one is None else max(one, other)


def believable(place: Place, *, reader: str, peer: str) -> bool:
    """Whether a receipt for this message by this reader makes sense: theirs to read, in their thread."""
    is_theirs = place.author != reader if is_group(peer) else place.author == peer
    return is_theirs and place.thread == thread_of(reader, peer)


def furthest(reaches: Iterable[Reach]) -> list[Reach]:
    """One reach a (conversation, reader, status): the furthest."""
    best: dict[tuple[ConversationId, str, MarkerKind], Reach] = {}
    for reach in reaches:
        key = (reach.conversation, reach.reader, reach.status)
        if reach.position > 0 and (key not in best or best[key].position < reach.position):
            best[key] = reach
    return list(best.values())
