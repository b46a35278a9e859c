"""Histories: what clients did and what the rails showed them in the end, and what is wrong with that.

Written by clients and rails, never by what is tested; in the way of Jepsen's checkers, but for people with several
accounts. Every text is ``<sender>-<counter>`` and is sent once, so loss, duplication and order can be told apart.
Safety (`check`) and liveness (how long it took until nothing was missing) are judged apart.

The names of the invariants are those of docs/reliability.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Literal

import msgspec

Outcome = Literal["accepted", "refused", "unknown"]
"""`unknown`: no answer came in time; it may or may not have been taken."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wrote something. Milliseconds of one clock; `rail` is where."""

    sender: str
    recipient: str
    rail: str
    text: str
    began_ms: int
    ended_ms: int
    outcome: Outcome


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One message as an app shows it. `author`: the person whose handle stands there; `failed`: shown as not sent."""

    text: str
    author: str
    is_read: bool
    failed: bool = False


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A thread of `owner` with `peer` on one rail, as the app shows it in the end, first message first."""

    owner: str
    peer: str
    rail: str
    lines: tuple[Line, ...]


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a thread were seen as read, at some moment; in the order they were looked at."""

    owner: str
    peer: str
    rail: str
    read: int


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One thing that is wrong. `invariant` as in docs/reliability.md."""

    invariant: str
    what: str
    where: str
    detail: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run. `apart`: pairs of people of whom one blocks the other, from before the first message on."""

    sent: tuple[Sent, ...]
    shown: tuple[Shown, ...]
    marked: tuple[Marked, ...] = ()
    apart: frozenset[frozenset[str]] = frozenset()


def check(history: History) -> list[Finding]:
    """Everything that is wrong, worst first; [] when nothing is."""
    by_text = {sent.text: sent for sent in history.sent}
    found: list[Finding] = []
    for thread in history.shown:
        found += _lost(thread, history)
        found += _repeated(thread)
        found += _invented(thread, by_text)
        found += _out_of_turn(thread, by_text)
        found += _unauthorised(thread, history.apart)
    found += _disagreeing(history.shown)
    found += _unread(history)
    found += _gone_back(history.marked)
    return sorted(found)


def _pair(one: str, other: str) -> frozenset[str]:
    return frozenset((one, other))


def _where(thread: Shown) -> str:
    return f"{thread.owner} with {thread.peer} on {thread.rail}"


def _lost(thread: Shown, history: History) -> Iterable[Finding]:
    """I1: what was accepted is shown, or its sender is told that it failed. Silence is loss."""
    if _pair(thread.owner, thread.peer) in history.apart:
        return
    there = {line.text for line in thread.lines}
    told = {line.text for one in history.shown for line in one.lines if line.failed}
    for sender in (thread.owner, thread.peer):
        accepted = [
            sent.text
            for sent in history.sent
            if sent.sender == sender and _pair(sent.sender, sent.recipient) == _pair(thread.owner, thread.peer)
            if sent.outcome == "accepted"
        ]
        missing = [text for text in accepted if text not in there and text not in told]
        if missing:
            yield Finding(
                invariant="I1 no-loss", what=_kind_of_loss(accepted, there), where=_where(thread), detail=_some(missing)
            )


def _kind_of_loss(accepted: Sequence[str], there: set[str]) -> str:
    """Which end is missing tells what has gone wrong: a store, a cursor, or a backlog that never came."""
    present = [number for number, text in enumerate(accepted) if text in there]
    if not present:
        return "all lost"
    missing = [number for number, text in enumerate(accepted) if text not in there]
    if missing[-1] < present[0]:
        return "prefix lost"
    return "postfix lost" if missing[0] > present[-1] else "middle lost"


def _repeated(thread: Shown) -> Iterable[Finding]:
    """I2: nothing is shown twice."""
    twice = [text for text, count in Counter(line.text for line in thread.lines).items() if count > 1]
    if twice:
        yield Finding(invariant="I2 no-dup", what="shown twice", where=_where(thread), detail=_some(twice))


def _invented(thread: Shown, by_text: Mapping[str, Sent]) -> Iterable[Finding]:
    """I7: nothing is shown that was not sent, or by somebody else, or to somebody else."""
    for line in thread.lines:
        sent = by_text.get(line.text)
        if sent is None or sent.outcome == "refused":
            yield Finding(invariant="I7 no-invent", what="never sent", where=_where(thread), detail=line.text)
        elif line.author != sent.sender:
            detail = f"{line.text} shown as {line.author}'s"
            yield Finding(invariant="I7 no-invent", what="wrong author", where=_where(thread), detail=detail)
        elif _pair(sent.sender, sent.recipient) != _pair(thread.owner, thread.peer):
            detail = f"{line.text} was to {sent.recipient}"
            yield Finding(invariant="I7 no-invent", what="wrong thread", where=_where(thread), detail=detail)


def _out_of_turn(thread: Shown, by_text: Mapping[str, Sent]) -> Iterable[Finding]:
    """I3: what one person wrote on one rail stays in the order in which it was accepted there."""
    before: dict[tuple[str, str], Sent] = {}
    for line in thread.lines:
        sent = by_text.get(line.text)
        if sent is None:
            continue
        earlier = before.get((sent.sender, sent.rail))
        if earlier is not None and sent.ended_ms < earlier.began_ms:
            detail = f"{sent.text} behind {earlier.text}"
            yield Finding(invariant="I3 order", what="out of turn", where=_where(thread), detail=detail)
        before[sent.sender, sent.rail] = sent


def _unauthorised(thread: Shown, apart: frozenset[frozenset[str]]) -> Iterable[Finding]:
    """I5: nobody is shown what somebody wrote whom they block."""
    if _pair(thread.owner, thread.peer) not in apart:
        return
    theirs = [line.text for line in thread.lines if line.author == thread.peer]
    if theirs:
        yield Finding(invariant="I5 authorised", what="from the blocked", where=_where(thread), detail=_some(theirs))


def _disagreeing(shown: Sequence[Shown]) -> Iterable[Finding]:
    """I3: all accounts of both people show the messages they share in one order."""
    conversations: dict[frozenset[str], list[Shown]] = defaultdict(list)
    for thread in shown:
        conversations[_pair(thread.owner, thread.peer)].append(thread)
    for threads in conversations.values():
        for one, other in combinations(threads, 2):
            here, there = ([line.text for line in thread.lines] for thread in (one, other))
            common = set(here) & set(there)
            in_one, in_other = ([text for text in texts if text in common] for texts in (here, there))
            if in_one != in_other:
                first = next((pair for pair in zip(in_one, in_other, strict=False) if pair[0] != pair[1]), ("", ""))
                yield Finding(
                    invariant="I3 order",
                    what="two orders",
                    where=f"{_where(one)}; {_where(other)}",
                    detail=f"{first[0]} here, {first[1]} there",
                )


def _unread(history: History) -> Iterable[Finding]:
    """I4: what is read on one of a person's rails is read on all; in the end, the same for the author's."""
    threads: dict[tuple[str, str], list[Shown]] = defaultdict(list)
    for thread in history.shown:
        threads[thread.owner, thread.peer].append(thread)
    for (owner, peer), found in threads.items():
        states = {
            thread.rail: frozenset(line.text for line in thread.lines if line.author == peer and not line.is_read)
            for thread in found
        }
        if len(set(states.values())) > 1:
            detail = "; ".join(f"{rail}: {_some(sorted(texts)) or 'all read'}" for rail, texts in states.items())
            yield Finding(invariant="I4 read", what="rails disagree", where=f"{owner} with {peer}", detail=detail)


def _gone_back(marked: Sequence[Marked]) -> Iterable[Finding]:
    """I4: what was seen as read never turns unread."""
    most: dict[tuple[str, str, str], int] = {}
    for seen in marked:
        key = (seen.owner, seen.peer, seen.rail)
        if seen.read < most.get(key, 0):
            where = f"{seen.owner} with {seen.peer} on {seen.rail}"
            detail = f"{most[key]}, then {seen.read} read"
            yield Finding(invariant="I4 read", what="marker gone back", where=where, detail=detail)
        most[key] = max(seen.read, most.get(key, 0))


def _some(texts: Sequence[str]) -> str:
    shown = ", ".join(texts[:5])
    return f"{shown} and {len(texts) - 5} more" if len(texts) > 5 else shown
