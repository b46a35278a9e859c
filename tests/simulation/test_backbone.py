"""The in-memory backbone does what a nats-server does, as far as `bus/` asks: every test runs on both, unchanged."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from bus import dead, keys, subjects, topology
from bus.commit import Committer, Fenced
from bus.connection import ApiError, Connection, NoResponder
from bus.kv import Bucket, RevisionChanged
from bus.leases import LeaseLost, Leases
from bus.publish import Ack, Publisher
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.server import EmbeddedServer
from bus.stored import StoredMessage, last_of, last_of_each, message_at, read_range
from tests import must
from tests.simulation.clock import VirtualLoop
from tests.simulation.server import Server
from tests.simulation.wire import Network

RAILS = ["whatsapp"]
STREAM, LOG, LEASES = subjects.ingress_stream("whatsapp"), subjects.LOG, subjects.bucket_stream(subjects.LEASES)
WINDOW_S = 1
LIMITS = topology.Limits(duplicate_window_s=WINDOW_S)

Open = Callable[[], Awaitable[Connection]]
Contract = Callable[[Open], Awaitable[None]]


class Backbone(Protocol):
    """What a contract is run on."""

    def hold(self, contract: Contract) -> None: ...


class InMemory:
    """On a virtual clock."""

    def hold(self, contract: Contract) -> None:
        loop = VirtualLoop(1)
        network = Network(loop, Server(loop, random.Random(1)), random.Random(1))

        async def open_one() -> Connection:
            client = network.client(loop.main)
            return await Connection.open(url="", seed="", name="test", role="admin", client=client)  # type: ignore[arg-type]

        try:
            loop.run_until_complete(_held(contract, open_one))
        finally:
            loop.close()


class Real:
    """A nats-server of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, contract: Contract) -> None:
        asyncio.run(self._hold(contract))

    async def _hold(self, contract: Contract) -> None:
        pairs = keys.ensure_keys(self._folder / "keys", keys.all_roles(RAILS))
        server = EmbeddedServer(folder=self._folder / "nats", keys=pairs, rails=RAILS)
        await server.start()

        async def open_one() -> Connection:
            return await Connection.open(url=server.url, seed=pairs["admin"].seed, name="test", role="admin")

        try:
            await _held(contract, open_one)
        finally:
            await server.stop()


async def _held(contract: Contract, open_one: Open) -> None:
    opened: list[Connection] = []

    async def keep() -> Connection:
        opened.append(await open_one())
        return opened[-1]

    await topology.ensure(await keep(), rails=RAILS, partitions=4, limits=LIMITS)
    try:
        await contract(keep)
    finally:
        for conn in opened:
            await conn.close()


@pytest.fixture(params=["real", "in memory"])
def backbone(request: pytest.FixtureRequest, tmp_path: Path) -> Backbone:
    """Both, one after the other."""
    return Real(tmp_path) if request.param == "real" else InMemory()


def _items(count: int, *, partition: int = 0, first: int = 0) -> list[tuple[str, bytes, str]]:
    subject = subjects.ingress("whatsapp", partition)
    return [(subject, b"%d" % number, f"evt_{partition}_{number}") for number in range(first, first + count)]


async def _read(conn: Connection, wanted: int, *, stream: str = STREAM, limit: int = 7, **how: object) -> list[int]:
    reader = await Reader.open(conn, stream=stream, **how)  # type: ignore[arg-type]
    found: list[StoredMessage] = []
    while len(found) < wanted:
        found += await reader.pull(limit=limit)
    await reader.close()
    return [message.sequence for message in found]


