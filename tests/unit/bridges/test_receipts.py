"""Three receipt models, one position: by tables, and against a model that simply knows what was read."""

import time
from contextlib import closing
from sqlite3 import Connection, connect
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.kit import idmap, receipts
from bridges.kit.contract import NativeReceipt
from bridges.kit.daemon import MIGRATIONS
from bridges.kit.receipts import Place, Reach
from schemas.ids import ConversationId
from schemas.markers import MarkerKind
from tests.unit.bridges.conftest import open_store

BEFORE, NOW = ConversationId("con_before"), ConversationId("con_now")
ALICE, BOB = "1001", "2002"
AT_MS = 5000
"""When receipts come in."""
THREAD = receipts.thread_of(ALICE, BOB)


def place(number: int, position: int | None, conversation: ConversationId = NOW, author: str = ALICE) -> Place:
    """Message `number` of the thread: on the rail at 1000 + number, in the federation's order by number."""
    return Place(
        native_id=f"m_{number}",
        event_id=f"evt_{number}",
        part=0,
        conversation=conversation,
        position=position,
        rank=None if position is None else 4096 * number,
        thread=THREAD,
        author=author,
        at_ms=1000 + number,
        source="messenger",
    )


def got(status: MarkerKind = "read", **which: object) -> NativeReceipt:
    """Bob has got, or read, what Alice wrote."""
    return NativeReceipt(reader=BOB, peer=ALICE, status=status, **which)  # type: ignore[arg-type]


def reach(tx: Connection, *given_: NativeReceipt) -> list[Reach]:
    """What is published for these receipts when they come together."""
    found = [one for asked in receipts.collapse(given_) for one in idmap.reach(tx, asked, now_ms=AT_MS)]
    return idmap.advance(tx, found)


def reached(conversation: ConversationId, position: int, status: MarkerKind = "read") -> Reach:
    """Bob has got there."""
    return Reach(conversation=conversation, reader=BOB, status=status, position=position)


MODELS = {
    "each": got(native_ids=("m_1", "m_2", "m_3")),
    "up to": got(up_to="m_3"),
    "watermark": got(watermark_ms=1003),
}


@pytest.mark.parametrize("receipt", MODELS.values(), ids=MODELS)
def test_one_thread_may_hold_two_conversations(tx: Connection, receipt: NativeReceipt) -> None:
    """Messages from before a link: one receipt for each conversation."""
    idmap.bind(tx, [place(1, 7, BEFORE), place(2, 1), place(3, 2), place(4, 3)])
    assert sorted(reach(tx, receipt), key=lambda one: one.conversation) == [reached(BEFORE, 7), reached(NOW, 2)]


@pytest.mark.parametrize("receipt", MODELS.values(), ids=MODELS)
def test_the_same_again_tells_nothing(tx: Connection, receipt: NativeReceipt) -> None:
    """A webhook comes twice; what was read was delivered."""
    idmap.bind(tx, [place(1, 1), place(2, 2), place(3, 3)])
    assert reach(tx, receipt) == [reached(NOW, 3)]
    assert reach(tx, receipt) == []
    assert reach(tx, got("delivered", native_ids=("m_3",))) == []


@pytest.mark.parametrize("receipt", MODELS.values(), ids=MODELS)
def test_a_receipt_waits_for_its_position(tx: Connection, receipt: NativeReceipt) -> None:
    """Read before the log has said where the message stands: told when it has."""
    idmap.bind(tx, [place(number, None) for number in (1, 2, 3)])
    assert reach(tx, receipt) == []
    places = idmap.settle(tx, event_id="evt_3", conversation=NOW, position=3, rank=12288)
    assert idmap.advance(tx, idmap.release(tx, places)) == [reached(NOW, 3)]
    assert tx.execute("SELECT count(*) FROM parked_receipts WHERE native_id = 'm_3'").fetchone()[0] == 0


@pytest.mark.parametrize("receipt", MODELS.values(), ids=MODELS)
def test_a_receipt_may_come_before_its_echo(tx: Connection, receipt: NativeReceipt) -> None:
    """The rail says "read" of a post whose answer and echo we have not had."""
    assert reach(tx, receipt) == []
    late = place(3, 5)
    idmap.bind(tx, [late])
    assert idmap.advance(tx, idmap.release(tx, [late])) == [reached(NOW, 5)]


def test_mautrix_imessage_38_a_receipt_waits_for_its_message_but_not_for_ever(tx: Connection) -> None:
    """One about nothing we know is forgotten after its time; one whose message waits for the log is not."""
    idmap.bind(tx, [place(1, None)])
    assert reach(tx, got(native_ids=("m_1", "m_9"))) == []
    due_ms = AT_MS + idmap.PATIENCE_MS
    assert (idmap.forget_receipts(tx, due_ms), idmap.forget_receipts(tx, due_ms + 1)) == (0, 1)
    places = idmap.settle(tx, event_id="evt_1", conversation=NOW, position=1, rank=4096)
    assert idmap.advance(tx, idmap.release(tx, places)) == [reached(NOW, 1)]


