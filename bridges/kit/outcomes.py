"""What became of legs' steps, and what that changes: ids bound, what is shown, results, dead letters. In transactions.

Called by the outlet, for a whole batch at once.
"""

from collections.abc import Sequence
from sqlite3 import Connection as Transaction
from typing import Literal

import msgspec

from bridges.kit import groups, idmap, reactions, reports, shown, targets, uploads
from bridges.kit.lanes import Leg
from bridges.kit.legs import letter as letter_of
from bridges.kit.outbox import Outbox
from bridges.kit.receipts import Place
from bridges.kit.shown import Shown
from schemas.events import LegResult
from schemas.ids import EventId, RailName, partition_of

TOLD_ABOUT = ("post", "edit", "unsend", "react", "vote", "group")
"""Acts whose result goes back to the log."""

FailedBy = Literal["refused", "deadline", "impossible"]


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a leg's step; written down in one transaction with those of the others."""

    leg: Leg
    ends: bool = False
    places: Sequence[Place] = ()
    native_ids: tuple[str, ...] = ()
    shown: Sequence[tuple[str, Shown]] = ()
    reacted: tuple[str, str, str] | None = None
    grouped: str = ""
    """What the native group of the leg's conversation is called."""
    lost: tuple[str, ...] = ()
    skipped: str = ""
    forgotten: tuple[str, ...] = ()
    """Uploads that the rail may not know any more."""
    failed: str = ""
    reason: FailedBy = "refused"
    """What `failed` comes under; for the metrics."""
    wait_s: float = 0.0


def write(
    tx: Transaction, outcomes: Sequence[Outcome], *, rail: RailName, outbox: Outbox, partitions: int, at_ms: int
) -> None:
    """All that these outcomes change, in one transaction."""
    places = [place for outcome in outcomes for place in outcome.places]
    idmap.bind(tx, places)
    reports.report_reaches(tx, outbox, rail, idmap.release(tx, places))
    targets.release(tx, outbox, places)
    shown.save(tx, (one for outcome in outcomes for one in outcome.shown))
    for outcome in outcomes:
        row = outcome.leg.row
        uploads.forget(tx, outcome.forgotten)
        if outcome.grouped:
            groups.bind(tx, row.conversation, outcome.grouped)
        if outcome.reacted is not None:
            reactions.set_shown(tx, *outcome.reacted)
        if outcome.failed:
            letter = letter_of(
                row,
                rail=rail,
                why=outcome.failed,
                at_ms=at_ms,
                attempts=outcome.leg.retries + 1,
                may_have_been_sent=outcome.leg.in_doubt,
            )
            outbox.put_dead(tx, letter, since=row.taken_at_ms)
        if outcome.ends and _is_told(outcome, rail):
            _queue_result(tx, outcome, partitions, at_ms)
    tx.executemany("DELETE FROM legs WHERE id = ?", [(one.leg.row.id,) for one in outcomes if one.ends])


def _is_told(outcome: Outcome, rail: RailName) -> bool:
    """Of what was done here and only brought to our other copies, nothing but failures and corrections."""
    act, is_ours = outcome.leg.row.act, outcome.leg.row.source == rail
    is_worth_it = outcome.failed or act == "group" or (act == "edit" and outcome.lost)
    return act in TOLD_ABOUT and (not is_ours or bool(is_worth_it))


def _queue_result(tx: Transaction, outcome: Outcome, partitions: int, at_ms: int) -> None:
    row = outcome.leg.row
    native_ids = outcome.native_ids
    if not outcome.failed and row.act == "post" and outcome.places and outcome.places[0].part > 0:
        native_ids = tuple(place.native_id for place in idmap.parts_of(tx, row.event_id))
    result = LegResult(
        event=EventId(row.event_id),
        status="failed" if outcome.failed else "skipped" if outcome.skipped else "posted",
        origin=row.source if outcome.failed else "",
        native_ids=native_ids,
        attempts=outcome.leg.retries + 1,
        at_ms=at_ms,
        why=outcome.failed or outcome.skipped,
        lost=outcome.lost,
    )
    reports.queue_result(tx, result, partition_of(row.conversation, partitions))
