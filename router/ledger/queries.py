"""Which rows answer which question. Reads only; every query stands on an index, whatever the history's length."""

from collections.abc import Sequence
from sqlite3 import Row
from typing import Any

import msgspec

from bus.sqlite import Store
from router.ledger.facts import Changed, Ends, Got, Settled, Written
from router.ledger.reasons import why
from router.ledger.story import Facts, told
from schemas.events import LegResult
from schemas.groups import is_group
from schemas.handles import Handle
from schemas.ids import PersonId
from schemas.log import Seat

MOST = 500
"""Rows in one answer."""

_MOST_READERS = 4000
_CHAIN = 32

_NAMED = (
    "?",
    "SELECT target FROM changes WHERE event_id = ?",
    "SELECT event_id FROM native_ids WHERE native_id = ?",
    "SELECT target FROM changes JOIN native_ids USING (event_id) WHERE native_id = ?",
)
"""A message's ids by any name: its own, that of something done to it, a rail's for either."""

_OF_READER = (
    "FROM receipts WHERE conversation = reach.conversation AND person = reach.person AND status = reach.status"
    " AND rail = reach.rail AND position >= :position ORDER BY position, rank LIMIT 1"
)
_FIRST_REACHING = (
    f"SELECT conversation, person, status, rail, (SELECT position {_OF_READER}) AS position,"  # noqa: S608 - ours
    f" (SELECT rank {_OF_READER}) AS rank, (SELECT at_ms {_OF_READER}) AS at_ms"
    f" FROM reach WHERE conversation = :conversation AND reach.position >= :position ORDER BY reach.rank"
    f" LIMIT {_MOST_READERS}"
)

_texts = msgspec.msgpack.Decoder(tuple[str, ...])
_reasons = msgspec.msgpack.Decoder(dict[str, str])
_details = msgspec.msgpack.Decoder(dict[str, Any])


