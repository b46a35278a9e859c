"""What a bridge's key must not be able to do, each tried; and what it must."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from structlog.testing import capture_logs

from bus import subjects, topology
from bus.commit import Committer
from bus.connection import Connection, CoreMessage, NoAnswer
from bus.kv import Bucket
from bus.leases import Leases
from bus.publish import BusUnavailable, Publisher
from bus.reader import Reader
from bus.stored import read_range
from tests import must
from tests.integration.conftest import Connect

_CONSUMER = {"stream_name": "LOG", "config": {"name": "spy", "deliver_subject": "in.messenger.0", "ack_policy": "none"}}
_WAIT_S = 0.2

Attempt = Callable[[Connection], Awaitable[object]]


def _api(subject: str, body: object = None) -> Attempt:
    return lambda conn: conn.request(f"$JS.API.{subject}", msgspec.json.encode(body or {}), wait_s=_WAIT_S)


def _publish(subject: str) -> Attempt:
    return lambda conn: Publisher(conn).publish(subject, b"x", "evt_x", within_s=_WAIT_S)


ATTEMPTS: dict[str, Attempt] = {
    "publish as another rail": _publish("in.messenger.0"),
    "publish as the operator": _publish("in.operator.0"),
    "commit to the log": _publish("log.0"),
    "write the directory": _publish("$KV.DIRECTORY.per_alice"),
    "write another rail's capabilities": _publish("$KV.RAILS.messenger"),
    "take a lease": _publish("$KV.LEASES.holder.r1"),
    "bury another rail's dead": _publish("dead.outlet.messenger"),
    "say that an operator settled a letter": _publish("dead.dropped.whatsapp"),
    "ask another bridge for a redrive": lambda conn: conn.request(subjects.redrive("messenger"), wait_s=_WAIT_S),
    "write to the operator unasked": lambda conn: conn.request("_INBOX_operator.x.y", wait_s=_WAIT_S),
    "announce changed people": lambda conn: conn.request(subjects.PEOPLE_CHANGED, wait_s=_WAIT_S),
    "create a consumer": _api("CONSUMER.CREATE.LOG.spy", _CONSUMER),
    "create a durable consumer": _api("CONSUMER.DURABLE.CREATE.LOG.spy", _CONSUMER),
    "pull from another bridge's consumer": _api("CONSUMER.MSG.NEXT.LOG.bridge-messenger"),
    "reset another bridge's consumer": _api("CONSUMER.RESET.LOG.bridge-messenger", {"seq": 1}),
    "delete its own consumer": _api("CONSUMER.DELETE.LOG.bridge-whatsapp"),
    "delete a stream": _api("STREAM.DELETE.LOG"),
    "purge a stream": _api("STREAM.PURGE.IN_WHATSAPP"),
    "change a stream": _api("STREAM.UPDATE.IN_WHATSAPP", {"name": "IN_WHATSAPP"}),
    "read another rail's ingress": _api("STREAM.MSG.GET.IN_MESSENGER", {"seq": 1}),
    "read another rail's ingress directly": _api("DIRECT.GET.IN_MESSENGER", {"seq": 1}),
    "read the conversations": _api("DIRECT.GET.KV_STATE", {"seq": 1}),
}


@pytest.mark.parametrize("attempts", [ATTEMPTS])
async def test_a_bridge_may_not(connect: Connect, admin: Connection, attempts: dict[str, Attempt]) -> None:
    """All at once, on one server: every attempt stays unanswered, is denied by name and changes nothing."""
    before = await _counts(admin)
    bridge = await connect("bridge-whatsapp")
    with capture_logs() as logs:
        results = await asyncio.gather(*(attempt(bridge) for attempt in attempts.values()), return_exceptions=True)

        async def all_denied() -> None:
            assert len([line for line in logs if line["event"] == "permission.denied"]) >= len(attempts)

        await must.eventually(all_denied)
    for name, result in zip(attempts, results, strict=True):
        assert isinstance(result, NoAnswer | BusUnavailable), f"a bridge could {name}: {result}"
    assert await _counts(admin) == before
    assert not bridge.closed.is_set()


async def _counts(admin: Connection) -> dict[str, tuple[int, int]]:
    found = (await admin.api("STREAM.LIST"))["streams"]
    return {each["config"]["name"]: (each["state"]["last_seq"], each["state"]["consumer_count"]) for each in found}


@pytest.mark.parametrize("subject", ["_INBOX_router.>", "_INBOX.>", "in.>", "log.*", "$JS.API.>", ">"])
async def test_a_bridge_may_not_listen(connect: Connect, subject: str) -> None:
    """Neither to other roles' answers, nor to ingress, the log or the API."""
    bridge, router = await connect("bridge-whatsapp"), await connect("router")
    heard: list[CoreMessage] = []

    async def hear(message: CoreMessage) -> None:
        heard.append(message)

    with capture_logs() as logs:
        await bridge.subscribe_core(subject, hear)
        await Committer(router, subject="log.0", expected=0).commit(b"record")

        async def is_denied() -> None:
            assert [line["role"] for line in logs if line["event"] == "permission.denied"] == ["bridge-whatsapp"]

        await must.eventually(is_denied)
    assert heard == []


