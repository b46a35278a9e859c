"""Routed events a second, beside the bare relay and the bare copy of the same run (`bench.relay` says what they are).

All start on an empty log, by turns, and write the very same entries; the router has been at work before, so it knows
the people, but none of the conversations. `sync_interval: always`. Called by `python -m bench`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psutil

from bench.relay import BareCopy, RelayDecider, known_of
from bench.traffic import PARTITIONS, RAIL, Pair, Talk, pairs
from bus import keys, topology
from bus.config import RouterSettings
from bus.connection import Connection
from bus.publish import Publisher
from bus.reader import Reader
from bus.server import EmbeddedServer
from bus.stored import read_range
from bus.subjects import LOG, STATE, bucket_stream, ingress, ingress_stream
from router.batch import Decider
from router.core.fanout import Plans
from router.dead import DeadLetters
from router.directory import Directory
from router.intake import Intake
from router.partition import Lane, Shared
from router.people import People
from schemas.codec import decode_record, encode

_SETTINGS = RouterSettings()


class NotTheSame(Exception):
    """The contestants have not done the same work."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured."""

    events_per_s: float
    cpu_us_per_event: float
    server_cpu_us_per_event: float


class Bench:
    """A bus loaded with events, to be routed and relayed again and again."""

    def __init__(self, *, server: EmbeddedServer, admin: Connection, router: Connection, talk: Sequence[Talk]) -> None:
        self.url = server.url
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
        self._known = known_of(one for one in talk if isinstance(one, Pair))
        self._partitions = sorted({one.partition for one in talk})

    async def load(self, events: int) -> None:
        """Write everybody down and publish that many events."""
        people = [person for talk in self._talk for person in talk.people]
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
        return await self._run_lanes(lambda _: None)

    async def relay(self) -> Figures:
        """The bare relay: the same lanes and intake, with nothing decided."""
        most = {"partitions": PARTITIONS, "record_bytes": _SETTINGS.record_bytes}
        return await self._run_lanes(lambda partition: RelayDecider(self._known, partition=partition, **most))

    async def _run_lanes(self, decider: Callable[[int], Decider | None]) -> Figures:
        await self.empty()
        shared = self._shared
        lanes = {one: await Lane.take_over(shared, one, decider=decider(one)) for one in self._partitions}
        intake = Intake(self._router, source=RAIL, lanes=lanes, partitions=PARTITIONS, batch=shared.batch)

        async def run() -> None:
            tasks = [asyncio.create_task(one) for one in (intake.run(), *(lane.run() for lane in lanes.values()))]
            while sum(lane.events for lane in lanes.values()) < self._events:  # noqa: ASYNC110 - lanes announce nothing
                await asyncio.sleep(0.002)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        return await self._measured(run)

    async def copy(self) -> Figures:
        """The bare copy: less than the router's loop."""
        await self.empty()
        reader = await Reader.open(self._router, stream=ingress_stream(RAIL), after=0, filters=self._filters())
        most = {"batch": _SETTINGS.batch, "record_bytes": _SETTINGS.record_bytes}
        lanes = [BareCopy(self._router, partition, self._known, **most) for partition in self._partitions]

        async def copied() -> None:
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

        figures = await self._measured(copied)
        await reader.close()
        return figures

    async def stored_bytes(self) -> int:
        """What the log and the snapshots of conversations hold now."""
        streams = (LOG, bucket_stream(STATE))
        return sum([int((await self._admin.api(f"STREAM.INFO.{stream}"))["state"]["bytes"]) for stream in streams])

    async def logged(self) -> dict[str, str]:
        """Log subject -> the digest of all its entries' bytes, in order: what the last one to run has written."""
        found: dict[str, Any] = {}
        first = 1
        while records := await read_range(self._admin, LOG, first=first, subject_filter="log.*"):
            for record in records:
                hashed = found.setdefault(record.subject, blake2b())
                for entry in decode_record(record.data).entries:
                    hashed.update(encode(entry))
            first = records[-1].sequence + 1
        return {subject: hashed.hexdigest() for subject, hashed in found.items()}

    def _filters(self) -> list[str]:
        if len(self._partitions) == PARTITIONS:
            return []
        return [ingress(RAIL, partition) for partition in self._partitions]

    async def empty(self) -> None:
        """Leave nothing on the log, and no state, of what was run before."""
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


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def loaded(folder: Path, *, events: int, talk: Sequence[Talk]) -> AsyncIterator[Bench]:
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
        bench = Bench(server=server, admin=opened[0], router=opened[1], talk=talk)
        await bench.load(events)
        yield bench
    finally:
        for conn in opened:
            await conn.close()
        await server.stop()


async def compare(folder: Path, *, events: int, turns: int, one_partition: bool) -> dict[str, Figures]:
    """Copy, relay and router by turns, after one turn each to warm up; the medians of each.

    Raises `NotTheSame` when the three have not written the very same entries.
    """
    async with loaded(folder, events=events, talk=pairs(one_partition=one_partition)) as bench:
        runs = {"copy": bench.copy, "relay": bench.relay, "router": bench.route}
        written: list[dict[str, str]] = []
        for run in runs.values():
            await run()
            written.append(await bench.logged())
        if written[0] != written[1] or written[1] != written[2]:
            raise NotTheSame("What copy, relay and router wrote differs: their figures cannot be compared.")
        measured: dict[str, list[Figures]] = {name: [] for name in runs}
        for _ in range(turns):
            for name, run in runs.items():
                measured[name].append(await run())
        return {name: _medians(figures) for name, figures in measured.items()}


def _medians(figures: list[Figures]) -> Figures:
    return Figures(**{name: median(getattr(one, name) for one in figures) for name in Figures.__struct_fields__})


def summary(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """The figures as `bench/results/latest.json` has them."""
    copy, relay, router = figures["copy"], figures["relay"], figures["router"]
    return {
        "events_per_s": round(router.events_per_s),
        "of_relay": round(router.events_per_s / relay.events_per_s, 3),
        "of_relay_by_cpu": round(relay.cpu_us_per_event / router.cpu_us_per_event, 3),
        "cpu_us_per_event": round(router.cpu_us_per_event, 1),
        "server_cpu_us_per_event": round(router.server_cpu_us_per_event, 1),
        "relay_events_per_s": round(relay.events_per_s),
        "relay_cpu_us_per_event": round(relay.cpu_us_per_event, 1),
        "relay_server_cpu_us_per_event": round(relay.server_cpu_us_per_event, 1),
        "copy_events_per_s": round(copy.events_per_s),
        "copy_cpu_us_per_event": round(copy.cpu_us_per_event, 1),
    }
