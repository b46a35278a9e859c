"""Routed events a second, beside the bare relay of the same run.

The router's own lane and intake route what an ingress stream has. The relay reads with the same reader, decodes the
same events and writes records of the same form and size with the same committer; it decides nothing, the legs are
known beforehand, and it keeps no state. Both start on an empty log, by turns; the router has been at work before, so it
knows the people, but none of the conversations.
200-byte texts, three legs an event, `sync_interval: always`. Called by `python -m bench`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psutil

from bus import keys, topology
from bus.commit import Committer
from bus.config import RouterSettings
from bus.connection import Connection
from bus.publish import Publisher
from bus.reader import Reader
from bus.server import EmbeddedServer
from bus.stored import StoredMessage
from bus.subjects import LOG, STATE, bucket_stream, ingress, ingress_stream, log
from router.core.fanout import Plans, pack, plan
from router.dead import DeadLetters
from router.directory import Directory
from router.intake import Intake
from router.partition import Lane, Shared
from router.people import People
from schemas.codec import decode_event, encode
from schemas.content import Text
from schemas.events import Message
from schemas.handles import Handle
from schemas.ids import EventId, direct_conversation_id, event_id, partition_of, person_id
from schemas.log import VERSION, Entry, Record
from schemas.people import Account, Person

RAIL, OTHER_RAILS = "whatsapp", ("messenger", "instagram", "telegram")
PARTITIONS = 16
CONVERSATIONS = 1_000
TEXT = "x" * 200
_SETTINGS = RouterSettings()
_ENTRY_BYTES = 200


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured."""

    events_per_s: float
    cpu_us_per_event: float
    server_cpu_us_per_event: float


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two people who talk: one on the rail where it is written, one on three others."""

    one: Person
    other: Person

    @property
    def partition(self) -> int:
        return partition_of(direct_conversation_id(self.one.id, self.other.id), PARTITIONS)

    def message(self, number: int) -> Message:
        return Message(
            id=event_id(RAIL, "message", self.one.id, str(number)),
            conversation=direct_conversation_id(self.one.id, self.other.id),
            actor=self.one.accounts[0].handle,
            to=(self.other.id,),
            content=Text(body=TEXT),
            at_ms=1_700_000_000_000 + number,
            native_id=f"wamid.{number:032d}",
        )


def _person(name: str, *handles: str) -> Person:
    accounts = tuple(Account(handle=Handle(handle), name=name) for handle in handles)
    return Person(id=person_id(handles[0]), name=name, accounts=accounts)


def pairs(*, one_partition: bool) -> list[Pair]:
    """As many conversations as the bench has, all in one partition or wherever they fall."""
    found: list[Pair] = []
    number = 0
    while len(found) < CONVERSATIONS:
        number += 1
        pair = Pair(
            one=_person(f"alice {number}", f"{RAIL}:+39{number:09d}"),
            other=_person(f"bob {number}", *(f"{rail}:bob{number}" for rail in OTHER_RAILS)),
        )
        if not one_partition or pair.partition == PARTITIONS - 1:
            found.append(pair)
    return found


class Bench:
    """A bus loaded with events, to be routed and relayed again and again."""

    def __init__(self, *, server: EmbeddedServer, admin: Connection, router: Connection, talk: list[Pair]) -> None:
        self._server, self._admin, self._router, self._talk = psutil.Process(server.pid), admin, router, talk
        self._events = 0
        # A router that has been running knows its people; it does not know the conversations, as the log is emptied.
        people = People(router)
        self._shared = Shared(
            conn=router,
            people=people,
            directory=Directory(router, on_changed=people.drop),
            letters=DeadLetters(router),
            plans=Plans(capabilities={}),
            sources=(RAIL,),
            partitions=PARTITIONS,
            batch=_SETTINGS.batch,
            record_bytes=_SETTINGS.record_bytes,
        )
        self._partitions = sorted({pair.partition for pair in talk})

    async def load(self, events: int) -> None:
        """Write everybody down and publish that many events."""
        people = [person for pair in self._talk for person in (pair.one, pair.other)]
        await Directory(self._admin, on_changed=lambda _: None).apply([(1, people)], upto=1)
        publisher = Publisher(self._admin, max_in_flight=4096, within_s=600)
        said = (
            (pair, pair.message(number)) for number in range(events) if (pair := self._talk[number % len(self._talk)])
        )
        await publisher.publish_many([(ingress(RAIL, pair.partition), encode(event), event.id) for pair, event in said])
        await publisher.close()
        self._events = events

    async def route(self) -> Figures:
        """The router: lanes and intake as the daemon wires them."""
        await self._empty()
        shared = self._shared
        lanes = {partition: await Lane.take_over(shared, partition) for partition in self._partitions}
        intake = Intake(self._router, source=RAIL, lanes=lanes, partitions=PARTITIONS, batch=shared.batch)

        async def routed() -> None:
            tasks = [asyncio.create_task(one) for one in (intake.run(), *(lane.run() for lane in lanes.values()))]
            while sum(lane.events for lane in lanes.values()) < self._events:  # noqa: ASYNC110 - lanes announce nothing
                await asyncio.sleep(0.002)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        return await self._measured(routed)

    async def relay(self) -> Figures:
        """The bare relay: the same records without deciding anything."""
        await self._empty()
        reader = await Reader.open(self._router, stream=ingress_stream(RAIL), after=0, filters=self._filters())
        lanes = [_RelayLane(self._router, partition, self._talk[0]) for partition in self._partitions]

        async def relayed() -> None:
            by_subject = {ingress(RAIL, lane.partition): lane for lane in lanes}
            tasks = [asyncio.create_task(lane.run()) for lane in lanes]
            left = self._events
            while left:
                messages = await reader.pull(limit=_SETTINGS.batch)
                left -= len(messages)
                for message in messages:
                    by_subject[message.subject].queue.append(message)
                for lane in lanes:
                    lane.work.set()
                for lane in lanes:
                    await lane.room()
            for lane in lanes:
                lane.finish()
            await asyncio.gather(*tasks)

        figures = await self._measured(relayed)
        await reader.close()
        return figures

    def _filters(self) -> list[str]:
        if len(self._partitions) == PARTITIONS:
            return []
        return [ingress(RAIL, partition) for partition in self._partitions]

    async def _empty(self) -> None:
        for stream in (LOG, bucket_stream(STATE)):
            await self._admin.api(f"STREAM.PURGE.{stream}")

    async def _measured(self, work: Callable[[], Awaitable[None]]) -> Figures:
        began_s, cpu_s, server_s = time.perf_counter(), time.process_time(), _cpu_s(self._server)
        await work()
        took_s = time.perf_counter() - began_s
        return Figures(
            events_per_s=self._events / took_s,
            cpu_us_per_event=(time.process_time() - cpu_s) / self._events * 1e6,
            server_cpu_us_per_event=(_cpu_s(self._server) - server_s) / self._events * 1e6,
        )


class _RelayLane:
    """One partition of the relay: the same entries, with everything in them known beforehand."""

    def __init__(self, conn: Connection, partition: int, pair: Pair) -> None:
        self.partition = partition
        self.queue: list[StoredMessage] = []
        self.work, self._room = asyncio.Event(), asyncio.Event()
        self._finished = False
        self._committer = Committer(conn, subject=log(partition), expected=0)
        self._actor = pair.one.id
        self._packed = pack(plan(RAIL, "post", pair.one, (pair.one, pair.other), {}))

    async def room(self) -> None:
        if len(self.queue) >= 4 * _SETTINGS.batch:
            self._room.clear()
            await self._room.wait()

    def finish(self) -> None:
        self._finished = True
        self.work.set()

    async def run(self) -> None:
        while not self._finished or self.queue:
            await self.work.wait()
            self.work.clear()
            while self.queue:
                count, size_bytes = 0, 0
                for message in self.queue:
                    count += 1
                    size_bytes += _ENTRY_BYTES + len(message.data) + self._packed.size_bytes
                    if size_bytes >= _SETTINGS.record_bytes:
                        break
                part, self.queue = self.queue[:count], self.queue[count:]
                await self._committer.commit(self._record(part))
                self._room.set()
            if self._finished:
                self.work.set()

    def _record(self, messages: list[StoredMessage]) -> bytes:
        entries = tuple(self._entry(message) for message in messages)
        last = messages[-1]
        cursor = {RAIL: (last.sequence, EventId(last.event_id or ""))}
        return encode(Record(version=VERSION, partition=self.partition, epoch=0, cursor=cursor, entries=entries))

    def _entry(self, message: StoredMessage) -> Entry:
        event = decode_event(message.data)
        return Entry(
            source=RAIL,
            event=msgspec.Raw(message.data),
            event_id=event.id,
            kind="message",
            outcome="routed",
            conversation=event.conversation,
            position=message.sequence,
            actor=self._actor,
            seats=self._packed.seats,
            legs=self._packed.legs,
        )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def loaded(folder: Path, *, events: int, one_partition: bool) -> AsyncIterator[Bench]:
    """A bus of its own, with the events in its ingress stream."""
    key_pairs = keys.ensure_keys(folder / "keys", keys.all_roles([RAIL]))
    server = EmbeddedServer(folder=folder / "nats", keys=key_pairs, rails=[RAIL])
    await server.start()
    opened: list[Connection] = []
    try:
        for role in ("admin", "router"):
            seed = key_pairs[role].seed
            opened.append(await Connection.open(url=server.url, seed=seed, name=f"bench-{role}", role=role))
        await topology.ensure(opened[0], rails=[RAIL], partitions=PARTITIONS)
        bench = Bench(server=server, admin=opened[0], router=opened[1], talk=pairs(one_partition=one_partition))
        await bench.load(events)
        yield bench
    finally:
        for conn in opened:
            await conn.close()
        await server.stop()


async def compare(folder: Path, *, events: int, turns: int, one_partition: bool) -> tuple[Figures, Figures]:
    """Relay and router by turns, after one turn each to warm up; the medians of each."""
    async with loaded(folder, events=events, one_partition=one_partition) as bench:
        relayed, routed = [], []
        for turn in range(turns + 1):
            relay, route = await bench.relay(), await bench.route()
            if turn:
                relayed.append(relay)
                routed.append(route)
        return _medians(relayed), _medians(routed)


def _medians(figures: list[Figures]) -> Figures:
    return Figures(**{name: median(getattr(one, name) for one in figures) for name in Figures.__struct_fields__})


def summary(relay: Figures, router: Figures) -> dict[str, Any]:
    """The figures as `bench/results/latest.json` has them."""
    return {
        "events_per_s": round(router.events_per_s),
        "of_relay": round(router.events_per_s / relay.events_per_s, 3),
        "cpu_us_per_event": round(router.cpu_us_per_event, 1),
        "server_cpu_us_per_event": round(router.server_cpu_us_per_event, 1),
        "relay_events_per_s": round(relay.events_per_s),
        "relay_cpu_us_per_event": round(relay.cpu_us_per_event, 1),
        "relay_server_cpu_us_per_event": round(relay.server_cpu_us_per_event, 1),
    }