def test_receipts_parked_by_an_older_bridge_have_an_hour_more() -> None:
    """A store of the second version gets the deadline, and loses nothing."""
    with closing(connect(":memory:", isolation_level=None)) as tx:
        tx.executescript(
            "CREATE TABLE parked_receipts (native_id TEXT NOT NULL, reader TEXT NOT NULL, status TEXT NOT NULL,"
            " up_to INTEGER NOT NULL, PRIMARY KEY (native_id, reader, status, up_to)) STRICT, WITHOUT ROWID;"
            "INSERT INTO parked_receipts VALUES ('m_1', 'bob', 'read', 0);"
        )
        before_ms = time.time_ns() // 1_000_000
        tx.executescript(MIGRATIONS[3])
        until_ms = tx.execute("SELECT until_ms FROM parked_receipts").fetchone()[0]
        assert before_ms + idmap.PATIENCE_MS - 1000 <= until_ms


def test_what_was_refused_is_nobodys_marker(tx: Connection) -> None:
    """A message that the router refused has no position to be read up to."""
    idmap.bind(tx, [place(1, 1), place(2, None)])
    assert reach(tx, got(native_ids=("m_2",))) == []
    places = idmap.settle(tx, event_id="evt_2", conversation=NOW, position=0, rank=0)
    assert idmap.advance(tx, idmap.release(tx, places)) == []
    assert tx.execute("SELECT count(*) FROM parked_receipts").fetchone()[0] == 0


def test_nobody_reads_for_another(tx: Connection) -> None:
    """A receipt for a message of another thread, or for one's own, says nothing."""
    idmap.bind(tx, [place(1, 1), place(2, 2, author=BOB)])
    stranger = NativeReceipt(reader="3003", peer=ALICE, status="read", native_ids=("m_1",))
    assert reach(tx, stranger, got(native_ids=("m_2",)), got(watermark_ms=1000)) == []


def test_many_statuses_become_one(tx: Connection) -> None:
    """WhatsApp's one status a message, of a whole POST: the furthest counts."""
    idmap.bind(tx, [place(number, number) for number in range(1, 101)])
    found = reach(tx, *(got(native_ids=(f"m_{number}",)) for number in range(1, 101)))
    assert found == [reached(NOW, 100)]


def test_parts_stand_for_the_whole(tx: Connection) -> None:
    """Any part read is the message read; the last part is what a leg marks."""
    parts = [
        Place(
            **{name: getattr(place(part + 1, 9), name) for name in Place.__struct_fields__}
            | {"part": part, "event_id": "evt_x"}
        )
        for part in range(3)
    ]
    idmap.bind(tx, parts)
    assert idmap.latest_for(tx, conversation=NOW, thread=THREAD, reader=BOB, position=9) == "m_3"
    assert reach(tx, got(native_ids=("m_2",))) == [reached(NOW, 9)]


def test_a_leg_marks_the_latest_at_or_before_the_position(tx: Connection) -> None:
    """Not the reader's own, and not what comes later."""
    idmap.bind(tx, [place(1, 1), place(2, 4), place(3, 5, author=BOB), place(4, 8), place(5, None)])

    def marked(position: int) -> str | None:
        return idmap.latest_for(tx, conversation=NOW, thread=THREAD, reader=BOB, position=position)

    assert [marked(position) for position in (0, 1, 3, 4, 7, 8, 100)] == [
        None,
        "m_1",
        "m_1",
        "m_2",
        "m_2",
        "m_4",
        "m_4",
    ]
    assert idmap.threads_in(tx, NOW) == [THREAD]


Step = tuple[Literal["write", "settle", "read"], int]
STEPS = st.lists(st.tuples(st.sampled_from(["write", "settle", "read"]), st.integers(0, 30)), max_size=40)


def _receipt(model: str, number: int) -> NativeReceipt:
    if model == "each":
        return got(native_ids=tuple(f"m_{one}" for one in range(1, number + 1)))
    return got(up_to=f"m_{number}") if model == "up to" else got(watermark_ms=1000 + number)


@pytest.mark.parametrize("model", sorted(MODELS))
@given(steps=STEPS, link_at=st.integers(0, 10), twice=st.booleans())
def test_whatever_the_order_the_markers_end_where_bob_has_read(
    model: str,
    steps: list[Step],
    link_at: int,
    twice: bool,  # noqa: FBT001
) -> None:
    """Alice writes, the log settles, Bob reads, in any order: each conversation's marker is what he has read."""
    with closing(open_store()) as tx:
        written, settled, read_to = 0, 0, 0
        told: list[Reach] = []
        for step, number in [*steps, *(("settle", 0) for _ in range(40))]:
            if step == "write":
                written += 1
                idmap.bind(tx, [place(written, None)])
            elif step == "settle" and settled < written:
                settled += 1
                in_before = settled <= link_at
                position = settled if in_before else settled - link_at
                places = idmap.settle(
                    tx,
                    event_id=f"evt_{settled}",
                    conversation=BEFORE if in_before else NOW,
                    position=position,
                    rank=4096 * settled,
                )
                told += idmap.advance(tx, idmap.release(tx, places))
            elif step == "read" and written:
                upto = 1 + number % written
                read_to = max(read_to, upto)
                for _ in range(2 if twice else 1):
                    told += reach(tx, _receipt(model, upto))
        expected = {}
        if read_to:
            if link_at:
                expected[BEFORE] = min(read_to, link_at)
            if read_to > link_at:
                expected[NOW] = read_to - link_at
        assert {one.conversation: one.position for one in told} == expected
        for conversation in (BEFORE, NOW):
            positions = [one.position for one in told if one.conversation == conversation]
            assert positions == sorted(set(positions)), "a marker went back, or was told twice"
