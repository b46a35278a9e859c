"""The bare relay: the yardstick for the router.

The same reader and committer move events from an ingress stream into log records, without any routing: each event's
bytes are put beside three constant legs, prebuilt, into one record a batch. What the router costs above this is
routing. CPU times are the operating system's, of this process and of nats-server. Run it beside the router's bench,
in one go: numbers of different runs, or machines, do not compare; ratios of one run do.

    python -m bench.relay [events]
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from bus import keys, logs, subjects, topology
from bus.commit import Committer
from bus.connection import Connection
from bus.publish import Publisher
from bus.reader import Reader
from bus.server import EmbeddedServer
from bus.stored import StoredMessage, last_of

RAIL, PARTITION = "whatsapp", 0
RECORD_BYTES = 524_288
_EVENT = msgspec.msgpack.encode(b"e" * 197)
_LEG = {"act": "post", "node": "per_" + "a" * 26, "thread": "con_" + "b" * 26, "lost": []}
_LEGS = msgspec.msgpack.encode(dict.fromkeys(("whatsapp", "messenger", "instagram"), _LEG))
_PAIR = b"\x92"  # msgpack: an array of two


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured."""

    events: int
    records: int
    events_per_s: float
    cpu_us_per_event: float
    server_cpu_us_per_event: float
    stored_bytes_per_event: float


async def load_events(conn: Connection, *, events: int, first: int = 0) -> None:
    """Publish that many 200-byte events on one partition of one rail, each with an id of its own."""
    subject = subjects.ingress(RAIL, PARTITION)
    publisher = Publisher(conn, max_in_flight=4096, within_s=600)
    await publisher.publish_many([(subject, _EVENT, f"evt_{number:026d}") for number in range(first, first + events)])
    await publisher.close()


async def run_relay(conn: Connection, *, events: int, batch_limit: int, server_pid: int) -> Figures:
    """Relay what `load_events` published, from the beginning, into a partition's log that is empty."""
    last = (await conn.api(f"STREAM.INFO.{subjects.LOG}"))["state"]
    subject = subjects.log(PARTITION)
    reader = await Reader.open(
        conn, stream=subjects.ingress_stream(RAIL), after=0, filters=[subjects.ingress(RAIL, PARTITION)]
    )
    committer = Committer(conn, subject=subject, expected=await _last_on(conn, subject))
    encoder, done, records = msgspec.msgpack.Encoder(), 0, 0
    server = psutil.Process(server_pid)
    began_s, cpu_s, server_s = time.perf_counter(), time.process_time(), _cpu_s(server)
    while done < events:
        found = await reader.pull(limit=batch_limit)
        while found:
            part, found = _first_part(found)
            cursor = {RAIL: (part[-1].sequence, part[-1].event_id)}
            entries = [msgspec.Raw(_PAIR + message.data + _LEGS) for message in part]
            await committer.commit(encoder.encode({"epoch": 1, "cursor": cursor, "entries": entries}))
            done, records = done + len(part), records + 1
    took_s, cpu_s, server_s = (
        time.perf_counter() - began_s,
        time.process_time() - cpu_s,
        _cpu_s(server) - server_s,
    )
    await reader.close()
    stored = (await conn.api(f"STREAM.INFO.{subjects.LOG}"))["state"]["bytes"] - last["bytes"]
    return Figures(
        events=done,
        records=records,
        events_per_s=done / took_s,
        cpu_us_per_event=cpu_s / done * 1e6,
        server_cpu_us_per_event=server_s / done * 1e6,
        stored_bytes_per_event=stored / done,
    )


def _first_part(messages: list[StoredMessage]) -> tuple[list[StoredMessage], list[StoredMessage]]:
    """As many as fit into one record, and the rest."""
    size_bytes = 0
    for index, message in enumerate(messages):
        size_bytes += len(message.data) + len(_LEGS) + len(_PAIR)
        if size_bytes > RECORD_BYTES and index:
            return messages[:index], messages[index:]
    return messages, []


async def _last_on(conn: Connection, subject: str) -> int:
    last = await last_of(conn, subjects.LOG, subject)
    return last.sequence if last is not None else 0


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _main(events: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = keys.ensure_keys(folder / "keys", ["admin"])
        server = EmbeddedServer(folder=folder / "nats", keys=pairs, rails=[RAIL])
        await server.start()
        conn = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="bench", role="admin")
        try:
            await topology.ensure(conn, rails=[RAIL])
            began_s = time.perf_counter()
            await load_events(conn, events=events)
            print(f"loaded {events} events, {events / (time.perf_counter() - began_s):,.0f} a second")
            print(f"{'batch':>6} {'events/s':>10} {'CPU us':>8} {'server us':>10} {'records':>8} {'bytes':>6}")
            for batch_limit in (512, 250, 16, 1):
                share = events if batch_limit > 1 else events // 10
                figures = await run_relay(conn, events=share, batch_limit=batch_limit, server_pid=server.pid)
                print(
                    f"{batch_limit:>6} {figures.events_per_s:>10,.0f} {figures.cpu_us_per_event:>8.1f} "
                    f"{figures.server_cpu_us_per_event:>10.1f} {figures.records:>8} "
                    f"{figures.stored_bytes_per_event:>6.0f}"
                )
        finally:
            await conn.close()
            await server.stop()


if __name__ == "__main__":
    logs.configure("warning")
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 30_000))