def test_what_is_published_is_numbered_in_order_and_read_so(backbone: Backbone) -> None:
    """By a reader from anywhere, with filters and without; by sequence; in ranges."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        items = [item for n in range(20) for item in _items(1, partition=n % 4, first=n)]
        assert await Publisher(conn).publish_many(items) == [Ack(number) for number in range(1, 21)]
        assert await _read(conn, 20, after=0) == list(range(1, 21))
        assert await _read(conn, 4, after=4, filters=["in.whatsapp.1"]) == [6, 10, 14, 18]
        assert await _read(conn, 8, after=4, filters=["in.whatsapp.1", "in.whatsapp.3"]) == [*range(6, 21, 2)]
        found = await read_range(conn, STREAM, first=3, subject_filter="in.whatsapp.2", limit=2)
        assert [(one.sequence, one.data, one.event_id) for one in found] == [(3, b"2", "evt_2_2"), (7, b"6", "evt_2_6")]
        at = await message_at(conn, STREAM, 3)
        assert at is not None
        assert (at.subject, at.at_ms, at.data) == (found[0].subject, found[0].at_ms, found[0].data)
        assert await message_at(conn, STREAM, 21) is None
        assert await read_range(conn, STREAM, first=21) == []

    backbone.hold(contract)


@pytest.mark.parametrize("count", [3, 100], ids=["one by one", "in a batch"])
def test_an_id_is_stored_once_while_the_window_remembers_it(backbone: Backbone, count: int) -> None:
    """And again when it does not: nobody may rely on the window. A batch with a duplicate goes one by one."""

    async def contract(open_one: Open) -> None:
        publisher = Publisher(await open_one())
        await publisher.publish_many(_items(count))
        again = await publisher.publish_many([*_items(count), *_items(1, first=count)])
        assert again == [*(Ack(number, duplicate=True) for number in range(1, count + 1)), Ack(count + 1)]

        async def is_forgotten() -> None:
            assert (await publisher.publish(*_items(1)[0])).sequence > count + 1

        await must.eventually(is_forgotten)

    backbone.hold(contract)


def test_a_fence_refuses_whoever_expects_another_last_record(backbone: Backbone) -> None:
    """Before it looks at ids. Each subject has its own."""

    async def contract(open_one: Open) -> None:
        one, other = await open_one(), await open_one()
        mine, theirs = Committer(one, subject="log.0", expected=0), Committer(other, subject="log.0", expected=0)
        assert (await mine.commit(b"mine")).sequence == 1
        assert (await Committer(one, subject="log.1", expected=0).commit(b"another")).sequence == 2
        with pytest.raises(Fenced):
            await theirs.commit(b"theirs")
        assert (await mine.commit(b"mine again")).sequence == 3
        last = await last_of(one, LOG, "log.0")
        assert last is not None
        assert (last.sequence, last.data) == (3, b"mine again")
        assert await last_of(one, LOG, "log.2") is None
        headers = {"Nats-Msg-Id": "evt_0_0"}
        await Publisher(one).publish(*_items(1)[0])
        answer = await one.request(
            "in.whatsapp.0", b"", headers={**headers, "Nats-Expected-Last-Subject-Sequence": "77"}
        )
        assert b"10071" in answer.body

    backbone.hold(contract)


def test_of_rival_committers_exactly_one_wins_each_time(backbone: Backbone) -> None:
    """Both write behind the same record at the same moment."""

    async def contract(open_one: Open) -> None:
        one, other = await open_one(), await open_one()
        for number in range(20):
            rivals = [Committer(conn, subject="log.0", expected=number) for conn in (one, other)]
            outcomes = await asyncio.gather(
                *(rival.commit(b"%d by %d" % (number, who)) for who, rival in enumerate(rivals)), return_exceptions=True
            )
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Committed", "Fenced"]
        assert len(await read_range(one, LOG, first=1)) == 20

    backbone.hold(contract)


def test_a_cursor_outside_of_the_stream_is_told(backbone: Backbone) -> None:
    """Purged before it, or ending before it."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        await Publisher(conn).publish_many(_items(10))
        with pytest.raises(RolledBack, match="ends at 10"):
            await Reader.open(conn, stream=STREAM, after=11)
        assert (await conn.api(f"STREAM.PURGE.{STREAM}", {"seq": 6}))["purged"] == 5
        with pytest.raises(HistoryGone) as gone:
            await Reader.open(conn, stream=STREAM, after=3)
        assert gone.value.first_sequence == 6
        assert await _read(conn, 5, after=5) == [6, 7, 8, 9, 10]
        state = (await conn.api(f"STREAM.INFO.{STREAM}"))["state"]
        assert (state["first_seq"], state["last_seq"], state["messages"]) == (6, 10, 5)
        await conn.api(f"STREAM.PURGE.{STREAM}")
        state = (await conn.api(f"STREAM.INFO.{STREAM}"))["state"]
        assert (state["first_seq"], state["last_seq"], state["messages"]) == (11, 10, 0)

    backbone.hold(contract)


