"""A thread's timer: how long what is written there from now on lasts. Functions of one transaction; may run twice.

The rail shows it and marks new messages with it; that they go when their time is over is the partner's doing.
"""

import msgspec

from rails.kit import content, groups, messages, outbox
from rails.kit.acts import Acts
from rails.kit.content import Details
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.store import Tx


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds after sending, and after somebody else has first read it; 0: not for that reason."""

    after_s: int = 0
    after_read_s: int = 0


NONE = Timer()


def of(tx: Tx, thread_id: str) -> Timer:
    """The thread's."""
    row = tx.one("SELECT after_s, after_read_s FROM thread_timers WHERE thread_id = ?", thread_id)
    return NONE if row is None else Timer(after_s=row[0], after_read_s=row[1])


def put(tx: Tx, acts: Acts, *, by: Account, other: Account, timer: Timer, by_partner: bool = False) -> Timer:
    """`by` sets the timer of the thread with `other`, or ends it. Refuses `not_found` while nothing has been said."""
    thread_id = messages.thread_of(by, other)
    if tx.one("SELECT 1 FROM threads WHERE id = ?", thread_id) is None:
        raise Refused(Why.NOT_FOUND, "There is no such thread yet; write something first")
    if other.kind is Kind.GROUP:
        groups.must_be_open_to(tx, other, by.id)
    if of(tx, thread_id) == timer:
        return timer
    tx.run(
        "INSERT INTO thread_timers VALUES (?, ?, ?) ON CONFLICT (thread_id) DO UPDATE SET after_s = excluded.after_s,"
        " after_read_s = excluded.after_read_s",
        thread_id,
        timer.after_s,
        timer.after_read_s,
    )
    told = {"type": "timer", "thread": thread_id, "by": by.handle, **msgspec.to_builtins(timer)}
    for member in groups.required(tx, other.id).roles if other.kind is Kind.GROUP else (by.id, other.id):
        tx.push(member, told)
    if not by_partner and (by.federated or other.federated):
        at_ms = acts.now_ms()
        value = {"node": by.id, "peer": other.id, "at_ms": at_ms, **msgspec.to_builtins(timer)}
        outbox.announce_extension(tx, acts.rail, field="timers", value=value, at_ms=at_ms)
    return timer


def applied(details: Details | None, timer: Timer, now_ms: int) -> Details | None:
    """A new message's details with the thread's timer: the shorter of both, each way."""
    if timer == NONE:
        return details
    asked = details or content.NOTHING
    ends = [one for one in (asked.expires_at_ms, now_ms + timer.after_s * 1000 if timer.after_s else 0) if one]
    reading = [one for one in (asked.after_read_s, timer.after_read_s) if one]
    return msgspec.structs.replace(asked, expires_at_ms=min(ends, default=0), after_read_s=min(reading, default=0))
