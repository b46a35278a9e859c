"""A checker that finds nothing is worth nothing: every kind of wrong is planted once, and found by its name."""

import msgspec
import pytest

from tests.checker.history import History, Line, Marked, Sent, Shown, check

RAILS = ("whatsapp", "messenger")


def sent(number: int, sender: str = "alice", outcome: str = "accepted", rail: str = "whatsapp") -> Sent:
    """The number-th message of a pair."""
    recipient = "bob" if sender == "alice" else "alice"
    return msgspec.convert(
        {
            "sender": sender,
            "recipient": recipient,
            "rail": rail,
            "text": f"{sender}-{number}",
            "began_ms": number * 10,
            "ended_ms": number * 10 + 5,
            "outcome": outcome,
        },
        Sent,
    )


SENT = (sent(1), sent(2), sent(3), sent(4, "bob"), sent(5, outcome="unknown"))
LINES = tuple(Line(text=one.text, author=one.sender, is_read=True) for one in SENT[:4])


def shown(lines: tuple[Line, ...] = LINES, *, odd: tuple[Line, ...] | None = None) -> tuple[Shown, ...]:
    """Both people, both rails; `odd`: what bob's Messenger shows instead."""
    threads = [
        Shown(owner=owner, peer=peer, rail=rail, lines=lines)
        for owner, peer in (("alice", "bob"), ("bob", "alice"))
        for rail in RAILS
    ]
    if odd is not None:
        threads[-1] = msgspec.structs.replace(threads[-1], lines=odd)
    return tuple(threads)


def test_a_good_run_has_no_findings() -> None:
    """Also when a message of unknown outcome is shown everywhere."""
    assert check(History(sent=SENT, shown=shown())) == []
    unknown = Line(text="alice-5", author="alice", is_read=False)
    assert check(History(sent=SENT, shown=shown((*LINES, unknown)))) == []


def _replaced(place: int, **changes: object) -> tuple[Line, ...]:
    lines = list(LINES)
    lines[place] = msgspec.structs.replace(lines[place], **changes)
    return tuple(lines)


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        (LINES[1:], ("I1 no-loss", "prefix lost")),
        ((LINES[0], *LINES[2:]), ("I1 no-loss", "middle lost")),
        ((LINES[0], LINES[1], LINES[3]), ("I1 no-loss", "postfix lost")),
        ((LINES[3],), ("I1 no-loss", "all lost")),
        ((*LINES, LINES[1]), ("I2 no-dup", "shown twice")),
        ((LINES[1], LINES[0], *LINES[2:]), ("I3 order", "out of turn")),
        ((*LINES[:2], LINES[3], LINES[2]), ("I3 order", "two orders")),
        ((*LINES, Line(text="alice-9", author="alice", is_read=True)), ("I7 no-invent", "never sent")),
        (_replaced(3, author="alice"), ("I7 no-invent", "wrong author")),
        (_replaced(0, is_read=False), ("I4 read", "rails disagree")),
    ],
)
def test_what_is_planted_is_found(odd: tuple[Line, ...], expected: tuple[str, str]) -> None:
    """On one account of one person, by the name of the invariant."""
    found = check(History(sent=SENT, shown=shown(odd=odd)))
    assert expected in {(one.invariant, one.what) for one in found}


def test_a_failure_that_is_shown_to_its_sender_is_no_loss() -> None:
    """Silence is."""
    told = tuple(msgspec.structs.replace(line, failed=line.text == "alice-3") for line in LINES)
    threads = [*shown(told)[:2], *shown((LINES[0], LINES[1], LINES[3]))[2:]]
    assert check(History(sent=SENT, shown=tuple(threads))) == []


def test_a_marker_that_goes_back_is_found() -> None:
    """Although it is right in the end."""
    marks = [Marked(owner="bob", peer="alice", rail="messenger", read=read) for read in (1, 3, 2, 3)]
    found = check(History(sent=SENT, shown=shown(), marked=tuple(marks)))
    assert [one.what for one in found] == ["marker gone back"]


def test_the_blocked_are_found_and_their_silence_is_no_loss() -> None:
    """What alice writes to bob, who blocks her, is nowhere on bob's side."""
    apart = frozenset({frozenset({"alice", "bob"})})
    found = check(History(sent=SENT, shown=shown(), apart=apart))
    assert {one.invariant for one in found} == {"I5 authorised"}
    assert check(History(sent=SENT, shown=shown(()), apart=apart)) == []
