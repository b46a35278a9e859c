"""Reader and committer against a real server: order, fences, and kill -9 in the middle."""

import asyncio
import os
import signal

import pytest

from bus import subjects
from bus.commit import Committer, Fenced
from bus.connection import ApiError, Connection, TooLarge
from bus.publish import Ack, BusFull, BusUnavailable, Publisher
from bus.reader import HistoryGone, Reader, ReaderLost, RolledBack
from bus.stored import StoredMessage, last_of, message_at, read_range
from tests import must
from tests.integration.conftest import Bus, Connect

STREAM = subjects.ingress_stream("whatsapp")


def _items(count: int, *, partition: int = 0, first: int = 0) -> list[tuple[str, bytes, str]]:
    subject = subjects.ingress("whatsapp", partition)
    return [(subject, b"%d" % number, f"evt_{partition}_{number}") for number in range(first, first + count)]


async def _read(
    conn: Connection, wanted: int, *, after: int = 0, limit: int = 64, **how: object
) -> list[StoredMessage]:
    reader = await Reader.open(conn, stream=STREAM, after=after, **how)  # type: ignore[arg-type]
    found: list[StoredMessage] = []
    while len(found) < wanted:
        found += await reader.pull(limit=limit)
    await reader.close()
    return found


async def test_a_reader_sees_every_message_once_in_order(admin: Connection) -> None:
    """Whatever the size of the pulls."""
    acks = await Publisher(admin).publish_many(_items(1000))
    assert [ack.sequence for ack in acks] == list(range(1, 1001))
    for limit in (7, 250, 5000):
        found = await _read(admin, 1000, limit=limit)
        assert [message.data for message in found] == [b"%d" % number for number in range(1000)]
        assert [message.sequence for message in found] == list(range(1, 1001))
    assert found[5].event_id == "evt_0_5"
    assert found[5].subject == "in.whatsapp.0"
    assert (await message_at(admin, STREAM, 6)) == found[5]
    assert await read_range(admin, STREAM, first=6, limit=1) != []


async def test_a_reader_begins_behind_its_cursor_and_takes_only_its_subjects(admin: Connection) -> None:
    """With one filter and with several."""
    publisher = Publisher(admin)
    await publisher.publish_many([item for n in range(20) for item in _items(1, partition=n % 4, first=n)])
    found = await _read(admin, 4, after=4, filters=["in.whatsapp.1"])
    assert [message.sequence for message in found] == [6, 10, 14, 18]
    found = await _read(admin, 8, after=4, filters=["in.whatsapp.1", "in.whatsapp.3"])
    assert [message.sequence for message in found] == [6, 8, 10, 12, 14, 16, 18, 20]


async def test_an_idle_reader_answers_with_nothing_and_a_new_message_wakes_it(admin: Connection) -> None:
    """An empty list when nothing comes; at once when something does."""
    reader = await Reader.open(admin, stream=STREAM, after=0)
    assert await reader.pull(limit=10, wait_s=0.05) == []
    pull = asyncio.ensure_future(reader.pull(limit=10, wait_s=30))
    await Publisher(admin).publish_many(_items(1))
    assert [message.data for message in await asyncio.wait_for(pull, 5)] == [b"0"]


async def test_large_messages_are_pulled_in_parts(admin: Connection) -> None:
    """A pull is bounded by bytes too: ten of 4 MiB are more than one answer."""
    committer = Committer(admin, subject="log.0", expected=0)
    for number in range(10):
        await committer.commit(b"%d" % number * (4 * 1024 * 1024))
    reader = await Reader.open(admin, stream="LOG", after=0)
    pulls = []
    while sum(map(len, pulls)) < 10:
        pulls.append(await reader.pull(limit=100, wait_s=10))
    assert [message.sequence for pull in pulls for message in pull] == list(range(1, 11))


async def test_a_cursor_ahead_of_the_stream_or_before_its_beginning_is_reported(admin: Connection) -> None:
    """A rolled-back store and eaten history are told apart and never read over."""
    await Publisher(admin).publish_many(_items(10))
    with pytest.raises(RolledBack, match="ends at 10"):
        await Reader.open(admin, stream=STREAM, after=11)
    await admin.api(f"STREAM.PURGE.{STREAM}", {"seq": 6})
    with pytest.raises(HistoryGone) as gone:
        await Reader.open(admin, stream=STREAM, after=3)
    assert gone.value.first_sequence == 6
    assert [message.sequence for message in await _read(admin, 5, after=5)] == [6, 7, 8, 9, 10]


