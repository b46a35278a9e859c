"""What a bridge tells the federation besides messages: receipts, accounts, blocks, leg results. Inside transactions."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from sqlite3 import Connection as Transaction

import msgspec

from bridges.kit import accounts, idmap
from bridges.kit.accounts import Account
from bridges.kit.contract import NativeAccount
from bridges.kit.outbox import Outbox, Row
from bridges.kit.receipts import Reach
from bus.sqlite import Store
from schemas.codec import encode
from schemas.events import AccountSeen, LegResult, Party, Receipt, Results
from schemas.ids import EventId, RailName, combined_event_id, event_id
from schemas.log import Entry

_leg_results = msgspec.msgpack.Decoder(LegResult)

RESULTS_MOST = 500
RESULTS_EVERY_S = 0.25
"""How often results are published under load. The first one after a pause goes at once, and so does a failure."""


def report_reaches(tx: Transaction, outbox: Outbox, rail: RailName, reaches: Iterable[Reach]) -> list[str]:
    """Publish those reaches that tell something new; the ids of the events that are urgent (reads)."""
    urgent: list[str] = []
    for one in idmap.advance(tx, reaches):
        reader = accounts.by_id(tx, one.reader)
        if reader is None or reader.is_ghost:
            continue  # a ghost's reading is our own doing
        name = event_id(rail, "receipt", one.conversation, one.reader, one.status, str(one.position))
        receipt = Receipt(
            id=name,
            conversation=one.conversation,
            actor=reader.handle,
            status=one.status,
            position=one.position,
        )
        outbox.put(tx, receipt, slow=one.status == "delivered")
        if one.status == "read":
            urgent.append(name)
    return urgent


def hear(tx: Transaction, outbox: Outbox, rail: RailName, reader: str, entry: Entry) -> list[str]:
    """Another rail has told that a reader has got everything up to there: what we were to say of it is withdrawn."""
    idmap.heard(tx, entry.conversation, reader, entry.position)
    name = event_id(rail, "receipt", entry.conversation, reader, "delivered", str(entry.position))
    return [name] if outbox.withdraw(tx, name) else []


def report_account(tx: Transaction, outbox: Outbox, rail: RailName, account: Account) -> list[str]:
    """Publish an account that the federation has not heard of under this name; its event id, if so."""
    if account.is_ghost or not account.federated or account.told == account.name:
        return []
    accounts.tell(tx, account.native_id, account.name)
    seen = AccountSeen(
        id=event_id(rail, "account", "", account.handle, account.name, account.kind),
        actor=account.handle,
        name=account.name,
        account_kind="business" if account.kind == "business" else "person",
    )
    return [outbox.put(tx, seen)]


def report_accounts(tx: Transaction, outbox: Outbox, rail: RailName, found: Iterable[NativeAccount]) -> None:
    """Keep what the rail says of accounts, and publish those that the federation has not heard of."""
    for account in accounts.save_all(tx, found=found):
        report_account(tx, outbox, rail, account)


def block_id(rail: RailName, *, blocker: str, blocked: Party, on: bool, at_ms: int) -> EventId:
    """The event that a block stands for."""
    return event_id(rail, "block", "", blocker, blocked, str(on), str(at_ms))


def queue_result(tx: Transaction, result: LegResult, partition: int) -> None:
    """Keep a leg's result until `ResultsCourier` takes it along."""
    tx.execute("INSERT INTO results (partition, payload) VALUES (?, ?)", (partition, encode(result)))


class ResultsCourier:
    """Puts leg results into the outbox, many together: one event for many legs under load.

    They go to the partition of the first one's conversation. Which that is means nothing to anybody; but those who read
    the log wake for every record.
    """

    def __init__(self, *, rail: RailName, store: Store, outbox: Outbox) -> None:
        self._rail, self._store, self._outbox = rail, store, outbox
        self._wake, self._hurry = asyncio.Event(), asyncio.Event()
        self.wake(hurry=True)

    def wake(self, *, hurry: bool = False) -> None:
        """There are results. `hurry`: some that somebody waits for."""
        self._wake.set()
        if hurry:
            self._hurry.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._hurry.clear()
            count = RESULTS_MOST
            while count == RESULTS_MOST:
                count, rows = await self._store.write(self._collect, durable=False)
                self._outbox.offer(rows)
            with suppress(TimeoutError):
                async with asyncio.timeout(RESULTS_EVERY_S):
                    await self._hurry.wait()

    def _collect(self, tx: Transaction) -> tuple[int, list[Row]]:
        rows = tx.execute("SELECT id, partition, payload FROM results ORDER BY id LIMIT ?", (RESULTS_MOST,)).fetchall()
        if rows:
            found = tuple(_leg_results.decode(payload) for _, _, payload in rows)
            name = combined_event_id(
                "results", (self._rail, *(f"{one.event}/{one.status}/{one.at_ms}" for one in found))
            )
            self._outbox.put_into(tx, Results(id=name, results=found), rows[0][1])
            tx.executemany("DELETE FROM results WHERE id = ?", [(row[0],) for row in rows])
        return len(rows), self._outbox.collect(tx)