def test_a_ready_made_consumer_is_reset_to_the_cursor(backbone: Backbone) -> None:
    """Forwards and back, as often as it is opened."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        committer = Committer(conn, subject="log.3", expected=0)
        for number in range(20):
            await committer.commit(b"%d" % number)
        durable = subjects.log_consumer("whatsapp")
        for after in (0, 15, 3, 19):
            found = await _read(conn, 20 - after, stream=LOG, after=after, durable=durable, limit=100)
            assert found == list(range(after + 1, 21))
        with pytest.raises(ApiError, match="consumer not found"):
            await conn.api(f"CONSUMER.INFO.{LOG}.bridge-nobody")

    backbone.hold(contract)


def test_a_gap_in_what_is_delivered_is_noticed(backbone: Backbone) -> None:
    """Two readers on one consumer take each other's messages."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        committer, durable = Committer(conn, subject="log.0", expected=0), subjects.log_consumer("whatsapp")
        one = await Reader.open(await open_one(), stream=LOG, after=0, durable=durable)
        other = await Reader.open(await open_one(), stream=LOG, after=0, durable=durable)
        seen: dict[Reader, list[int]] = {one: [], other: []}
        lost = 0
        for number in range(40):
            await committer.commit(b"%d" % number)
            for reader in (one, other):
                try:
                    seen[reader] += [message.sequence for message in await reader.pull(limit=10, wait_s=0.02)]
                except ReaderLost:
                    lost += 1
        assert lost
        assert all(sequences == list(range(1, len(sequences) + 1)) for sequences in seen.values())

    backbone.hold(contract)


def test_an_idle_reader_is_woken_by_what_comes(backbone: Backbone) -> None:
    """And answers with nothing when nothing does."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        reader = await Reader.open(conn, stream=STREAM, after=0)
        assert await reader.pull(limit=10, wait_s=0.05) == []
        pull = asyncio.ensure_future(reader.pull(limit=10, wait_s=30))
        await Publisher(conn).publish_many(_items(1))
        assert [message.data for message in await asyncio.wait_for(pull, 5)] == [b"0"]
        assert await reader.pull(limit=10, wait_s=3) == []
        await Publisher(conn).publish_many(_items(1, first=1))
        assert [message.data for message in await reader.pull(limit=10, wait_s=30)] == [b"1"]

    backbone.hold(contract)


def test_a_bucket_has_one_value_a_key_with_its_revision(backbone: Backbone) -> None:
    """Written behind a revision or not at all; deleted and made anew."""

    async def contract(open_one: Open) -> None:
        bucket = Bucket(await open_one(), subjects.DIRECTORY)
        first = await bucket.create("a.b", b"one")
        with pytest.raises(RevisionChanged):
            await bucket.create("a.b", b"two")
        second = await bucket.update("a.b", b"two", revision=first)
        with pytest.raises(RevisionChanged):
            await bucket.update("a.b", b"three", revision=first)
        assert second > first
        await bucket.put("a.c", b"see")
        await bucket.put("ab", b"no")
        for fresh in (True, False):
            entry = await bucket.get("a.b", fresh=fresh)
            assert entry is not None
            assert (entry.value, entry.revision) == (b"two", second)
            assert await bucket.get("nobody", fresh=fresh) is None
        assert {key: entry.value for key, entry in (await bucket.get_many(["a.b", "a.c", "x"])).items()} == {
            "a.b": b"two",
            "a.c": b"see",
        }
        assert await bucket.keys("a") == ["a.b", "a.c"]
        await bucket.delete("a.b")
        assert await bucket.get("a.b") is None
        assert await bucket.keys() == ["a.c", "ab"]
        assert await bucket.create("a.b", b"again") > second

    backbone.hold(contract)


def test_what_has_a_time_to_live_vanishes_after_it_and_leaves_no_mark(backbone: Backbone) -> None:
    """Leases: held by one, free when they run out or are given back; a late renewal is refused."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        one, other = Leases(conn, holder="one", ttl_s=1), Leases(conn, holder="other", ttl_s=60)
        await one.hold([3])
        await one.hold([3, 4])
        assert await other.holders() == {"one": frozenset({3, 4})}

        async def ran_out() -> None:
            assert await other.holders() == {}

        await must.eventually(ran_out)
        with pytest.raises(LeaseLost):
            await one.hold([3])
        await other.hold([3])
        await one.hold([4])
        await other.leave()
        assert await one.holders() == {"one": frozenset({4})}

    backbone.hold(contract)


