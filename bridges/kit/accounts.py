"""The accounts of this rail: who a native id is, and which account acts for a member of a conversation.

A member acts by their own account where they have one, by a ghost where not. The SQL here runs inside transactions;
what needs the rail or the directory (a ghost to be made, an account never heard of) is `Accounts`'.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from sqlite3 import Connection
from typing import Any

import msgspec

from bridges.kit import extension
from bridges.kit.contract import NativeAccount, Translator
from bridges.kit.people import People
from bridges.kit.rail import Answer, RailClient, Unanswered
from bus.sqlite import Store
from schemas.events import Party
from schemas.handles import Handle, rail_of
from schemas.ids import PersonId, RailName
from schemas.log import Seat

_COLUMNS = "native_id, handle, name, kind, federated, key, person, told"
_SAVE = f"""
    INSERT INTO accounts (native_id, handle, name, kind, federated, key, person) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (native_id) DO UPDATE SET handle = excluded.handle, name = excluded.name, kind = excluded.kind,
    federated = excluded.federated, key = excluded.key
    RETURNING {_COLUMNS}
"""  # noqa: S608 - constants


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as we keep it; see schema.sql for `key`, `person` and `told`."""

    native_id: str
    handle: Handle
    name: str
    kind: str
    federated: bool
    key: str
    person: PersonId
    told: str

    @property
    def is_ghost(self) -> bool:
        return self.kind == "ghost"

    @property
    def party(self) -> Party:
        """How events name this account: by handle, or by the person it stands for."""
        return self.person if self.is_ghost else self.handle


class NoAccount(Exception):
    """The rail has no such account. Permanent for whoever needs it."""


def _account(row: Sequence[Any]) -> Account:
    fields = dict(zip(Account.__struct_fields__, row, strict=True))
    fields["federated"] = bool(fields["federated"])
    return Account(**fields)


def by_id(tx: Connection, native_id: str) -> Account | None:
    """The account with a native id, if we have heard of it."""
    row = tx.execute(f"SELECT {_COLUMNS} FROM accounts WHERE native_id = ?", (native_id,)).fetchone()  # noqa: S608 - constants
    return None if row is None else _account(row)


def by_handle(tx: Connection, handle: str) -> list[Account]:
    """The accounts with a handle: one of this rail's own, or ghosts of somebody elsewhere."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM accounts WHERE handle = ?", (handle,)).fetchall()  # noqa: S608 - constants
    return [_account(row) for row in rows]


def ghosts_of(tx: Connection, person: str) -> list[Account]:
    """The ghosts that stand for a person here (one; more only after links)."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM accounts WHERE person = ? AND kind = 'ghost'", (person,)).fetchall()  # noqa: S608 - constants
    return [_account(row) for row in rows]


def standing_for(tx: Connection, person: str) -> list[Account]:
    """The accounts that have taken over a person's ghost."""
    rows = tx.execute(f"SELECT {_COLUMNS} FROM accounts WHERE person = ? AND kind <> 'ghost'", (person,)).fetchall()  # noqa: S608 - constants
    return [_account(row) for row in rows]


def ghost_of(tx: Connection, person: str) -> Account | None:
    """The ghost that stands for a person here."""
    row = tx.execute(
        f"SELECT {_COLUMNS} FROM accounts WHERE person = ? AND kind = 'ghost' ORDER BY native_id LIMIT 1",  # noqa: S608 - constants
        (person,),
    ).fetchone()
    return None if row is None else _account(row)


def save(tx: Connection, account: NativeAccount) -> Account:
    """Keep what the rail says of an account. Whom a known ghost stands for stays as it is."""
    row = tx.execute(
        _SAVE,
        (
            account.native_id,
            account.handle,
            account.name,
            account.kind,
            account.federated,
            account.key,
            account.key,
        ),
    ).fetchone()
    return _account(row)


def save_all(tx: Connection, *, found: Iterable[NativeAccount]) -> list[Account]:
    """`save` for many."""
    return [save(tx, account) for account in found]


def tell(tx: Connection, native_id: str, told: str, *, person: str = "") -> None:
    """Remember what was said of an account (to the federation) or of a ghost (to the rail, and whom it stands for)."""
    tx.execute("UPDATE accounts SET told = ?, person = ? WHERE native_id = ?", (told, person, native_id))


def description(seat: Seat) -> str:
    """What a ghost's `told` is when the rail knows all this seat says."""
    return "\n".join((seat.name, *seat.handles))


def node_for(tx: Connection, rail: RailName, seat: Seat) -> str | None:
    """The account that acts for a member here. None: `Accounts.find_node` has to ask or make it."""
    own = own_handle(rail, seat)
    if own is not None:
        return next((found.native_id for found in by_handle(tx, own) if not found.is_ghost), None)
    if taken_over := standing_for(tx, seat.person):
        return taken_over[0].native_id
    ghost = ghost_of(tx, seat.person)
    return ghost.native_id if ghost is not None and ghost.told == description(seat) else None


