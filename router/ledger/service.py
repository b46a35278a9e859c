"""The ledger's questions over NATS, from both sides: `questions` for the daemon, `Asking` for whoever wants to know.

Every answer is of all that was on the log when it was asked, or says how many records it is behind.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from bus.connection import Connection
from bus.keys import LEDGER
from bus.service import Answerer, CannotAnswer, ask
from router.ledger.losses import Losses
from router.ledger.queries import Queries
from schemas.errors import BadHandle
from schemas.handles import Handle, parse

VERSION = "1.0.0"
DESCRIPTION = "What became of every message: trace, why, search, loss"

_CURRENT_WITHIN_S = 2.0
_USUAL = 50


class Answering(Protocol):
    """The daemon, as the questions need it."""

    def opened(self) -> tuple[Queries, Losses]:
        """What can be asked now. Raises `CannotAnswer` while the file is being made anew."""

    async def behind(self, *, within_s: float) -> int:
        """Waits to catch up with the log; how many records are missing after that time."""

    def status(self) -> Mapping[str, Any]:
        """How it is doing."""

    def rebuild(self) -> None:
        """Forget everything and read the log anew."""


def questions(ledger: Answering) -> dict[str, Answerer]:
    """Question -> what answers it."""

    async def trace(asked: dict[str, Any]) -> Any:
        behind = await ledger.behind(within_s=_CURRENT_WITHIN_S)
        queries, _ = ledger.opened()
        return {"found": await queries.trace(_text(asked, "id")), "behind": behind}

    async def why(asked: dict[str, Any]) -> Any:
        behind = await ledger.behind(within_s=_CURRENT_WITHIN_S)
        queries, _ = ledger.opened()
        return {"found": await queries.why(_text(asked, "id"), _handle(asked, "handle")), "behind": behind}

    async def search(asked: dict[str, Any]) -> Any:
        if not ledger.status()["search"]:
            raise CannotAnswer("Words are not kept here: ledger.search is off. Turn it on and start the ledger again.")
        behind = await ledger.behind(within_s=_CURRENT_WITHIN_S)
        queries, _ = ledger.opened()
        return {"found": await queries.search(_text(asked, "words"), limit=_limit(asked)), "behind": behind}

    async def loss(asked: dict[str, Any]) -> Any:
        behind = await ledger.behind(within_s=_CURRENT_WITHIN_S)
        _, losses = ledger.opened()
        of = _handle(asked, "of") if asked.get("of") else None
        return {"found": await losses.page(of, limit=_limit(asked)), "behind": behind}

    async def messages(asked: dict[str, Any]) -> Any:
        behind = await ledger.behind(within_s=_CURRENT_WITHIN_S)
        queries, _ = ledger.opened()
        after, since_ms = int(asked.get("after", 0)), int(asked.get("since_ms", 0))
        return {"found": await queries.page(after=after, since_ms=since_ms, limit=_limit(asked)), "behind": behind}

    async def status(_: dict[str, Any]) -> Any:
        return {**ledger.status(), "pending": await ledger.behind(within_s=0)}

    async def figures(_: dict[str, Any]) -> Any:
        queries, _losses = ledger.opened()
        return {**ledger.status(), **await queries.figures()}

    async def rebuild(_: dict[str, Any]) -> Any:
        before = ledger.status()["builds"]
        ledger.rebuild()
        return {"builds": before}

    return {
        "trace": trace,
        "why": why,
        "search": search,
        "loss": loss,
        "messages": messages,
        "status": status,
        "figures": figures,
        "rebuild": rebuild,
    }


def _text(asked: Mapping[str, Any], key: str) -> str:
    found = asked.get(key)
    if not isinstance(found, str) or not found:
        raise CannotAnswer(f"{key}: expected text.")
    return found


def _handle(asked: Mapping[str, Any], key: str) -> Handle:
    try:
        return parse(_text(asked, key))
    except BadHandle as error:
        raise CannotAnswer(str(error)) from error


def _limit(asked: Mapping[str, Any]) -> int:
    found = asked.get("limit", _USUAL)
    if not isinstance(found, int) or found < 1:
        raise CannotAnswer("limit: expected a number from 1 on.")
    return found


class Asking:
    """The ledger, seen from anywhere on the bus. Raises `NobodyAnswers`, `CannotAnswer`, `NotConnected`."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    async def __call__(self, question: str, **asked: Any) -> dict[str, Any]:
        """The answer to one question."""
        answer: dict[str, Any] = await ask(self._conn, LEDGER, question, asked)
        return answer
