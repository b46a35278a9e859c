"""Who is there, and when they last were: only as their app (or the partner) says so, in memory, never stored.

An app that shows its owner says so again every half minute; a sign counts for a minute, and nothing else makes anybody
be there: not typing, not an open socket, not a message. It is shown to who has a direct thread with them, and not where
one of the two blocks the other. What an account's app says and what the partner says of the same account is
kept apart: there is who is there by either. When they last were is told in steps of five minutes.
"""

from collections.abc import Sequence

import msgspec

from rails.kit import accounts, messages, outbox
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.rail import Json, Rail
from rails.kit.store import Tx

LASTS_MS = 60_000
PARTNER_LASTS_MS = 90_000
STEP_MS = 300_000
MOST = 100_000
"""Accounts in memory; beyond, who has said nothing for longest is forgotten."""
_PEERS_MOST = 500
"""The threads, latest first, whose members are told at once; the others see it when they ask."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """One account. `seen_ms`: 0 when nothing is to be shown; `hidden_from`: accounts that see nothing of it."""

    own_until_ms: int = 0
    own_seen_ms: int = 0
    partner_until_ms: int = 0
    partner_seen_ms: int = 0
    hidden_from: tuple[str, ...] = ()

    def shown(self, now_ms: int) -> Json:
        """As others are shown it: ``online``, and ``until_ms`` (if nothing more is said) or ``last_seen_ms``."""
        until_ms = max(self.own_until_ms, self.partner_until_ms)
        if until_ms > now_ms:
            return {"online": True, "until_ms": until_ms}
        seen_ms = max(self.own_seen_ms, self.partner_seen_ms)
        return {"online": False, "last_seen_ms": seen_ms - seen_ms % STEP_MS} if seen_ms else {"online": False}


class Presences:
    """Account id -> what is known. Used on the writer's thread alone."""

    def __init__(self) -> None:
        self._known: dict[str, Sight] = {}

    def get(self, account_id: str) -> Sight:
        return self._known.get(account_id, Sight())

    def put(self, account_id: str, sight: Sight) -> None:
        self._known.pop(account_id, None)
        self._known[account_id] = sight
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]


def say(tx: Tx, rail: Rail, presences: Presences, *, me: Account, on: bool, now_ms: int) -> None:
    """My app says that I am there, or no longer."""
    sight = msgspec.structs.replace(
        presences.get(me.id), own_until_ms=now_ms + LASTS_MS if on else 0, own_seen_ms=now_ms
    )
    presences.put(me.id, sight)
    _push(tx, sight, me, now_ms)
    if me.federated and not outbox.partner_is_away(tx):
        outbox.announce_extension(tx, rail, field="presence", value={"node": me.id, "on": on}, at_ms=now_ms)


def take_over(
    tx: Tx, presences: Presences, *, node: Account, on: bool, seen_ms: int, hidden_from: Sequence[str], now_ms: int
) -> None:
    """The partner says that somebody is there on another rail, or no longer; `seen_ms` 0: nothing is shown."""
    sight = msgspec.structs.replace(
        presences.get(node.id),
        partner_until_ms=now_ms + PARTNER_LASTS_MS if on else 0,
        partner_seen_ms=seen_ms,
        hidden_from=tuple(hidden_from),
    )
    presences.put(node.id, sight)
    _push(tx, sight, node, now_ms)


def of(tx: Tx, presences: Presences, *, me: Account, other: Account, now_ms: int) -> Json:
    """What I am shown of somebody I have a thread with. Raises `Refused` for anybody else."""
    thread_id = messages.direct_thread_id(me.id, other.id)
    if messages.other_member(tx, thread_id=thread_id, account_id=me.id) is None:
        raise Refused(Why.NOT_FOUND, f"There is no thread with {other.handle}")
    sight = presences.get(other.id)
    sees = _may_see(tx, sight, other, me.id)
    return {"handle": other.handle, **(sight if sees else Sight()).shown(now_ms)}


def _push(tx: Tx, sight: Sight, account: Account, now_ms: int) -> None:
    rows = tx.all(
        "SELECT t.id, you.account_id FROM thread_members me JOIN threads t ON t.id = me.thread_id AND t.kind = 'direct'"
        " JOIN thread_members you ON you.thread_id = t.id AND you.account_id != me.account_id"
        " WHERE me.account_id = ? ORDER BY t.last_at_ms DESC LIMIT ?",
        account.id,
        _PEERS_MOST,
    )
    shown = sight.shown(now_ms)
    for thread_id, peer_id in rows:
        if _may_see(tx, sight, account, peer_id):
            tx.push(peer_id, {"type": "presence", "thread": thread_id, "by": account.handle, **shown})


def _may_see(tx: Tx, sight: Sight, account: Account, peer_id: str) -> bool:
    if peer_id in sight.hidden_from or account.kind not in (Kind.PERSON, Kind.GHOST):
        return False
    return not any(
        accounts.is_blocked(tx, blocker_id=one, blocked_id=other)
        for one, other in ((peer_id, account.id), (account.id, peer_id))
    )
