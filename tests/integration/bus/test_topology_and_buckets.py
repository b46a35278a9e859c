"""The topology, made and made again; buckets and leases on it."""

import pytest

from bus import subjects, topology
from bus.connection import Connection
from bus.kv import Bucket, RevisionChanged
from bus.leases import LeaseLost, Leases
from bus.publish import Publisher
from bus.reader import Reader
from tests import must
from tests.integration.conftest import PARTITIONS, RAILS, Connect


async def test_making_it_again_changes_nothing(admin: Connection) -> None:
    """`ensure` is harmless on a bus that is as it should be."""
    before = (await admin.api("STREAM.LIST"))["streams"]
    await topology.ensure(admin, rails=RAILS, partitions=PARTITIONS)
    after = (await admin.api("STREAM.LIST"))["streams"]
    assert [stream["config"] for stream in after] == [stream["config"] for stream in before]
    assert [stream["state"]["last_seq"] for stream in after] == [stream["state"]["last_seq"] for stream in before]


async def test_a_changed_limit_and_a_new_rail_are_applied_and_messages_stay(admin: Connection) -> None:
    """`ensure` migrates what is there."""
    await Publisher(admin).publish("in.whatsapp.0", b"1", "evt_1")
    limits = topology.Limits(ingress_keep_s=3600, ingress_bytes=1024 * 1024, duplicate_window_s=600)
    await topology.ensure(admin, rails=[*RAILS, "matrix"], partitions=PARTITIONS, limits=limits)
    found = await admin.api("STREAM.INFO.IN_WHATSAPP")
    assert found["config"]["max_age"] == 3600 * 10**9
    assert found["state"]["messages"] == 1
    await Publisher(admin).publish("in.matrix.0", b"1", "evt_1")
    assert (await admin.api("CONSUMER.INFO.LOG.bridge-matrix"))["config"]["ack_policy"] == "none"


async def test_another_number_of_partitions_is_refused(admin: Connection, connect: Connect) -> None:
    """By `ensure`, and by every daemon's `check` with its own key."""
    with pytest.raises(topology.TopologyError, match=r"set router\.partitions = 16"):
        await topology.ensure(admin, rails=RAILS, partitions=32)
    for role in ("bridge-instagram", "router", "ledger"):
        conn = await connect(role)
        await topology.check(conn, partitions=PARTITIONS)
        with pytest.raises(topology.TopologyError, match="has 16 partitions, the settings say 8"):
            await topology.check(conn, partitions=8)


async def test_ingress_is_deduplicated_per_rail(admin: Connection) -> None:
    """One rail cannot use up an id of another's."""
    publisher = Publisher(admin)
    first = await publisher.publish("in.whatsapp.0", b"1", "evt_1")
    again = await publisher.publish("in.whatsapp.1", b"1", "evt_1")
    other = await publisher.publish("in.messenger.0", b"1", "evt_1")
    assert (first.duplicate, again.duplicate, other.duplicate) == (False, True, False)


async def test_a_bucket_reads_writes_and_guards_by_revision(admin: Connection) -> None:
    """Create, update, delete and create again."""
    bucket = Bucket(admin, subjects.STATE)
    assert await bucket.get("3.con_a") is None
    first = await bucket.create("3.con_a", b"one")
    with pytest.raises(RevisionChanged):
        await bucket.create("3.con_a", b"two")
    second = await bucket.update("3.con_a", b"two", revision=first)
    with pytest.raises(RevisionChanged):
        await bucket.update("3.con_a", b"three", revision=first)
    for fresh in (False, True):
        entry = await bucket.get("3.con_a", fresh=fresh)
        assert entry is not None
        assert (entry.value, entry.revision) == (b"two", second)
    await bucket.delete("3.con_a")
    assert await bucket.get("3.con_a") is None
    assert await bucket.get_many(["3.con_a"]) == {}
    assert await bucket.create("3.con_a", b"again") > second
    with pytest.raises(ValueError, match="is not a key"):
        await bucket.get("no spaces")


