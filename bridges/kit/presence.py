"""Who is there, between rails: said over core NATS, never stored, and only of those who wish it.

Out: the rail tells that an app shows its owner; the bridge says which person, if they wish it, and when only about.
In: other rails say so; the bridge shows it by the person's account or ghost here, if there is one already, but to
nobody the person blocks. Who no longer wishes it is taken away as soon as the directory says so. Whatever fails is
left: the next sign comes soon. Called by `live` (which hands over what it reads) and `daemon`.
"""

from collections.abc import Awaitable, Callable
from sqlite3 import Connection as Transaction

import msgspec
import structlog

from bridges.kit import accounts, extension
from bridges.kit.accounts import Accounts
from bridges.kit.attendance import MOST, Gathering, Shown, Telling
from bridges.kit.contract import Call, NativePresence, Translator
from bridges.kit.people import People
from bridges.kit.rail import RailClient
from bridges.kit.signs import Heard, Signs
from bus import subjects
from bus.connection import Connection, CoreMessage
from bus.sqlite import Store
from schemas.codec import decode_presence
from schemas.ids import PersonId
from schemas.live import Presence, seen_about
from schemas.log import seat_of
from schemas.people import Person

_log = structlog.get_logger(__name__)
_ids = msgspec.msgpack.Decoder(list[str])

KIND = "presence"


class _Changed(msgspec.Struct, frozen=True):
    person: PersonId


class Attendance:
    """One bridge's."""

    def __init__(
        self,
        *,
        translator: Translator,
        conn: Connection,
        store: Store,
        client: RailClient,
        accounts_: Accounts,
        people: People,
        partitions: int,
        clock_s: Callable[[], float],
        now_ms: Callable[[], int],
    ) -> None:
        self._rail, self._conn = translator.rail, conn
        self._store, self._client = store, client
        self._accounts, self._people = accounts_, people
        self._clock_s, self._now_ms = clock_s, now_ms
        self._telling, self._gathering = Telling(), Gathering()
        self._shown: dict[PersonId, None] = {}
        """Of whom the rail may still show something; when there are too many, the oldest is not looked after."""
        self._signs = Signs[Presence, NativePresence | _Changed](
            kind=KIND,
            rail=translator.rail,
            conn=conn,
            partitions=partitions,
            decode=decode_presence,
            carries=translator.capabilities.presence.is_native,
        )

    def note(self, sign: NativePresence) -> None:
        """The rail says so; lost if too many wait."""
        self._signs.put(sign)

    async def run(self) -> None:
        """Until cancelled."""
        changes = await self._conn.subscribe_core(subjects.PEOPLE_CHANGED, self._on_changed)
        try:
            await self._signs.run(self._take, self._ended)
        finally:
            await changes.close()

    def _ended(self) -> list[Awaitable[None]]:
        return [self._show(person, shown) for person, shown in self._gathering.over(self._clock_s())]

    async def _on_changed(self, message: CoreMessage) -> None:
        for person in map(PersonId, _ids.decode(message.body)):
            if person in self._shown:
                self._signs.put(_Changed(person))

    async def _take(self, one: NativePresence | _Changed | Heard[Presence]) -> None:
        match one:
            case NativePresence():
                await self._say(one)
            case Heard(rail=rail, sign=sign):
                person = await self._people.person(sign.actor)
                if person is None or not one.is_theirs(person):
                    return
                shown = self._gathering.heard(rail, sign, now_s=self._clock_s())
                if shown is not None:
                    await self._show(sign.actor, shown)
            case _Changed():
                await self._look_again(one.person)

    async def _say(self, native: NativePresence) -> None:
        account = (await self._accounts.get_many([native.actor])).get(native.actor)
        if account is None or account.is_ghost:
            return
        person = await self._people.person(await self._accounts.person_of(account))
        if person is None:
            return
        now_ms = self._now_ms()
        is_wished = person.preferences.shows_presence(self._rail, now_ms=now_ms)
        on = native.on and is_wished
        if self._telling.said(person.id, on=on, now_s=self._clock_s()):
            sign = Presence(actor=person.id, on=on, seen_ms=seen_about(now_ms) if is_wished else 0)
            await self._signs.say(person.id, sign)

    async def _show(self, name: PersonId, shown: Shown) -> None:
        person = await self._people.person(name)
        if person is None:
            return
        if shown.seen_ms and not person.preferences.shows_presence(self._rail, now_ms=self._now_ms()):
            shown = Shown(on=False, seen_ms=0)
        if not shown.seen_ms and name not in self._shown:
            return
        hidden_from = await self._blocked_handles(person) if shown.seen_ms else []

        def call(tx: Transaction) -> Call | None:
            node = self._node(tx, person)
            hidden = [found.native_id for handle in hidden_from for found in accounts.by_handle(tx, handle)]
            if node is None:
                return None
            return extension.presence(node=node, on=shown.on, seen_ms=shown.seen_ms, hidden_from=hidden)

        asked = await self._store.write(call, durable=False)
        if asked is None:
            return
        self._shown.pop(name, None)
        if shown.seen_ms:
            self._shown[name] = None
            if len(self._shown) > MOST:
                del self._shown[next(iter(self._shown))]
        answer = await self._client.ask(asked)
        if answer.status != 200:
            _log.warning("presence.refused", rail=self._rail, status=answer.status)

    def _node(self, tx: Transaction, person: Person) -> str | None:
        """Who shows them here; a ghost that does not know their latest name yet will do."""
        seat = seat_of(person)
        node = accounts.node_for(tx, self._rail, seat)
        if node is not None or accounts.own_handle(self._rail, seat) is not None:
            return node
        ghost = accounts.ghost_of(tx, person.id)
        return None if ghost is None else ghost.native_id

    async def _look_again(self, name: PersonId) -> None:
        """They have changed something: what is shown of them may be no longer."""
        known = await self._people.person(name)
        if known is not None:
            self._people.saw([known])  # whoever hears first of a change, it is asked for anew
        person = await self._people.person(name)
        if person is not None and not person.preferences.shows_presence(self._rail, now_ms=self._now_ms()):
            self._gathering.forget(name)
            await self._show(name, Shown(on=False, seen_ms=0))

    async def _blocked_handles(self, person: Person) -> list[str]:
        """Those on this rail whom they block. Who blocks them is hidden from by the rail itself."""
        blocked = [await self._people.person(one) for one in person.blocked]
        handles = [accounts.own_handle(self._rail, seat_of(one)) for one in blocked if one is not None]
        return [handle for handle in handles if handle is not None]