def test_the_last_of_several_subjects_comes_at_once(backbone: Backbone) -> None:
    """Those that are there, in the order of the stream; nothing when none is. Ranges say what they leave out."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        await Publisher(conn).publish_many([*_items(2, partition=1), *_items(1), *_items(1, partition=1, first=9)])
        wanted: Sequence[str] = ["in.whatsapp.0", "in.whatsapp.1", "in.whatsapp.2"]
        found = await last_of_each(conn, STREAM, wanted)
        assert [(one.sequence, one.subject) for one in found] == [(3, "in.whatsapp.0"), (4, "in.whatsapp.1")]
        assert await last_of_each(conn, STREAM, ["in.whatsapp.2"]) == []
        assert [one.sequence for one in await read_range(conn, STREAM, first=2)] == [2, 3, 4]
        assert [one.sequence for one in await read_range(conn, STREAM, first=2, subject_filter="in.*.1")] == [2, 4]
        assert [one.sequence for one in await read_range(conn, STREAM, first=4, limit=1)] == [4]

    backbone.hold(contract)


def test_core_messages_reach_who_listens_and_nobody_is_told(backbone: Backbone) -> None:
    """Patterns; requests; a subject that nobody takes."""

    async def contract(open_one: Open) -> None:
        one, other = await open_one(), await open_one()
        heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

        async def hear(message: object) -> None:
            heard.put_nowait((message.subject, message.body))  # type: ignore[attr-defined]

        subscription = await one.subscribe_core("live.*.whatsapp.>", hear)
        await one.serve_core("ask.whatsapp.redrive", _reversed)
        await one.request("$JS.API.STREAM.INFO.LOG")
        await other.publish_core("live.2.messenger.typing", b"no")
        await other.publish_core("live.2.whatsapp.typing", b"yes")
        assert await asyncio.wait_for(heard.get(), 5) == ("live.2.whatsapp.typing", b"yes")
        assert (await other.request("ask.whatsapp.redrive", b"abc")).body == b"cba"
        with pytest.raises(NoResponder):
            await other.request("ask.messenger.redrive", b"")
        await subscription.close()
        await one.request("$JS.API.STREAM.INFO.LOG")
        await other.publish_core("live.2.whatsapp.typing", b"late")
        await other.request("ask.whatsapp.redrive", b"")
        assert heard.empty()

    backbone.hold(contract)


async def _reversed(body: bytes) -> bytes:
    return body[::-1]


def test_letters_are_counted_by_subject_and_taken_out_by_number(backbone: Backbone) -> None:
    """`STREAM.INFO` with a filter, `STREAM.MSG.DELETE`, and what it answers when nothing is there."""

    async def contract(open_one: Open) -> None:
        conn = await open_one()
        publisher = Publisher(conn)
        for number in range(3):
            await publisher.publish(subjects.dead("router", "whatsapp"), b"%d" % number, f"dead-{number}")
        assert await dead.counts(conn) == {("router", "whatsapp"): 3}
        await conn.api(f"STREAM.MSG.DELETE.{subjects.DEAD}", {"seq": 2})
        assert [one.sequence for one in await read_range(conn, subjects.DEAD, first=1)] == [1, 3]
        with pytest.raises(ApiError):
            await conn.api(f"STREAM.MSG.DELETE.{subjects.DEAD}", {"seq": 2})
        with pytest.raises(ApiError) as missing:
            await conn.api("STREAM.INFO.NOWHERE")
        assert missing.value.err_code == 10059

    backbone.hold(contract)
