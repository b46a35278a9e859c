"""A bridge whose parts are the real ones, and whose loops the test turns by hand, one turn at a time."""

import math
from pathlib import Path
from typing import Any, cast

from bridges.catalogue import discover
from bridges.kit import extension
from bridges.kit.daemon import SCHEMA, Bridge
from bridges.kit.lanes import Leg
from bridges.kit.legs import kept
from bridges.kit.outbox import Outbox, _pending
from bus.config import BridgeSettings
from bus.stored import StoredMessage
from tests.simulation.backbone import PARTITIONS, Backbone, Directory
from tests.simulation.desk import Desk
from tests.simulation.rail import SECRET, SimRail


class _Unplugged:
    """Where the bridge's `Connection` stands: nothing here asks it for anything."""

    def on_lost(self, _: object) -> Any:
        return lambda: None


class SimBridge:
    """One rail's bridge. `crash` takes all that it has in memory."""

    def __init__(self, rail: SimRail, backbone: Backbone, folder: Path) -> None:
        self.rail, self.backbone, self._folder = rail, backbone, folder
        self.desk = Desk(SCHEMA)
        self.cursor = 0
        self.crash()

    def crash(self) -> None:
        """Killed, and started again from its file."""
        self.bridge = Bridge(
            translator=discover()[self.rail.name],
            conn=cast("Any", _Unplugged()),
            store=cast("Any", self.desk),
            client=cast("Any", self.rail),
            partner_secret=SECRET,
            partitions=PARTITIONS,
            ours=BridgeSettings(),
            public_url="http://127.0.0.1:9",
            folder=self._folder / self.rail.name,
            tracer=None,
        )
        self.bridge.people._directory = cast("Any", Directory(self.backbone))
        self.desk.do(self.bridge.groups.load)
        outlet = self.bridge.outlet
        for row in self.desk.do(lambda tx: kept(tx, after=0, most=10_000)):
            outlet._lanes.add(Leg(row, in_doubt=True))
        outlet._is_behind = False
        self.bridge.orders.add(dict(self.desk.db.execute("SELECT native_id, rank FROM orders").fetchall()))
        row = self.desk.db.execute("SELECT value FROM state WHERE key = 'cursor'").fetchone()
        self.cursor = int(row[0]) if row else 0

    async def take(self, body: bytes) -> None:
        """A webhook. It is answered 200 when this returns."""
        await self.bridge.intake.claim(self.bridge.intake.read(body), webhook=body)

    async def publish(self) -> int:
        """What is in the outbox goes to the bus; how much that was."""
        await self.desk.write(self.bridge.results._collect)
        rows = self.desk.do(lambda tx: _pending(tx, after=0))
        acked = []
        for row in rows:
            if row.subject.startswith("in."):
                acked.append((row, self.backbone.publish(self.rail.name, row.subject, row.payload, row.event_id)))
            else:
                acked.append((row, 0))
        self.desk.do(lambda tx: Outbox._mark_in(tx, acked))
        return len(rows)

    async def read(self, most: int) -> int:
        """Some records of the log."""
        found: list[StoredMessage] = self.backbone.log[self.cursor : self.cursor + most]
        if found:
            await self.bridge.log._take([self.bridge.log._decode(message) for message in found])
            self.cursor = found[-1].sequence
        return len(found)

    async def call(self) -> int:
        """The first legs of all lanes, then the ranks that found no company; how many calls that may have been."""
        outlet, orders = self.bridge.outlet, self.bridge.orders
        legs = outlet._lanes.take(math.inf, most=extension.BATCH_MOST - 1)
        if legs:
            await outlet._handle(legs)
        ranks = orders.take()
        if ranks:
            orders.settle(ranks, await orders._ask(ranks))
        return len(legs) + len(ranks)
