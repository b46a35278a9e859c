"""A ghost's person turns out to have an account here: the account takes over what is the ghost's, on the rail and here.

The log says so (a link); from then on legs are done by the account. What the ghost wrote and heard is moved at the rail
first and then here, so that the thread stays one thread, and an old handle of the person leads to their account.
"""

import asyncio
from collections.abc import Sequence
from sqlite3 import Connection as Transaction

import structlog

from bridges.kit import accounts, extension, receipts
from bridges.kit.accounts import Accounts, NoAccount
from bridges.kit.contract import Translator
from bridges.kit.rail import RailAway, RailClient, Unanswered
from bus.sqlite import Store
from schemas.handles import Handle
from schemas.ids import RailName
from schemas.people import Person

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


def note(tx: Transaction, rail: RailName, persons: Sequence[Person]) -> int:
    """These persons are so from now on: which ghosts have an account instead. How many were found."""
    today = {person.id: person for person in persons}
    found: list[tuple[str, str]] = []
    for person in persons:
        now = today.get(person.merged_into, person) if person.merged_into else person
        _let_go(tx, person)
        own = now.account_on(rail)
        if own is not None:
            ghosts = {ghost.native_id for named in (person, now) for ghost in accounts.ghosts_of(tx, named.id)}
            found += [(ghost, own.handle) for ghost in ghosts]
    tx.executemany("INSERT OR REPLACE INTO adoptions VALUES (?, ?)", found)
    return len(found)


def _let_go(tx: Transaction, person: Person) -> None:
    """An account that was unlinked no longer acts for the person."""
    for account in accounts.standing_for(tx, person.id):
        if account.handle not in person.handles() and person.merged_into is None:
            accounts.tell(tx, account.native_id, account.told)


class Adopter:
    """Empties the table `adoptions`. Asking the rail twice is harmless."""

    def __init__(self, *, translator: Translator, client: RailClient, store: Store, accounts_: Accounts) -> None:
        self._rail, self._translator = translator.rail, translator
        self._client, self._store, self._accounts = client, store, accounts_
        self._wake = asyncio.Event()
        self._wake.set()

    def wake(self) -> None:
        """There are ghosts to be taken over."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        pause_s = FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            self._wake.clear()
            while found := await self._store.write(_first):
                if await self._adopt(*found):
                    pause_s = FIRST_PAUSE_S
                else:
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _adopt(self, ghost: str, handle: Handle) -> bool:
        try:
            account = await self._accounts.with_handle(handle)
            answer = await self._client.ask(extension.adopt(ghost=ghost, account=account))
        except (RailAway, Unanswered):
            return False
        except NoAccount as error:
            _log.error("ghost.not_adopted", rail=self._rail, ghost=ghost, reason=str(error))
            await self._store.write(lambda tx: _done(tx, ghost))
            return True
        verdict = self._translator.judge(answer.status, answer.body)
        if verdict.outcome == "permanent":
            _log.error("ghost.not_adopted", rail=self._rail, ghost=ghost, reason=verdict.text)
            await self._store.write(lambda tx: _done(tx, ghost))
            return True
        if verdict.outcome != "done":
            return False
        await self._store.write(lambda tx: _move(tx, ghost, account))
        _log.info("ghost.adopted", rail=self._rail, ghost=ghost)
        return True


def _first(tx: Transaction) -> tuple[str, Handle] | None:
    row = tx.execute("SELECT ghost, handle FROM adoptions LIMIT 1").fetchone()
    return None if row is None else (row[0], Handle(row[1]))


def _done(tx: Transaction, ghost: str) -> None:
    tx.execute("DELETE FROM adoptions WHERE ghost = ?", (ghost,))


def _move(tx: Transaction, ghost: str, account: str) -> None:
    """All that stands under the ghost's id stands under the account's, and so does the person whom older legs name."""
    threads = tx.execute(
        "SELECT DISTINCT thread FROM messages WHERE thread LIKE ? OR thread LIKE ?", (f"{ghost}|%", f"%|{ghost}")
    ).fetchall()
    for (old,) in [(row[0],) for row in threads]:
        one, other = receipts.members_of(old)
        peer = other if one == ghost else one
        if peer == account:
            continue  # the rail leaves what two accounts of one person wrote to each other where it was
        new = receipts.thread_of(peer, account)
        tx.execute("UPDATE messages SET thread = ? WHERE thread = ?", (new, old))
        tx.execute("UPDATE OR IGNORE watermarks SET thread = ? WHERE thread = ?", (new, old))
    tx.execute("UPDATE messages SET author = ? WHERE author = ?", (account, ghost))
    for table in ("watermarks", "markers", "parked_receipts"):
        tx.execute(f"UPDATE OR IGNORE {table} SET reader = ? WHERE reader = ?", (account, ghost))  # noqa: S608 - constants
    former = accounts.by_id(tx, ghost)
    known = accounts.by_id(tx, account)
    if former is not None and known is not None:
        accounts.tell(tx, account, known.told, person=former.person)
    tx.execute("DELETE FROM accounts WHERE native_id = ?", (ghost,))
    _done(tx, ghost)
