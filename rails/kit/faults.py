"""Faults on demand: what the real platforms do on bad days, by a seeded plan, counted when it really fires.

Applied by `rails.kit.graph` (the Platform API) and `rails.kit.webhooks`; never to the Client API.
"""

import random
from collections import Counter
from typing import Annotated, Any

import msgspec

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often each fault shall fire.

    Webhooks: `duplicate` (sent twice), `reorder` (a later one overtakes). Platform API: `drop_answer` (done, but the
    connection closes without a word), `too_many` (the platform's rate-limit error), `server_error` (a 500, nothing
    done). Both: `delay` by `delay_ms`.
    """

    seed: int = 0
    duplicate: Probability = 0.0
    delay: Probability = 0.0
    delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 300
    reorder: Probability = 0.0
    drop_answer: Probability = 0.0
    too_many: Probability = 0.0
    server_error: Probability = 0.0


KINDS = ("duplicate", "delay", "reorder", "drop_answer", "too_many", "server_error")


class Faults:
    """The plan in force and its dice."""

    def __init__(self) -> None:
        self._plan: FaultPlan | None = None
        self._dice = random.Random(0)  # noqa: S311 - dice for faults
        self._fired: Counter[str] = Counter()

    def set(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._dice = random.Random(plan.seed)  # noqa: S311 - dice for faults
        self._fired.clear()

    def clear(self) -> None:
        self._plan = None

    def fires(self, kind: str) -> bool:
        """Roll the dice for one kind; a hit is counted, so ask only where it will then be done."""
        if self._plan is None or self._dice.random() >= getattr(self._plan, kind):
            return False
        self._fired[kind] += 1
        return True

    @property
    def delay_s(self) -> float:
        return 0.0 if self._plan is None else self._plan.delay_ms / 1000

    def shown(self) -> dict[str, Any]:
        plan = None if self._plan is None else msgspec.to_builtins(self._plan)
        return {"plan": plan, "fired": {kind: self._fired[kind] for kind in KINDS}}
