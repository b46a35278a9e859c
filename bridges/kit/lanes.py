"""The outlet's legs in memory: a lane a conversation, in order; which lanes are ready, waiting or in no hurry.

Only the first leg of a lane is ever on its way. Times are the loop's, in seconds. No I/O; only the outlet calls it.
"""

import heapq
from collections import deque

from bridges.kit.legs import LegRow
from bridges.kit.steps import Step

SLOW_S = 0.4
"""Longer than rails and bridges collect their own news of deliveries: what they tell need not be told them."""


class Leg:
    """A leg in memory: its row, how many of its calls have succeeded since we started, and how often one did not.

    `step`: what is to be done first, if that is known already.
    `in_doubt`: a call was not answered (or may have been made before we started), so it may have been carried out.
    `refused`: why the rail would not have it done as it was first asked.
    """

    __slots__ = ("done", "in_doubt", "refused", "retries", "row", "step")

    def __init__(self, row: LegRow, *, in_doubt: bool, step: Step | None = None) -> None:
        self.row, self.step = row, step
        self.retries = 0
        self.done = 0
        self.in_doubt = in_doubt
        self.refused = ""

    @property
    def is_slow(self) -> bool:
        """Whether nobody waits for it."""
        return self.row.act == "delivered"


class Lanes:
    """Legs by lane. `loaded`: how many; `last_id`: the last row that was added."""

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Leg]] = {}
        self._ready: deque[str] = deque()
        self._slow: dict[str, None] = {}
        self._slow_from_s = 0.0
        self._waiting: list[tuple[float, str]] = []
        self.loaded, self.last_id = 0, 0

    def __contains__(self, name: str) -> bool:
        return name in self._lanes

    def oldest_at_ms(self) -> int | None:
        """When the oldest leg that is on its way, or may be, was taken from the log."""
        return min((lane[0].row.taken_at_ms for lane in self._lanes.values()), default=None)

    def add(self, leg: Leg) -> None:
        """Behind all others of its lane. One that is there already (the table was read meanwhile) is not added."""
        if leg.row.id <= self.last_id:
            return
        self.loaded += 1
        self.last_id = leg.row.id
        name = leg.row.lane
        lane = self._lanes.get(name)
        if lane is None:
            self._lanes[name] = deque([leg])
            if leg.is_slow:
                self._slow[name] = None
            else:
                self._ready.append(name)
            return
        lane.append(leg)
        if name in self._slow and not leg.is_slow:
            del self._slow[name]
            self._ready.append(name)

    def take(self, now_s: float, *, most: int) -> list[Leg]:
        """The first legs of the lanes that are ready; those in no hurry go along with others, or when it is time."""
        while self._waiting and self._waiting[0][0] <= now_s:
            self._ready.append(heapq.heappop(self._waiting)[1])
        if self._slow and (self._ready or now_s >= self._slow_from_s):
            self._ready += self._slow
            self._slow.clear()
            self._slow_from_s = now_s + SLOW_S
        return [self._lanes[self._ready.popleft()][0] for _ in range(min(len(self._ready), most))]

    def due_s(self) -> float | None:
        """When there is something to take; None: not before something is added or released."""
        if self._ready:
            return 0.0
        due_s = [self._waiting[0][0]] if self._waiting else []
        if self._slow:
            due_s.append(self._slow_from_s)
        return min(due_s, default=None)

    def release(self, leg: Leg, *, ends: bool, from_s: float) -> None:
        """A leg that was taken is done, or is to be taken again `from_s` on (0: at once). Its lane goes on."""
        name = leg.row.lane
        lane = self._lanes[name]
        if ends:
            lane.popleft()
            self.loaded -= 1
            if not lane:
                del self._lanes[name]
                return
        if from_s > 0:
            heapq.heappush(self._waiting, (from_s, name))
        else:
            self._ready.append(name)
