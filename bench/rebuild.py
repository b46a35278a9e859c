"""A ledger made anew from a million events answers as it did before: ``python -m bench.rebuild [events]``.

A log is written, a ledger reads it to its end, and a digest is taken of all that it keeps; then its file is deleted and
made anew. The two digests have to be the same. Prints how long each took; ends with 1 when they differ.
"""

import asyncio
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path

from bench.ledger import RAIL, fill
from bus import keys, logs, topology
from bus.connection import Connection
from bus.server import EmbeddedServer
from bus.sqlite import Store
from router.ledger.projector import Projector
from router.ledger.queries import Queries
from router.ledger.store import delete, open_store

EVENTS_A_MESSAGE = 3.1
_AT_ONCE = 200_000
_TABLES = (
    "messages",
    "native_ids",
    "results",
    "changes",
    "receipts",
    "reach",
    "people",
    "accounts",
    "members",
    "words",
)


async def _made(conn: Connection, path: Path) -> tuple[int, float, str, str]:
    """Make a ledger from the log: events, seconds, a digest of its tables, and of the answers about some messages."""
    store = await open_store(path)
    projector = Projector(conn=conn, store=store, search=True)
    began_s = time.perf_counter()
    following = asyncio.create_task(projector.run())
    await projector.caught_up(within_s=3600)
    took_s = time.perf_counter() - began_s
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    try:
        return projector.facts, took_s, await _digest(store), await _answers(store)
    finally:
        await store.close()


async def _digest(store: Store) -> str:
    found = blake2b(digest_size=16)
    for table in _TABLES:
        columns = [row[1] for row in await store.read(f"PRAGMA table_info({table})")]
        in_order = f"SELECT * FROM {table} ORDER BY {', '.join(columns)} LIMIT {_AT_ONCE} OFFSET "  # noqa: S608 - constants
        place = 0
        while rows := await store.read(f"{in_order}{place}"):
            place += len(rows)
            for row in rows:
                found.update(repr(tuple(row)).encode())
    return found.hexdigest()


async def _answers(store: Store) -> str:
    queries = Queries(store)
    found = blake2b(digest_size=16)
    found.update(repr(await queries.search("station platform", limit=50)).encode())
    for number in range(0, 10_000, 97):
        found.update(repr(await queries.trace(f"wamid.{number}")).encode())
    return found.hexdigest()


async def run(folder: Path, *, events: int) -> bool:
    """Whether both say the same."""
    pairs = keys.ensure_keys(folder / "keys", ["admin"])
    server = EmbeddedServer(folder=folder / "nats", keys=pairs, rails=[RAIL])
    await server.start()
    conn = await Connection.open(url=server.url, seed=pairs["admin"].seed, name="bench", role="admin")
    try:
        await topology.ensure(conn, rails=[RAIL])
        await fill(conn, round(events / EVENTS_A_MESSAGE))
        path = folder / "ledger.db"
        first = await _made(conn, path)
        delete(path)
        again = await _made(conn, path)
    finally:
        await conn.close()
        await server.stop()
    for what, (count, took_s, digest, answers) in (("made", first), ("made anew", again)):
        print(f"{what:<10}{count:>10,} events {took_s:>7.1f} s {count / took_s:>9,.0f} events/s  {digest} {answers}")
    is_same = first[0] == again[0] and first[2:] == again[2:]
    print("the same" if is_same else "NOT the same")
    return is_same


def main() -> int:
    """The command."""
    logs.configure("warning")
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="trinario-rebuild-") as folder:
        return 0 if asyncio.run(run(Path(folder), events=events)) else 1


if __name__ == "__main__":
    sys.exit(main())
