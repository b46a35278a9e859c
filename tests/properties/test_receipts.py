"""Read state over rails with different receipts: the bridges' own tables and the router's state, whatever comes when.

WhatsApp names messages, Messenger a time, Instagram a message and all before it. Bob reads on all three; each webhook
comes late, twice, before the message it is about, or is lost and sent again. In the end everybody agrees.
"""

import sqlite3
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.kit import idmap, receipts
from bridges.kit.contract import NativeReceipt
from bridges.kit.daemon import SCHEMA
from bridges.kit.receipts import Place, Reach
from router.core.conversation import begin, heard, marked, said
from schemas import events
from schemas.handles import Handle
from schemas.ids import ConversationId, EventId, PersonId
from schemas.log import Conversation, order_of
from schemas.markers import Mark, Marker, MarkerKind

ALICE, BOB = PersonId("per_alice"), PersonId("per_bob")
CONVERSATION = ConversationId("cnv_1")
MOST = 6
_MS = 10


class Read(NamedTuple):
    """Bob has got or read everything up to a message, on a rail."""

    rail: str
    kind: MarkerKind
    up_to: int


class Bound(NamedTuple):
    """A rail's bridge learns what a message is called there, and its position."""

    rail: str
    number: int


class Marked(NamedTuple):
    """Bob has marked the conversation, or taken that back."""

    mark: Mark
    on: bool
    epoch: int


def native(rail: str, number: int) -> str:
    """What a rail calls a message."""
    return f"{rail}-{number}"


def place(rail: str, number: int) -> Place:
    """Where it stands: each rail has times of its own."""
    return Place(
        native_id=native(rail, number),
        event_id=f"evt_{number}",
        part=0,
        conversation=CONVERSATION,
        position=number,
        rank=order_of(number, 0),
        thread=receipts.thread_of("alice", "bob"),
        author="alice",
        at_ms=number * _MS,
        source="whatsapp",
    )


def webhook(read: Read) -> NativeReceipt:
    """The receipt in its rail's form. Instagram has none of delivery: there it is as if read."""
    said_by: dict[str, Any] = {
        "whatsapp": {"native_ids": (native("whatsapp", read.up_to),)},
        "messenger": {"watermark_ms": read.up_to * _MS + _MS - 1},
        "instagram": {"up_to": native("instagram", read.up_to)},
    }
    return NativeReceipt(reader="bob", peer="alice", status=read.kind, **said_by[read.rail])


reads = st.builds(
    Read,
    st.sampled_from(["whatsapp", "messenger", "instagram"]),
    st.sampled_from(["delivered", "read"]),
    st.integers(1, MOST),
)
marks = st.builds(Marked, st.sampled_from(["unread", "pinned"]), st.booleans(), st.integers(1, 4))


class World:
    """Three bridges' tables and the router's state of the one conversation."""

    def __init__(self) -> None:
        self.tables = {rail: sqlite3.connect(":memory:") for rail in ("whatsapp", "messenger", "instagram")}
        for tx in self.tables.values():
            tx.executescript(SCHEMA)
        state = begin(CONVERSATION, (ALICE, BOB))
        for _ in range(MOST):
            state = said(state)
        self.state: Conversation = state

    def take(self, step: Read | Bound | Marked) -> None:
        """One step."""
        match step:
            case Bound(rail=rail, number=number):
                tx = self.tables[rail]
                idmap.bind(tx, [place(rail, number)])
                self._tell(rail, idmap.release(tx, [place(rail, number)]))
            case Read(rail=rail):
                for asked in receipts.collapse([webhook(step)]):
                    self._tell(rail, idmap.reach(self.tables[rail], asked, now_ms=0))
            case Marked(mark=which, on=on, epoch=epoch):
                event = events.Marked(
                    id=EventId("evt_m"),
                    conversation=CONVERSATION,
                    actor=Handle("whatsapp:bob"),
                    mark=which,
                    on=on,
                    epoch=epoch,
                )
                self.state = marked(self.state, BOB, event)

    def _tell(self, rail: str, reached: list[Reach]) -> None:
        for reach in idmap.advance(self.tables[rail], reached):
            self.state = heard(self.state, BOB, reach.status, reach.position)


@settings(max_examples=300, deadline=None)
@given(st.lists(reads, max_size=8), st.lists(marks, max_size=4), st.randoms(use_true_random=False))
def test_read_state_and_unread_counts_converge(read: list[Read], mark: list[Marked], random: Any) -> None:
    """On any mix of the three models, in any order, doubled, and before the messages are known."""
    bound = [Bound(rail, number) for rail in ("whatsapp", "messenger", "instagram") for number in range(1, MOST + 1)]
    once: list[Read | Bound | Marked] = [*read, *mark, *bound]
    steps = once + random.choices(once, k=len(once) // 2)  # what was lost, or seemed lost, comes again
    random.shuffle(steps)
    world = World()
    for step in steps:
        world.take(step)
    furthest = max((one.up_to for one in read if one.kind == "read"), default=0)
    delivered = max((one.up_to for one in read), default=0)
    standing: dict[Mark, tuple[int, bool]] = {}
    for one in mark:
        standing[one.mark] = max(standing.get(one.mark, (0, False)), (one.epoch, one.on))
    assert world.state.markers.get(BOB, Marker()) == Marker(delivered=delivered, read=furthest, marks=standing)
    assert world.state.last - world.state.markers.get(BOB, Marker()).read == MOST - furthest


@given(st.lists(marks, min_size=1, max_size=6), st.integers(0, MOST))
def test_no_receipt_undoes_a_mark(mark: list[Marked], position: int) -> None:
    """Whichever receipts come with it or after it (mautrix/whatsapp PR#906)."""
    world = World()
    for one in mark:
        world.take(one)
    before = world.state.markers[BOB]
    for kind in ("delivered", "read"):
        world.state = heard(world.state, BOB, kind, position)
    after = world.state.markers[BOB]
    assert after.marks == before.marks