async def test_many_keys_are_read_in_few_requests(admin: Connection) -> None:
    """More than one request may bring (1,024), by key and by prefix."""
    bucket = Bucket(admin, subjects.DIRECTORY)
    wanted = [f"per_{number}" for number in range(2500)]
    items = [(bucket.subject(key), key.encode(), f"id-{key}") for key in wanted]
    await Publisher(admin).publish_many(items, within_s=60)
    await bucket.put("handle.whatsapp.1", b"x")
    found = await bucket.get_many([*wanted, "per_nobody"])
    assert {key: entry.value.decode() for key, entry in found.items()} == {key: key for key in wanted}
    assert await bucket.keys() == [*wanted, "handle.whatsapp.1"]
    assert await bucket.keys("handle") == ["handle.whatsapp.1"]
    assert await bucket.keys("hand") == []


async def test_a_lease_says_what_is_held_until_it_runs_out(connect: Connect) -> None:
    """What is held changes with every renewal; a holder that comes too late is told, and may begin anew."""
    one, other = Leases(await connect("router"), holder="r1", ttl_s=1), Leases(await connect("router"), holder="r2")
    await one.hold([5, 7])
    await one.hold([5])
    assert await other.holders() == {"r1": frozenset({5})}

    async def ran_out() -> None:
        assert await other.holders() == {}

    await must.eventually(ran_out)
    await other.hold([5])
    with pytest.raises(LeaseLost):
        await one.hold([5])
    assert await one.holders() == {"r2": frozenset({5})}
    await one.hold([])
    assert await one.holders() == {"r1": frozenset(), "r2": frozenset({5})}


async def test_a_lease_that_was_given_up_is_gone_at_once(connect: Connect) -> None:
    """No waiting for the time to run out after an orderly end; another's lease stays."""
    conn = await connect("router")
    one, other = Leases(conn, holder="r1", ttl_s=60), Leases(conn, holder="r2", ttl_s=60)
    await one.hold([0])
    await other.hold([1])
    await one.leave()
    await one.leave()
    assert await other.holders() == {"r2": frozenset({1})}
    await one.hold([0])
    assert await other.holders() == {"r1": frozenset({0}), "r2": frozenset({1})}


async def test_a_second_process_of_the_same_name_holds_nothing(connect: Connect) -> None:
    """Two that were started from one folder: the first goes on, the second is refused and knows why."""
    conn = await connect("router")
    first, second = Leases(conn, holder="r1", ttl_s=60), Leases(conn, holder="r1", ttl_s=60)
    await first.hold([0])
    for _ in range(5):
        assert not second.has_twin
        with pytest.raises(LeaseLost):
            await second.hold([0])
    assert second.has_twin
    await second.leave()
    await first.hold([0, 1])
    assert await second.holders() == {"r1": frozenset({0, 1})}
    await first.leave()
    await second.hold([2])
    assert not second.has_twin


async def test_a_renewal_whose_answer_was_lost_counts(connect: Connect) -> None:
    """It was written, and nobody else did it: the next one goes on from there."""
    conn = await connect("router")
    one = Leases(conn, holder="r1", ttl_s=60)
    await one.hold([0])
    bucket = Bucket(conn, subjects.LEASES)
    entry = await bucket.get("holder.r1")
    assert entry is not None
    await bucket.put("holder.r1", entry.value)
    await one.hold([0, 1])
    assert await one.holders() == {"r1": frozenset({0, 1})}


async def test_a_deadline_arrives_when_its_time_has_come(connect: Connect) -> None:
    """By the server's own scheduling, whoever is down meanwhile; one deadline a name."""
    router = await connect("router")
    headers = {"Nats-Schedule": "@at 2026-01-01T00:00:00Z", "Nats-Schedule-Target": subjects.due(3)}
    answer = await router.request(subjects.schedule(3, "evt_1"), b"expire", headers=headers)
    assert b"error" not in answer.body
    reader = await Reader.open(router, stream=subjects.SCHEDULE, after=0, filters=[subjects.due(3)])
    assert [message.data for message in await reader.pull(limit=1, wait_s=must.PATIENCE_S)] == [b"expire"]
