"""Three rails, three bridges, a router and three people; what each of them does next is the test's to say.

Alice is on all three rails, Bob on Messenger and Instagram, Carla on WhatsApp only.
"""

import sqlite3
from collections import defaultdict
from itertools import permutations
from pathlib import Path
from typing import Any, cast

import msgspec

from bridges.catalogue import discover
from bus.stored import StoredMessage
from bus.subjects import ingress, parse_ingress
from router.batch import Decider, Waiting
from router.core.about import Original
from router.core.fanout import Plans
from schemas.codec import decode_event, encode
from schemas.events import Link
from schemas.handles import Handle
from schemas.ids import OPERATOR, PEOPLE_PARTITION, EventId, event_id
from schemas.log import VERSION, Conversation, Entry, Record, Seat, order_of
from schemas.people import Person
from tests.simulation.backbone import PARTITIONS, Backbone
from tests.simulation.bridge import SimBridge
from tests.simulation.rail import SimRail

ADDRESSES = {
    "alice": {"whatsapp": "+393331112222", "messenger": "alice.bianchi", "instagram": "@alice"},
    "bob": {"messenger": "bob.rossi", "instagram": "@bob"},
    "carla": {"whatsapp": "+393336667777"},
}
RAILS = ("whatsapp", "messenger", "instagram")
STARTED_AT_MS = 1_790_000_000_000
PAIRS = list(permutations(ADDRESSES, 2))


class Federation:
    """All of it. `now_ms` moves only when `tick` is called."""

    def __init__(self, empty: dict[str, sqlite3.Connection], folder: Path) -> None:
        self.now_ms = STARTED_AT_MS
        self.backbone = Backbone()
        self.rails = {name: SimRail(name, empty[name], lambda: self.now_ms) for name in RAILS}
        self.bridges = {name: SimBridge(rail, self.backbone, folder) for name, rail in self.rails.items()}
        self.plans = Plans(capabilities={name: one.capabilities for name, one in discover().items()})
        self.states: dict[str, Conversation] = {}
        self.originals: dict[int, Original] = {}
        self.entries: list[tuple[int, Entry]] = []
        """Every entry of the log with its rank."""
        self.cursors: dict[int, dict[str, tuple[int, EventId]]] = defaultdict(dict)
        self.accounts: dict[tuple[str, str], str] = {}
        """Person and rail -> their native id there, or their ghost's."""
        self.own: dict[str, list[str]] = {who: list(at) for who, at in ADDRESSES.items()}

    def tick(self, ms: int) -> None:
        """Time passes."""
        self.now_ms += ms

    async def settle_in(self) -> None:
        """People register, their accounts are linked, and everybody has a ghost where they have no account."""
        for who, addresses in ADDRESSES.items():
            for rail, address in addresses.items():
                self.accounts[who, rail] = self.rails[rail].register(address, who.title()).id
        await self.quiet()
        for who, addresses in ADDRESSES.items():
            first, *others = [self._handle(rail, address) for rail, address in addresses.items()]
            for other in others:
                event = Link(id=event_id(OPERATOR, "link", "", first, other), handles=(first, other))
                self.backbone.publish(OPERATOR, ingress(OPERATOR, PEOPLE_PARTITION), encode(event), event.id)
                await self.quiet()
            person = self.person(first)
            seat = Seat(person=person.id, name=person.name, handles=person.handles())
            for rail, bridge in self.bridges.items():
                if rail not in addresses:
                    self.accounts[who, rail] = await bridge.bridge.accounts.find_node(seat)

    def person(self, handle: Handle) -> Person:
        found = self.backbone.people.whose(handle)
        assert found is not None
        return found

    def people(self) -> dict[str, str]:
        """Handle -> who that is."""
        return {self._handle(rail, address): who for who, at in ADDRESSES.items() for rail, address in at.items()}

    @staticmethod
    def _handle(rail: str, address: str) -> Handle:
        return Handle(f"{rail}:{address}")

    # --- the router ---

    async def route(self, source: str, most: int) -> int:
        """Decide the next messages of one source, one record for each partition; how many they were."""
        stream = self.backbone.ingress.get(source, [])
        taken = 0
        for partition in range(PARTITIONS):
            after = self.cursors[partition].get(source, (0, ""))[0]
            mine = [message for message in stream[after:] if parse_ingress(message.subject)[1] == partition][:most]
            if mine:
                taken += len(mine)
                await self._commit(partition, source, mine)
        return taken

    async def _commit(self, partition: int, source: str, batch: list[StoredMessage]) -> None:
        decider = Decider(partition=partition, partitions=PARTITIONS, record_bytes=512 * 1024)
        draft = decider.decide(
            [Waiting(source, message) for message in batch],
            states=cast("Any", self.states),
            originals=cast("Any", self.originals),
            flying={},
            people=self.backbone.people,
            plans=self.plans,
        )
        assert not draft.parked, draft.parked
        self.cursors[partition][source] = (batch[-1].sequence, EventId(batch[-1].event_id or ""))
        record = Record(
            version=VERSION,
            partition=partition,
            epoch=1,
            cursor=dict(self.cursors[partition]),
            entries=tuple(draft.entries),
        )
        sequence = len(self.backbone.log) + 1
        raw = encode(record)
        self.backbone.log.append(StoredMessage(f"log.{partition}", sequence, self.now_ms, raw))
        self.states.update(draft.states)
        for index, entry in enumerate(draft.entries):
            rank = order_of(sequence, index)
            self.originals[rank] = msgspec.msgpack.decode(encode(entry), type=Original)
            self.entries.append((rank, entry))
        if draft.people:
            self.backbone.introduce(draft.people)
            for bridge in self.bridges.values():
                for person in draft.people:
                    bridge.bridge.people._drop(person.id, person)

    # --- turns ---

    async def hook(self, rail: str, *, most: int = 200, swapped: bool = False, twice: bool = False) -> int:
        """One webhook. `swapped`: its updates the other way round; `twice`: the answer to the first one is lost."""
        there = self.rails[rail]
        if not there.waiting():
            return 0
        body, ids = there.webhook(most, swapped=swapped)
        await self.bridges[rail].take(body)
        if twice:
            await self.bridges[rail].take(body)
        there.taken(ids)
        return len(ids)

    async def quiet(self) -> None:
        """Until nothing is left to be done anywhere."""
        for _ in range(500):
            moved = 0
            for rail in RAILS:
                moved += await self.hook(rail)
                moved += await self.bridges[rail].publish()
                moved += await self.route(rail, 100)
                moved += await self.bridges[rail].read(100)
                moved += await self.bridges[rail].call()
            moved += await self.route(OPERATOR, 100)
            if not moved:
                return
        raise AssertionError("it never becomes quiet")

    # --- what is in the log ---

    def events(self, kind: str) -> list[tuple[int, Entry, Any]]:
        """Rank, entry and event of every entry of a kind."""
        return [(rank, entry, decode_event(entry.event)) for rank, entry in self.entries if entry.kind == kind]