async def test_the_ready_made_consumer_is_reset_to_the_cursor(admin: Connection, connect: Connect) -> None:
    """A bridge opens its durable again and again from wherever its own cursor stands."""
    committer = Committer(admin, subject="log.3", expected=0)
    for number in range(20):
        await committer.commit(b"%d" % number)
    bridge = await connect("bridge-whatsapp")
    for after in (0, 15, 3, 20):
        reader = await Reader.open(bridge, stream="LOG", after=after, durable=subjects.log_consumer("whatsapp"))
        found: list[StoredMessage] = []
        while len(found) < 20 - after:  # a pull takes what has come, which may be a part
            found += await reader.pull(limit=100)
        assert [message.sequence for message in found] == list(range(after + 1, 21))
        assert await reader.pull(limit=100, wait_s=0.05) == []
        await reader.close()


async def test_a_rival_on_the_same_consumer_is_noticed(admin: Connection, connect: Connect) -> None:
    """A predecessor's pull that steals messages shows as a gap; nothing is skipped in silence."""
    committer = Committer(admin, subject="log.0", expected=0)
    durable = subjects.log_consumer("whatsapp")
    one = await Reader.open(await connect("bridge-whatsapp"), stream="LOG", after=0, durable=durable)
    other = await Reader.open(await connect("bridge-whatsapp"), stream="LOG", after=0, durable=durable)
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
    for sequences in seen.values():
        assert sequences == list(range(1, len(sequences) + 1))


async def test_headers_that_look_like_the_servers_marks_do_not_blind_a_reader(
    nats_server: Bus, admin: Connection
) -> None:
    """A publisher may put a status, or a false sequence, into its headers: it is stored as it came."""
    await Publisher(admin).publish_many(_items(1))
    for block in (
        b"NATS/1.0 404 No Messages\r\n\r\n",
        b"NATS/1.0\r\nNats-Sequence: 999\r\nNats-Subject: log.0\r\n\r\n",
    ):
        await admin._client._send_command(
            b"HPUB in.whatsapp.0 %d %d\r\n%s%s\r\n" % (len(block), len(block) + 3, block, b"bad")
        )
        await admin._client.flush()

    async def all_stored() -> None:
        assert (await admin.api(f"STREAM.INFO.{STREAM}"))["state"]["messages"] == 3

    await must.eventually(all_stored)
    await Publisher(admin).publish_many(_items(1, first=1))
    for found in (await _read(admin, 4), await read_range(admin, STREAM, first=1)):
        assert [(message.sequence, message.data) for message in found] == [
            (1, b"0"),
            (2, b"bad"),
            (3, b"bad"),
            (4, b"1"),
        ]
        assert {message.subject for message in found} == {"in.whatsapp.0"}


