"""What somebody did not see as it was meant: legs that failed or were left out, and what a rail could not carry."""

from collections.abc import Iterator
from sqlite3 import Row
from typing import Any

from bus.sqlite import Store
from router.ledger.queries import MOST, Queries, reasons_of, texts_of
from schemas.codec import decode_seats
from schemas.errors import explain as in_words
from schemas.handles import Handle, rail_of
from schemas.ids import person_id

_NEWEST = 1 << 62

_LEGS = """
SELECT results.event_id AS own_id,
       results.rank, results.rail, results.status, results.why, results.lost, results.attempts, results.at_ms,
       results.told_at_ms, coalesce(changes.kind, 'message') AS kind, messages.event_id, messages.conversation,
       messages.position, messages.writer, messages.actor, messages.seats
FROM results LEFT JOIN changes ON changes.event_id = results.event_id
JOIN messages ON messages.event_id = coalesce(changes.target, results.event_id)
WHERE (results.status <> 'posted' OR results.lost <> x'90') AND results.rank < :before
  AND NOT EXISTS (SELECT 1 FROM results AS later WHERE later.event_id = results.event_id
                  AND later.rail = results.rail AND later.rank > results.rank)
"""
_LEFT_OUT = """
SELECT rank, event_id, conversation, position, writer, actor, source, outcome, why, unreached, seats,
       accepted_at_ms, routed_at_ms
FROM messages WHERE (unreached <> x'80' OR outcome <> 'routed') AND rank < :before
"""
_THEIRS = " AND messages.conversation IN (SELECT conversation FROM members WHERE person IN ({persons}))"


class Losses:
    """Questions about what was lost."""

    def __init__(self, store: Store, queries: Queries) -> None:
        self._store, self._queries = store, queries

    async def page(self, of: Handle | None, *, limit: int, before: int = _NEWEST) -> list[dict[str, Any]]:
        """Losses, newest first. `of`: only those of this account. `before`: the rank that the last page ended with."""
        persons = await self._persons(of) if of is not None else []
        values: dict[str, Any] = {"before": before, "limit": min(limit, MOST)}
        values |= {f"p{index}": person for index, person in enumerate(persons)}
        theirs = _THEIRS.format(persons=", ".join(f":p{index}" for index in range(len(persons)))) if persons else ""
        legs, own = "", ""
        if of is not None:
            values |= {"rail": rail_of(of), "of": of}
            legs, own = f"{theirs} AND results.rail = :rail", f" AND (writer = :of OR (1{theirs}))"
        rows = await self._store.read(f"{_LEGS}{legs} ORDER BY results.rank DESC LIMIT :limit", values)
        found = [_leg(row) for row in rows]
        rows = await self._store.read(f"{_LEFT_OUT}{own} ORDER BY rank DESC LIMIT :limit", values)
        found += [one for row in rows for one in _left_out(row) if of in (None, *one["recipients"])]
        found.sort(key=lambda one: one["rank"], reverse=True)
        return found[: values["limit"]]

    async def _persons(self, of: Handle) -> list[str]:
        """Who the account's person is and was; somebody nobody has introduced is known by the handle alone."""
        return await self._queries.once(await self._queries.person_of(of) or person_id(of))


def _leg(row: Row) -> dict[str, Any]:
    """A leg that a rail did not take, or not whole."""
    lost = texts_of(row["lost"])
    recipients = [
        handle for seat in decode_seats(row["seats"]) for handle in seat.handles if rail_of(handle) == row["rail"]
    ]
    return {
        "rank": row["rank"],
        "message_id": row["event_id"],
        "event_id": row["own_id"],
        "conversation": row["conversation"],
        "position": row["position"],
        "from": row["writer"],
        "kind": row["kind"],
        "rail": row["rail"],
        "recipients": recipients,
        "what": "lost" if row["status"] == "posted" else row["status"],
        "lost": list(lost),
        "why": row["why"],
        "attempts": row["attempts"],
        "at_ms": row["at_ms"] or row["told_at_ms"],
        "repairable": row["status"] == "failed",
    }


def _left_out(row: Row) -> Iterator[dict[str, Any]]:
    """Whom the router did not send it to: accounts that are not to be reached, or everybody, if it was refused."""
    common = {
        "rank": row["rank"],
        "message_id": row["event_id"],
        "event_id": row["event_id"],
        "conversation": row["conversation"],
        "position": row["position"],
        "from": row["writer"],
        "kind": "message",
        "lost": [],
        "attempts": 0,
        "at_ms": row["accepted_at_ms"] or row["routed_at_ms"],
        "repairable": False,
    }
    if row["outcome"] != "routed":
        recipients = [row["writer"]] if row["writer"] else []
        yield {
            **common,
            "rail": row["source"],
            "recipients": recipients,
            "what": row["outcome"],
            "why": in_words(row["why"]),
        }
    for handle, why in reasons_of(row["unreached"]).items():
        yield {**common, "rail": rail_of(handle), "recipients": [handle], "what": "left out", "why": why}