class Queries:
    """What the ledger knows. Raises what SQLite raises once the store is closed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def trace(self, any_id: str) -> dict[str, Any] | None:
        """The story of a message by any of its names; None when the ledger has no such message."""
        facts = await self.facts_of(any_id)
        return told(facts) if facts is not None else None

    async def why(self, any_id: str, handle: Handle) -> dict[str, Any] | None:
        """Why this account did, or did not, get a message; None when the ledger has no such message."""
        facts = await self.facts_of(any_id)
        return why(facts, handle, await self.person_of(handle)) if facts is not None else None

    async def facts_of(self, any_id: str) -> Facts | None:
        """All that is known of a message, named by its own id, by a rail's, or by that of something done to it."""
        row = await self._message(any_id)
        if row is None:
            return None
        written = written_of(row)
        changed = await self._changes(written.event_id)
        return Facts(
            written=written,
            settled=await self._results([written.event_id, *(change.event_id for change in changed)]),
            got=await self._receipts(written.conversation, written.position),
            changed=changed,
            ends=await self._ends(written.event_id),
            members=await self._members(written.conversation, written.rank) if is_group(written.conversation) else (),
        )

    async def person_of(self, handle: str) -> PersonId | None:
        """Whose account this is today."""
        found = await self._store.read("SELECT person FROM accounts WHERE handle = ?", (handle,))
        person = found[0]["person"] if found else None
        for _ in range(_CHAIN):
            gone = await self._store.read("SELECT gone_to FROM people WHERE person = ?", (person,))
            if not gone or gone[0]["gone_to"] is None:
                break
            person = gone[0]["gone_to"]
        return person

    async def once(self, person: PersonId) -> list[str]:
        """The person, and everybody who turned out to be them."""
        rows = await self._store.read(
            "WITH RECURSIVE same (person) AS (VALUES (?) UNION SELECT people.person FROM people, same"
            " WHERE people.gone_to = same.person) SELECT person FROM same",
            (person,),
        )
        return [row["person"] for row in rows]

    async def _message(self, any_id: str) -> Row | None:
        for named in _NAMED:
            found = await self._store.read(
                f"SELECT * FROM messages WHERE event_id IN ({named}) ORDER BY rank LIMIT 1",  # noqa: S608 - ours
                (any_id,),
            )
            if found:
                return found[0]
        return None

    async def _changes(self, target: str) -> tuple[Changed, ...]:
        rows = await self._store.read("SELECT * FROM changes WHERE target = ? ORDER BY rank LIMIT ?", (target, MOST))
        return tuple(_changed(row) for row in rows)

    async def _ends(self, message: str) -> Ends | None:
        found = await self._store.read("SELECT * FROM ends WHERE message = ?", (message,))
        return next((_end(row) for row in found), None)

    async def _results(self, events: Sequence[str]) -> tuple[Settled, ...]:
        marks = ", ".join("?" * len(events))
        rows = await self._store.read(
            f"SELECT * FROM results WHERE event_id IN ({marks}) ORDER BY rank",  # noqa: S608 - question marks only
            events,
        )
        return tuple(settled_of(row) for row in rows)

    async def _receipts(self, conversation: str, position: int) -> tuple[Got, ...]:
        """The first that reaches the position, and the furthest, of each person on each rail."""
        furthest = await self._store.read(
            "SELECT * FROM reach WHERE conversation = ? ORDER BY rank LIMIT ?", (conversation, _MOST_READERS)
        )
        first = await self._store.read(_FIRST_REACHING, {"conversation": conversation, "position": position})
        got = {(row["rank"], row["person"], row["status"]): _got(row) for row in (*first, *furthest)}
        return tuple(got[key] for key in sorted(got))

    async def _members(self, conversation: str, rank: int) -> tuple[Seat, ...]:
        """Who was in a group when an entry was decided, with the handles they have today."""
        rows = await self._store.read(
            "SELECT person, name, handle FROM members JOIN people USING (person) LEFT JOIN accounts USING (person)"
            " WHERE conversation = ? AND since_rank <= ? AND (until_rank = 0 OR until_rank > ?)"
            " ORDER BY since_rank, person",
            (conversation, rank, rank),
        )
        handles: dict[tuple[PersonId, str], list[Handle]] = {}
        for row in rows:
            mine = handles.setdefault((row["person"], row["name"]), [])
            if row["handle"] is not None:
                mine.append(row["handle"])
        return tuple(Seat(person=person, name=name, handles=tuple(mine)) for (person, name), mine in handles.items())

    async def page(self, *, after: int, since_ms: int, limit: int) -> list[dict[str, Any]]:
        """The stories of routed messages behind a rank, in the log's order, each with its `rank`."""
        rows = await self._store.read(
            "SELECT rank, event_id FROM messages WHERE rank > ? AND outcome = 'routed' AND routed_at_ms >= ?"
            " ORDER BY rank LIMIT ?",
            (after, since_ms, min(limit, MOST)),
        )
        return [{"rank": row["rank"], **(await self.trace(row["event_id"]) or {})} for row in rows]

    async def search(self, words: str, *, limit: int) -> list[dict[str, Any]]:
        """Messages in which all these words stand (the last may be a beginning), newest first."""
        matched = match_of(words)
        if not matched:
            return []
        rows = await self._store.read(
            "SELECT event_id, conversation, position, writer, accepted_at_ms, routed_at_ms, shape, source,"
            " snippet(words, 0, '[', ']', '...', 16) AS shown"
            " FROM words JOIN messages ON messages.rank = words.rowid"
            " WHERE words MATCH ? ORDER BY words.rowid DESC LIMIT ?",
            (matched, min(limit, MOST)),
        )
        return [
            {
                "message_id": row["event_id"],
                "conversation": row["conversation"],
                "position": row["position"],
                "from": row["writer"],
                "source": row["source"],
                "at_ms": row["accepted_at_ms"] or row["routed_at_ms"],
                "shape": row["shape"],
                "text": row["shown"],
            }
            for row in rows
        ]

    async def figures(self) -> dict[str, int]:
        """How much there is."""
        counts = ", ".join(
            f"(SELECT count(*) FROM {table}) AS {table}"  # noqa: S608 - names of ours
            for table in ("messages", "changes", "results", "receipts", "people", "groups")
        )
        row = (await self._store.read(f"SELECT {counts}"))[0]
        return {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over its values


def match_of(words: str) -> str:
    """Anybody's words as a question for FTS5: no operators, all have to be there, the last may be a beginning."""
    parts = ['"' + part.replace('"', '""') + '"' for part in words.split() if any(map(str.isalnum, part))]
    return " ".join(parts) + "*" if parts else ""


def written_of(row: Row) -> Written:
    """A row of `messages`."""
    return Written(
        rank=row["rank"],
        event_id=row["event_id"],
        conversation=row["conversation"],
        position=row["position"],
        source=row["source"],
        writer=row["writer"],
        actor=row["actor"],
        outcome=row["outcome"],
        why=row["why"],
        shape=row["shape"],
        native_id=row["native_id"],
        reply_to=row["reply_to"],
        accepted_at_ms=row["accepted_at_ms"],
        routed_at_ms=row["routed_at_ms"],
        seats=row["seats"],
        legs=row["legs"],
        unreached=_reasons.decode(row["unreached"]),
        words="",
    )


def settled_of(row: Row) -> Settled:
    """A row of `results`."""
    return Settled(
        rank=row["rank"],
        rail=row["rail"],
        told_at_ms=row["told_at_ms"],
        result=LegResult(
            event=row["event_id"],
            status=row["status"],
            origin=row["origin"],
            native_ids=_texts.decode(row["native_ids"]),
            attempts=row["attempts"],
            at_ms=row["at_ms"],
            why=row["why"],
            lost=_texts.decode(row["lost"]),
        ),
    )


def _changed(row: Row) -> Changed:
    return Changed(
        rank=row["rank"],
        event_id=row["event_id"],
        target=row["target"],
        kind=row["kind"],
        source=row["source"],
        by=row["by"],
        actor=row["actor"],
        outcome=row["outcome"],
        why=row["why"],
        at_ms=row["at_ms"],
        routed_at_ms=row["routed_at_ms"],
        legs=row["legs"],
        unreached=_reasons.decode(row["unreached"]),
        detail=_details.decode(row["detail"]),
        words="",
    )


def _end(row: Row) -> Ends:
    return Ends(rank=row["rank"], message=row["message"], at_ms=row["at_ms"], after_read_s=row["after_read_s"])


def _got(row: Row) -> Got:
    return Got(
        rank=row["rank"],
        conversation=row["conversation"],
        person=row["person"],
        rail=row["rail"],
        status=row["status"],
        position=row["position"],
        at_ms=row["at_ms"],
    )


def reasons_of(blob: bytes) -> dict[str, str]:
    """Handle -> why, as `unreached` is kept."""
    return _reasons.decode(blob)


def texts_of(blob: bytes) -> tuple[str, ...]:
    """Phrases, as `lost` is kept."""
    return _texts.decode(blob)
