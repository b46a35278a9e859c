"""What the ledger keeps up with: events a second off a full log, its CPU, and what its reading costs nats-server.

The router never waits for the ledger; what it shares with it is nats-server, so that server's CPU an event is the
ledger's whole cost to the router. The log is made of messages with three legs, their results and receipts, as the
router writes them: one record of 250 entries a commit.

    python -m bench.ledger [messages]
"""

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from bus import keys, logs, subjects, topology
from bus.commit import Committer
from bus.connection import Connection
from bus.server import EmbeddedServer
from router.core.decision import Decision, entry
from router.core.fanout import Plan, pack
from router.ledger.projector import Projector
from router.ledger.store import open_store
from schemas.codec import encode
from schemas.content import Text
from schemas.events import AnyEvent, LegResult, Message, Receipt, Results
from schemas.handles import Handle
from schemas.ids import direct_conversation_id, event_id
from schemas.log import VERSION, Entry, Leg, Record, Seat
from schemas.people import newcomer

RAIL, _BATCH, _PAIRS = "whatsapp", 250, 50
_RAILS = ("whatsapp", "messenger", "instagram")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run measured. An event is an entry of the log."""

    events: int
    events_per_s: float
    cpu_us_per_event: float
    server_cpu_us_per_event: float
    stored_bytes_per_event: float
    searchable: bool


def entries(messages: int) -> Iterator[Entry]:
    """Messages of a hundred persons, each with its result on two rails; every tenth is read."""
    positions = [0] * _PAIRS
    for number in range(messages):
        pair = number % _PAIRS
        alice, bob = (
            newcomer(Handle(f"whatsapp:+3933{pair:07}"), "alice"),
            newcomer(Handle(f"messenger:b{pair}"), "bob"),
        )
        positions[pair] += 1
        seats = tuple(Seat(person=one.id, name=one.name, handles=one.handles()) for one in (alice, bob))
        legs = {rail: Leg(act="post", why="bob is here") for rail in _RAILS[1:]}
        conversation = direct_conversation_id(alice.id, bob.id)
        name = event_id(RAIL, "message", str(pair), str(number))
        sent = Message(
            id=name,
            conversation=conversation,
            actor=alice.handles()[0],
            at_ms=number,
            to=(bob.id,),
            content=Text(body=f"Shall we meet at the station, platform {number}, and eat something afterwards?"),
            native_id=f"wamid.{number}",
        )
        routed = Decision(
            outcome="routed",
            conversation=conversation,
            position=positions[pair],
            actor=alice.id,
            packed=pack(Plan(seats=seats, legs=legs)),
        )
        yield _entry(sent, routed, RAIL)
        for rail in _RAILS[1:]:
            result = LegResult(event=name, status="posted", native_ids=(f"{rail}-{number}",), at_ms=number)
            told = Results(id=event_id(rail, "results", name), results=(result,))
            yield _entry(told, Decision(outcome="noted"), rail)
        if number % 10 == 0:
            read = Receipt(
                id=event_id("messenger", "receipt", name),
                conversation=conversation,
                actor=bob.handles()[0],
                status="read",
                position=positions[pair],
            )
            heard = msgspec.structs.replace(routed, actor=bob.id)
            yield _entry(read, heard, "messenger")


def _entry(event: AnyEvent, decision: Decision, source: str) -> Entry:
    return entry(decision, event, source=source, raw=encode(event))


async def measure(folder: Path, *, messages: int, search: bool) -> Figures:
    """Fill a log, then have a ledger that knows nothing of it read it to its end."""
    pairs = keys.ensure_keys(folder / "keys", ["admin"])
    server = EmbeddedServer(folder=folder / "nats", keys=pairs, rails=[RAIL])
    await server.start()
    conn = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="bench", role="admin")
    try:
        await topology.ensure(conn, rails=[RAIL])
        events = await fill(conn, messages)
        return await _read(conn, folder / "ledger.db", events=events, search=search, server_pid=server.pid)
    finally:
        await conn.close()
        await server.stop()


async def fill(conn: Connection, messages: int) -> int:
    """Write that many messages, with all that becomes of them, on the log; how many events that is."""
    committer, events = Committer(conn, subject=subjects.log(0), expected=0), 0
    made = entries(messages)
    while part := tuple(itertools.islice(made, _BATCH)):
        await committer.commit(encode(Record(version=VERSION, partition=0, epoch=0, cursor={}, entries=part)))
        events += len(part)
    return events


async def _read(conn: Connection, path: Path, *, events: int, search: bool, server_pid: int) -> Figures:
    store = await open_store(path)
    projector = Projector(conn=conn, store=store, search=search)
    server = psutil.Process(server_pid)
    began_s, cpu_s, server_s = time.perf_counter(), time.process_time(), _cpu_s(server)
    following = asyncio.create_task(projector.run())
    try:
        await projector.caught_up(within_s=600)
        took_s, cpu_s, server_s = (
            time.perf_counter() - began_s,
            time.process_time() - cpu_s,
            _cpu_s(server) - server_s,
        )
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        rows = (await store.read("SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM results)"))[0][0]
        size_bytes = (await store.read("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"))[0][0]
        await store.close()
    if projector.facts != events or rows < events * 9 // 10:
        raise RuntimeError(f"The ledger kept {projector.facts} of {events} events, {rows} rows: not what was meant.")
    return Figures(
        events=events,
        events_per_s=events / took_s,
        cpu_us_per_event=cpu_s / events * 1e6,
        server_cpu_us_per_event=server_s / events * 1e6,
        stored_bytes_per_event=size_bytes / events,
        searchable=search,
    )


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def compare(*, messages: int) -> tuple[Figures, Figures]:
    """With the words kept for searching, and without."""
    found = []
    for search in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            found.append(await measure(Path(folder), messages=messages, search=search))
    return found[0], found[1]


def shown(one: Figures) -> str:
    """A line for the terminal."""
    what = "ledger, with search" if one.searchable else "ledger, no texts"
    return (
        f"{what:<24}{one.events_per_s:>10,.0f}{one.cpu_us_per_event:>9.1f}{one.server_cpu_us_per_event:>11.1f}"
        f"{one.stored_bytes_per_event:>7.0f} B an event"
    )


if __name__ == "__main__":
    logs.configure("warning")
    for figures in asyncio.run(compare(messages=int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)):
        print(shown(figures))
