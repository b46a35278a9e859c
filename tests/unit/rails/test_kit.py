"""The kit's store and its rules, on a real SQLite file, without HTTP."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from rails.catalogue import BUNDLED
from rails.kit import accounts, messages
from rails.kit.faults import FaultPlan, Faults
from rails.kit.model import Kind, Message, Refused, Status, Why
from rails.kit.store import Store, Tx, check, run_apart
from rails.kit.webhooks import signatures


def message(arrival: int, rank: int, thread: str) -> Message:
    """A message at a place."""
    return Message(
        arrival=arrival,
        native_id=str(arrival),
        thread_id=thread,
        sender_id="a",
        recipient_id="b",
        text="x",
        at_ms=arrival,
        sent_at_ms=arrival,
        rank=rank,
    )


def test_reading_order_keeps_each_threads_own_order() -> None:
    """Threads keep their places by arrival; within each, the rank decides."""
    mixed = [message(1, 9, "x"), message(2, 5, "y"), message(3, 1, "x"), message(4, 1, "y"), message(5, 9, "x")]
    assert [m.arrival for m in messages.in_reading_order(mixed)] == [3, 4, 1, 2, 5]


@pytest.fixture
def tx(tmp_path: Path) -> Tx:
    """A transaction on a new store."""
    db = sqlite3.connect(tmp_path / "rail.sqlite3", isolation_level=None)
    check(db, tmp_path / "rail.sqlite3")
    return Tx(db)


def people(tx: Tx) -> list[Any]:
    """Alice and Bob on one rail."""
    rail = BUNDLED["messenger"]
    return [
        accounts.register(tx, rail, address=name, name=name, kind=Kind.PERSON, federated=True, now_ms=1)
        for name in ("alice", "bob")
    ]


def test_statuses_only_rise(tx: Tx) -> None:
    """Read, then delivered or failed: still read; a private read is never shown later."""
    alice, bob = people(tx)
    rail = BUNDLED["messenger"]
    first, _ = messages.post(tx, rail, sender=alice, recipient=bob, text="1", now_ms=10)
    second, _ = messages.post(tx, rail, sender=alice, recipient=bob, text="2", now_ms=10)
    assert second.at_ms == first.at_ms + 1
    thread = first.thread_id
    read = messages.mark_read(tx, reader_id=bob.id, thread_id=thread, up_to=first, shown=True, now_ms=20)
    assert [m.native_id for m in read] == [first.native_id]
    assert messages.fail(tx, native_id=first.native_id, code="1", reason="x") is None
    delivered = messages.mark_delivered(tx, reader_id=bob.id, thread_id=thread, up_to=None)
    assert [m.native_id for m in delivered] == [second.native_id]
    private = messages.mark_read(tx, reader_id=bob.id, thread_id=thread, up_to=None, shown=False, now_ms=20)
    assert [m.status for m in private] == [Status.DELIVERED]
    assert messages.mark_read(tx, reader_id=bob.id, thread_id=thread, up_to=None, shown=True, now_ms=30) == []


def test_a_late_message_is_noticed(tx: Tx) -> None:
    """Only a rank below one that is shown already changes what people see."""
    alice, bob = people(tx)
    rail = BUNDLED["messenger"]
    ranks = [None, 5, None, 7, 6]
    late = [messages.post(tx, rail, sender=alice, recipient=bob, text="x", now_ms=1, rank=rank)[1] for rank in ranks]
    assert late == [False, False, False, False, True]


def test_a_failed_part_leaves_the_rest(tx: Tx) -> None:
    """What a refused part wrote is undone, what came before stays."""
    alice, bob = people(tx)

    def refuse(inner: Tx) -> None:
        accounts.set_block(inner, blocker_id=alice.id, blocked_id=bob.id, on=True)
        raise Refused(Why.BAD_REQUEST, "no")

    tx.db.execute("BEGIN")
    accounts.set_block(tx, blocker_id=bob.id, blocked_id=alice.id, on=True)
    with pytest.raises(Refused):
        run_apart(tx, refuse)
    tx.db.execute("COMMIT")
    assert accounts.is_blocked(tx, blocker_id=bob.id, blocked_id=alice.id)
    assert not accounts.is_blocked(tx, blocker_id=alice.id, blocked_id=bob.id)


async def test_changes_that_wait_together_share_a_commit(tmp_path: Path) -> None:
    """A hundred changes at once, one of them refused: each gets its own answer, in few transactions."""
    commits: list[Tx] = []
    store = Store(path=tmp_path / "rail.sqlite3", on_commit=commits.append)
    await store.open()
    running = asyncio.create_task(store.run())

    def change(number: int) -> Any:
        def within(tx: Tx) -> int:
            accounts.set_setting(tx, f"k{number}", str(number))
            if number == 50:
                raise Refused(Why.BAD_REQUEST, "no")
            return number

        return within

    statements: list[str] = []
    assert store._writer is not None
    await store._writer.call(lambda db: db.set_trace_callback(statements.append))
    answers = await asyncio.gather(*(store.write(change(n)) for n in range(100)), return_exceptions=True)
    assert [n for n, answer in enumerate(answers) if answer != n] == [50]
    assert isinstance(answers[50], Refused)
    assert len(commits) == 99
    assert 1 <= statements.count("COMMIT") <= 5
    found = await store.read(lambda tx: tx.one("SELECT count(*) FROM settings")[0])
    assert found == 99
    await store.close()
    await running
    await store.shut()
    with pytest.raises(Refused):
        await store.read(lambda tx: tx.one("SELECT 1"))


def test_faults_are_seeded_and_counted() -> None:
    """The same seed, the same dice; without a plan nothing fires."""

    def rolls() -> list[bool]:
        faults = Faults()
        assert not faults.fires("delay")
        faults.set(FaultPlan(seed=7, delay=0.5))
        rolled = [faults.fires("delay") for _ in range(50)]
        assert faults.shown()["fired"]["delay"] == sum(rolled)
        return rolled

    assert rolls() == rolls()
    assert 5 < sum(rolls()) < 45


def test_signatures_are_the_platforms() -> None:
    """HMAC-SHA256 and the older SHA-1, in hex, of the bytes as sent (values made with openssl)."""
    assert signatures("secret", b"{}") == {
        "X-Hub-Signature-256": "sha256=77325902caca812dc259733aacd046b73817372c777b8d95b402647474516e13",
        "X-Hub-Signature": "sha1=5d61605c3feea9799210ddcb71307d4ba264225f",
    }


@pytest.mark.parametrize(
    ("text", "handle"),
    [
        ("bob", "messenger:bob"),
        ("Messenger:Bob", "messenger:bob"),
        ("instagram:@Bob", "instagram:@bob"),
        ("whatsapp:+39 333-111 2222", "whatsapp:+393331112222"),
        ("matrix:@Bob:example.org", "matrix:@bob:example.org"),
        ("a b:c", None),
        ("instagram:", None),
        ("not a name", None),
    ],
)
def test_handles_are_folded(text: str, handle: str | None) -> None:
    """Spellings of the same are the same, here and elsewhere."""
    if handle is None:
        with pytest.raises(Refused) as caught:
            accounts.normal_handle(BUNDLED["messenger"], text)
        assert caught.value.why is Why.BAD_ADDRESS
    else:
        assert accounts.normal_handle(BUNDLED["messenger"], text) == handle