def own_handle(rail: RailName, seat: Seat) -> Handle | None:
    """The member's own handle on this rail, if they have one."""
    return next((handle for handle in seat.handles if rail_of(handle) == rail), None)


class Accounts:
    """What of the accounts needs the rail or the directory. Its calls raise what `RailClient` raises."""

    def __init__(self, *, translator: Translator, store: Store, client: RailClient, people: People) -> None:
        self._translator, self._rail = translator, translator.rail
        self._store, self._client, self._people = store, client, people

    async def get_many(self, native_ids: Iterable[str]) -> dict[str, Account]:
        """Those of the accounts that there are; asks the rail about those it does not know."""
        wanted = dict.fromkeys(native_ids)
        if not wanted:
            return {}
        found = await self._store.write(lambda tx: {one: by_id(tx, one) for one in wanted}, durable=False)
        accounts = {native_id: account for native_id, account in found.items() if account is not None}
        for native_id in wanted.keys() - accounts.keys():
            with suppress(NoAccount):
                accounts[native_id] = await self.get(native_id)
        return accounts

    async def get(self, native_id: str) -> Account:
        """An account by its native id; asks the rail if need be. Raises `NoAccount`."""
        known = await self._store.write(lambda tx: by_id(tx, native_id), durable=False)
        if known is not None:
            return known
        answer = await self._client.ask(extension.account(native_id))
        found = extension.read_account(answer.body) if answer.status == 200 else None
        if found is None:
            self._check_final(answer)
            raise NoAccount(f"{self._rail} has no account {native_id}.")
        return await self._store.write(lambda tx: save(tx, found))

    def _check_final(self, answer: Answer) -> None:
        """Raises `Unanswered` for a "no" that is only for now: too many calls, a fault of the rail's, our token."""
        verdict = self._translator.judge(answer.status, answer.body)
        if verdict.outcome in ("temporary", "uncertain", "bad_credentials"):
            raise Unanswered(f"{self._rail} did not say now: {verdict.text} ({verdict.code})")

    async def person_of(self, account: Account) -> PersonId:
        """Who is behind an account, as of now."""
        if account.is_ghost:
            return await self._people.current(account.person)
        return await self._people.whose(account.handle)

    async def party(self, account: Account) -> Party:
        """How an event names an account, as of now."""
        return await self._people.current(account.person) if account.is_ghost else account.handle

    async def find_node(self, seat: Seat) -> str:
        """The account that acts for a member, made or brought up to date if it is a ghost. Raises `NoAccount`."""
        known = await self._store.write(lambda tx: node_for(tx, self._rail, seat), durable=False)
        if known is not None:
            return known
        own = own_handle(self._rail, seat)
        if own is None:
            return await self._make_ghost(seat)
        found = await self._look_for(own)
        if found is None:
            raise NoAccount(f"{self._rail} no longer has the account of {seat.person}.")
        return found

    async def with_handle(self, handle: Handle) -> str:
        """The rail's own account with this handle. Raises `NoAccount`."""
        known = await self._store.write(lambda tx: [one for one in by_handle(tx, handle) if not one.is_ghost])
        found = known[0].native_id if known else await self._look_for(handle)
        if found is None:
            raise NoAccount(f"{self._rail} has no account with the handle it was said to have.")
        return found

    async def _look_for(self, handle: Handle) -> str | None:
        """Page through the rail's accounts: only for one that was registered before we were subscribed."""
        after: str | None = ""
        found = None
        while after is not None and found is None:
            answer = await self._client.ask(extension.accounts(after))
            if answer.status != 200:
                self._check_final(answer)
                return None
            page = extension.read_accounts(answer.body)
            await self._store.write(partial(save_all, found=page.accounts))
            found = next((one.native_id for one in page.accounts if one.handle == handle and one.kind != "ghost"), None)
            after = page.next
        return found

    async def _make_ghost(self, seat: Seat) -> str:
        known = await self._ghost_from_before(seat)
        key = known.key if known is not None and known.key else seat.person
        call = extension.ghost(key=key, name=seat.name, handle=seat.handles[0], aliases=seat.handles)
        answer = await self._client.ask(call)
        made = extension.read_account(answer.body) if answer.status in (200, 201) else None
        if made is None:
            self._check_final(answer)
            raise NoAccount(f"{self._rail} made no ghost for {seat.person} (HTTP {answer.status}).")

        def keep(tx: Connection) -> None:
            save(tx, made)
            tell(tx, made.native_id, description(seat), person=seat.person)

        await self._store.write(keep)
        return made.native_id

    async def _ghost_from_before(self, seat: Seat) -> Account | None:
        """Their ghost, or the ghost of a person who has turned out to be this one."""

        def candidates(tx: Connection) -> list[Account]:
            mine = ghost_of(tx, seat.person)
            others = [one for handle in seat.handles for one in by_handle(tx, handle) if one.is_ghost]
            return [mine] if mine is not None else others

        for candidate in await self._store.write(candidates):
            if await self._people.current(candidate.person) == seat.person:
                return candidate
        return None
