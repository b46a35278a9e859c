"""Who hears of what: events become rows of the outbox, in the transaction that makes them happen.

The federation partner hears of threads with a federated member; a business hears what is written to it and what
becomes of what it wrote. Rows are sent by `rails.kit.webhooks`.
"""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from rails.kit import accounts
from rails.kit.content import Poll
from rails.kit.model import Account, Changed, Failed, Kind, Posted, Reacted, Received, Status, Update
from rails.kit.rail import Entry, Rail
from rails.kit.store import Tx

E = TypeVar("E", Changed, Reacted)

PARTNER = ""
"""The outbox's name for the federation partner."""

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


def ascii_json(value: object) -> str:
    r"""JSON as the platforms sign it: ASCII, other characters as lower-case ``\\uXXXX``."""
    return _encode(value)


def announce_posted(tx: Tx, rail: Rail, event: Posted) -> None:
    """Both sides of a new message, and the partner."""
    if _hears(event.recipient):
        received = rail.wire.received(event)
        _put(tx, event.recipient.id, rail.webhook_object, received, delivers=event.message.native_id)
    if _hears(event.sender):
        _put(tx, event.sender.id, rail.webhook_object, rail.wire.echo(event))
    if event.by_partner:
        _put_partner(tx, rail.webhook_object, rail.wire.echo(event), slow=True)
    elif event.sender.federated or event.recipient.federated:
        _tell_partner(tx, rail, event)


def _tell_partner(tx: Tx, rail: Rail, event: Posted) -> None:
    message = event.message
    if message.details is None:
        _put_partner(tx, rail.webhook_object, rail.wire.received(event))
    elif isinstance(poll := message.details.content, Poll):
        value = {
            "native_id": message.native_id,
            "author": event.sender.id,
            "peer": event.recipient.id,
            "at_ms": message.sent_at_ms,
            "question": poll.question,
            "options": list(poll.options),
            "several": poll.several,
            "reply_to": message.reply_to,
            **message.details.ends(),
        }
        announce_extension(tx, rail, field="polls", value=value, at_ms=message.at_ms)
    else:
        entry = rail.wire.received(msgspec.structs.replace(event, to_partner=True))
        _put_partner(tx, rail.webhook_object, entry)


def announce_received(tx: Tx, rail: Rail, event: Received) -> None:
    """The author of what was received or read, and the partner."""
    partner_hears = not event.by_partner and (event.reader.federated or event.author.federated)
    if not partner_hears and not _hears(event.author):
        return
    for entry in rail.wire.receipts(event):
        if _hears(event.author):
            _put(tx, event.author.id, rail.webhook_object, entry)
        if partner_hears:
            _put_partner(tx, rail.webhook_object, entry, slow=event.status is Status.DELIVERED)


def announce_failed(tx: Tx, rail: Rail, event: Failed) -> None:
    """The author, where the platform has a webhook for it."""
    if _hears(event.author):
        for entry in rail.wire.failed(event):
            _put(tx, event.author.id, rail.webhook_object, entry)


def announce_change(
    tx: Tx,
    rail: Rail,
    *,
    hearer: Account,
    other: Account,
    told: Callable[[E], list[Entry]],
    event: E,
    by_partner: bool,
) -> None:
    """A change of a message or a reaction, in the platform's form: to who did not do it, and to the partner."""
    if _hears(hearer):
        for entry in told(event):
            _put(tx, hearer.id, rail.webhook_object, entry)
    if not by_partner and (hearer.federated or other.federated):
        for entry in told(msgspec.structs.replace(event, to_partner=True)):
            _put_partner(tx, rail.webhook_object, entry)


def announce_own(tx: Tx, rail: Rail, *, hearer: Account, entries: list[Entry]) -> None:
    """What became of a business's own act, to it."""
    if _hears(hearer):
        for entry in entries:
            _put(tx, hearer.id, rail.webhook_object, entry)


def partner_is_away(tx: Tx) -> bool:
    """Whether something has been waiting for the partner for longer than one try."""
    row = tx.one("SELECT attempts FROM outbox WHERE target = ? ORDER BY id LIMIT 1", PARTNER)
    return row is not None and row[0] > 0


def announce_extension(tx: Tx, rail: Rail, *, field: str, value: Mapping[str, object], at_ms: int) -> None:
    """What no platform has a form for, to the partner."""
    _put_partner(tx, "federation", {"id": rail.name, "time": at_ms, "changes": [{"field": field, "value": value}]})


def _hears(account: Account) -> bool:
    return account.kind is Kind.BUSINESS and account.webhook_url is not None


def _put_partner(tx: Tx, kind: str, entry: Entry, *, slow: bool = False) -> None:
    # Before the first subscription there is nobody to keep anything for: the partner starts with the list of accounts.
    if accounts.get_setting(tx, "partner.callback_url") is not None:
        tx.updates.append(_put(tx, PARTNER, kind, entry, slow=slow))


def _put(tx: Tx, target: str, kind: str, entry: Any, *, delivers: str | None = None, slow: bool = False) -> Update:
    written, now_ms = ascii_json(entry), time.time_ns() // 1_000_000
    cursor = tx.run(
        "INSERT INTO outbox (target, object, entry, delivers, created_at_ms) VALUES (?, ?, ?, ?, ?)",
        target,
        kind,
        written,
        delivers,
        now_ms,
    )
    if target != PARTNER:
        tx.wakes.add(target)
    return Update(
        id=cursor.lastrowid or 0, kind=kind, entry=written, delivers=delivers, created_at_ms=now_ms, slow=slow
    )


def updates_of(tx: Tx, target: str, *, after: int = 0, limit: int) -> list[Update]:
    """The first updates for a target behind one, oldest first."""
    found = tx.all(
        "SELECT id, object, entry, delivers, attempts, next_at_ms, created_at_ms FROM outbox"
        " WHERE target = ? AND id > ? ORDER BY id LIMIT ?",
        target,
        after,
        limit,
    )
    return [
        Update(id=i, kind=kind, entry=entry, delivers=delivers, attempts=attempts, next_at_ms=at, created_at_ms=made)
        for i, kind, entry, delivers, attempts, at, made in found
    ]