async def test_of_two_rival_committers_exactly_one_wins_each_time(connect: Connect, admin: Connection) -> None:
    """The other is `Fenced`, and the log holds the winner's record."""
    one, other = await connect("router"), await connect("router")
    expected = 0
    for turn in range(50):
        rivals = [Committer(conn, subject="log.7", expected=expected) for conn in (one, other)]
        records = [b"%d by %d" % (turn, number) for number in range(2)]
        results = await asyncio.gather(
            *(rival.commit(record) for rival, record in zip(rivals, records, strict=True)), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["Committed", "Fenced"]
        last = await last_of(admin, "LOG", "log.7")
        assert last is not None
        winner = next(number for number, result in enumerate(results) if not isinstance(result, Fenced))
        assert last.data == records[winner]
        expected = last.sequence
    assert expected == 50


async def test_kill_9_of_the_server_loses_doubles_and_reorders_nothing(nats_server: Bus, connect: Connect) -> None:
    """Publisher, reader and committer at work while the server is killed four times."""
    total, kills = 1500, 4
    publishing = Publisher(await connect("bridge-whatsapp"), max_in_flight=64, within_s=60)
    conn = await connect("router")
    committed: list[bytes] = []

    async def publish() -> None:
        for first in range(0, total, 150):  # one by one, then as a batch
            await publishing.publish_many(_items(50, first=first))
            await publishing.publish_many(_items(100, first=first + 50))

    async def relay() -> None:
        committer, cursor = Committer(conn, subject="log.0", expected=0), 0
        while len(committed) < total:
            try:
                reader = await Reader.open(conn, stream=STREAM, after=cursor, filters=["in.whatsapp.0"])
                while len(committed) < total:
                    if found := await reader.pull(limit=20):
                        await committer.commit(b",".join(message.data for message in found))
                        cursor = found[-1].sequence
                        committed.extend(message.data for message in found)
            except ReaderLost:
                await asyncio.sleep(0.02)

    async def kill() -> None:
        for number in range(kills):

            async def far_enough(number: int = number) -> None:
                assert len(committed) >= (number + 0.5) * total / (kills + 1)
                assert nats_server.server.restarts == number

            await must.eventually(far_enough)
            os.kill(nats_server.server.pid, signal.SIGKILL)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for work in (publish, relay, kill):
            group.create_task(work())

    async def is_back() -> None:
        assert nats_server.server.restarts == kills
        assert conn.is_connected

    await must.eventually(is_back)
    reader = await Reader.open(conn, stream="LOG", after=0)
    in_log: list[bytes] = []
    while len(in_log) < total and (found := await reader.pull(limit=100, wait_s=must.PATIENCE_S)):
        in_log += [part for record in found for part in record.data.split(b",")]
    assert in_log == [b"%d" % number for number in range(total)] == committed


async def test_a_reader_is_told_when_the_connection_breaks(nats_server: Bus, admin: Connection) -> None:
    """At once, not when its pull would have run out."""
    reader = await Reader.open(admin, stream=STREAM, after=0)
    pull = asyncio.ensure_future(reader.pull(limit=10, wait_s=30))
    os.kill(nats_server.server.pid, signal.SIGKILL)
    with pytest.raises(ReaderLost, match="connection broke"):
        await asyncio.wait_for(pull, 10)


async def test_publishing_while_the_bus_is_away_ends_in_an_error_or_one_message(
    nats_server: Bus, admin: Connection
) -> None:
    """Nothing is sent late behind an error; the same id later is stored once."""
    publisher = Publisher(admin)
    await publisher.publish_many(_items(1))
    os.kill(nats_server.server.pid, signal.SIGKILL)

    async def is_away() -> None:
        assert not admin.is_connected

    await must.eventually(is_away)
    with pytest.raises(BusUnavailable):
        await publisher.publish("in.whatsapp.0", b"1", "evt_0_1", within_s=0.05)
    ack = await publisher.publish("in.whatsapp.0", b"1", "evt_0_1", within_s=30)
    again = await publisher.publish("in.whatsapp.0", b"1", "evt_0_1")
    assert (again.sequence, again.duplicate) == (ack.sequence, True)
    assert (await admin.api(f"STREAM.INFO.{STREAM}"))["state"]["messages"] == 2


async def test_a_full_stream_pushes_back_and_takes_again_when_there_is_room(admin: Connection) -> None:
    """`BusFull` names how many are left; the rest follows under the same ids."""
    config = (await admin.api(f"STREAM.INFO.{STREAM}"))["config"]
    await admin.api(f"STREAM.UPDATE.{STREAM}", {**config, "max_msgs": 10})
    publisher = Publisher(admin)
    with pytest.raises(BusFull, match="5 of 15 messages"):
        await publisher.publish_many(_items(15), within_s=0.2)
    await admin.api(f"STREAM.UPDATE.{STREAM}", {**config, "max_msgs": 100})
    acks = await publisher.publish_many(_items(15))
    assert [ack.duplicate for ack in acks] == [True] * 10 + [False] * 5


async def test_batches_keep_order_and_ids_whatever_was_there_before(admin: Connection) -> None:
    """Refused as a whole for one duplicate, a batch goes one by one, before the batches behind it."""
    publisher = Publisher(admin)
    assert (await publisher.publish_many(_items(1, first=700)))[0].sequence == 1
    acks = await publisher.publish_many(_items(1600))
    assert [number for number, ack in enumerate(acks) if ack.duplicate] == [700]
    assert (await publisher.publish_many(_items(1600)))[1:] == [Ack(ack.sequence, duplicate=True) for ack in acks[1:]]
    found = await _read(admin, 1600)
    assert [message.data for message in found] == [b"%d" % n for n in (700, *range(700), *range(701, 1600))]
    assert [found[ack.sequence - 1].event_id for ack in acks] == [f"evt_0_{n}" for n in range(1600)]


async def test_too_large_a_message_is_refused_here_and_the_connection_lives(admin: Connection) -> None:
    """The server would close the connection for good; the limit counts the headers."""
    body = b"x" * admin.max_payload_bytes
    with pytest.raises(TooLarge, match="with headers"):
        await Publisher(admin).publish("in.whatsapp.0", body, "evt_x")
    with pytest.raises(TooLarge):
        await Committer(admin, subject="log.0", expected=0).commit(body)
    assert admin.is_connected
    assert not admin.closed.is_set()
    with pytest.raises(ApiError, match="10059"):
        await admin.api("STREAM.INFO.NO_SUCH_STREAM")