async def test_a_bridge_may_do_its_work(connect: Connect) -> None:
    """Everything its day takes: publish, look up, bury, announce, read the directory and the log."""
    bridge, router = await connect("bridge-whatsapp"), await connect("router")
    await topology.check(bridge, partitions=16)
    heard: list[bytes] = []

    async def hear(message: CoreMessage) -> None:
        heard.append(message.body)

    await bridge.subscribe_core(subjects.PEOPLE_CHANGED, hear)
    await Publisher(bridge).publish(subjects.ingress("whatsapp", 3), b"event", "evt_1")
    assert [message.event_id for message in await read_range(bridge, "IN_WHATSAPP", first=1)] == ["evt_1"]
    await Publisher(bridge).publish(subjects.dead("outlet", "whatsapp"), b"leg", "evt_2")
    await Bucket(bridge, "RAILS").put("whatsapp", b"capabilities")
    await Bucket(bridge, "RAILS").put_with_ttl("whatsapp.state", b"connected", ttl_s=60)
    await Bucket(router, "DIRECTORY").put("per_alice", b"alice")
    found = await Bucket(bridge, "DIRECTORY").get_many(["per_alice", "per_bob"])
    assert {key: entry.value for key, entry in found.items()} == {"per_alice": b"alice"}
    await Committer(router, subject="log.3", expected=0).commit(b"record")
    reader = await Reader.open(bridge, stream="LOG", after=0, durable=subjects.log_consumer("whatsapp"))
    assert [message.data for message in await reader.pull(limit=10)] == [b"record"]
    await bridge.publish_core(subjects.live(3, "whatsapp", "typing"), b"typing")
    await router.publish_core(subjects.PEOPLE_CHANGED, b"per_alice")

    async def is_told() -> None:
        assert heard == [b"per_alice"]

    await must.eventually(is_told)


async def test_router_ledger_console_and_operator_may_do_theirs(connect: Connect) -> None:
    """The other roles' daily work, each with its own key."""
    router = await connect("router")
    leases = Leases(router, holder="r1")
    await leases.hold([0])
    await leases.leave()
    assert await leases.holders() == {}
    await Committer(router, subject="log.0", expected=0).commit(b"record")
    operator = await connect("operator")
    await Publisher(operator).publish(subjects.ingress("operator", 0), b"link", "evt_1")
    for role in ("ledger", "console", "operator"):
        reader = await Reader.open(await connect(role), stream="LOG", after=0)
        assert [message.data for message in await reader.pull(limit=10)] == [b"record"]
    reader = await Reader.open(router, stream="IN_OPERATOR", after=0, filters=["in.operator.0"])
    assert [message.data for message in await reader.pull(limit=10)] == [b"link"]
